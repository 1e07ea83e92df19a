"""Every source that code and data cite is one that a reader can open."""

from __future__ import annotations

import builtins
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import paychain

PACKAGE = Path(paychain.__file__).parent
ROOT = PACKAGE.parents[1]
FOLDERS = ("harness", "tests", "bench", "chains", "chaos")
SUFFIXES = {".py", ".yaml", ".yml"}
_PAGE = re.compile(r"(?<![\w.*{}-])((?:[\w.-]+/)*[\w-]+\.md)\b((?:\s+(?:and )?§\d+(?:\.\d+)?)*)")
_SECTION = re.compile(r"§(\d+(?:\.\d+)?)")
_BARE = re.compile(r"\b(?:domain|toxiproxy|foundations|design|reports|review|style)(?:\.md)? §")


@cache
def _texts() -> list[tuple[Path, str]]:
    """The files that cite a page or a section, and what is in them."""
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*"))]
    texts = [
        (path, path.read_text("utf-8"))
        for path in paths
        if path.suffix in SUFFIXES and path != Path(__file__).resolve()
    ]
    # The patterns take seconds for all the others.
    return [(path, text) for path, text in texts if ".md" in text or "§" in text]


def _cited() -> Iterator[tuple[Path, str, str]]:
    for path, text in _texts():
        for page, sections in _PAGE.findall(text):
            yield path, page, sections


@cache
def _sections_cited() -> list[tuple[str, str]]:
    """Pages of ours with each of their sections that is cited, "" for the page alone."""
    return sorted(
        {
            (page, section)
            for _, page, sections in _cited()
            for section in (_SECTION.findall(sections) or [""])
            if page.startswith("docs/")
        }
    )


@cache
def _sections(page: Path) -> set[str]:
    """Numbers of headings, and of the items of a numbered list as `heading.item`."""
    found: set[str] = set()
    heading = ""
    for line in page.read_text("utf-8").splitlines():
        if match := re.match(r"#+ (\d+(?:\.\d+)?)\.? ", line):
            heading = match[1]
            found.add(heading)
        elif (match := re.match(r"(\d+)\. ", line)) and heading:
            found.add(f"{heading}.{match[1]}")
    return found


def test_every_cited_section_of_our_docs_exists() -> None:
    missing = [
        f"{page} §{section}"
        for page, section in _sections_cited()
        if not (ROOT / page).is_file() or (section and section not in _sections(ROOT / page))
    ]
    assert missing == []


def test_no_page_is_cited_that_is_not_in_the_repository() -> None:
    missing = [
        f"{path.relative_to(ROOT)}: {page}"
        for path, page, sections in _cited()
        if sections or page.split("/")[0] in ("docs", "shared")
        if not (ROOT / page).is_file()
    ]
    bare = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path, text in _texts()
        if path.suffix == ".py"
        for match in re.finditer(r"(?<!docs/)" + _BARE.pattern, text)
    ]
    assert missing + bare == []


def test_every_test_that_our_pages_name_exists() -> None:
    """Pages name the tests that show what they say; one that moved shows nothing to a reader."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    named = [
        (page, path)
        for page in pages
        for path in re.findall(r"`(tests/[\w/]+\.py)", page.read_text("utf-8"))
    ]
    assert len(named) > 20
    assert [f"{page.name}: {path}" for page, path in named if not (ROOT / path).is_file()] == []


def test_the_facts_that_code_relies_on_are_cited_at_all() -> None:
    assert {page for page, _ in _sections_cited()} >= {"docs/domain.md", "docs/toxiproxy.md"}


_RAISES = re.compile(r"\b[Rr]aises\s+((?:[\w.]+(?:,\s+|\s+and\s+|,?\s+or\s+)?)+)")
_DOCSTRING = re.compile(r'"""(.*?)"""', re.DOTALL)
_CLASS = re.compile(r"^ *class (\w+)\(([^)]*)\):", re.MULTILINE)
_ERROR = re.compile(r"\b(?:[a-z]\w*\.)?[A-Z]\w+")


def _raised_in_docstrings() -> Iterator[tuple[Path, str]]:
    """Each error that a docstring of the package says is raised, with the file that says it."""
    for path, text in _package():
        for docstring in _DOCSTRING.findall(text):
            for sentence in _RAISES.findall(docstring):
                for name in _ERROR.findall(sentence.split(". ")[0]):
                    yield path, name


def _errors() -> set[str]:
    """Python's exceptions and the package's own: classes whose bases lead to one of Python's."""
    bases = {
        name: {base.rpartition(".")[2].strip() for base in of.split(",")}
        for _, text in _package()
        for name, of in _CLASS.findall(text)
    }
    errors = {name for name, value in vars(builtins).items() if _is_error(value)}
    while more := {name for name, of in bases.items() if of & errors} - errors:
        errors |= more
    return errors


@cache
def _package() -> list[tuple[Path, str]]:
    return [(path, path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))]


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def test_every_error_that_a_docstring_names_exists() -> None:
    raised = set(_raised_in_docstrings())
    assert len(raised) > 200
    known = _errors()
    unknown = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, name in sorted(raised)
        if name not in known and not _is_error(_of_another_package(name))
    ]
    assert unknown == []


def _of_another_package(name: str) -> object:
    """`msgspec.DecodeError`: a class that is named with its package."""
    package, _, error = name.rpartition(".")
    return getattr(importlib.import_module(package), error, None) if package else None
