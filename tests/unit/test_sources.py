"""Every source that code and data cite is one that a reader can open."""

from __future__ import annotations

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


def test_the_facts_that_code_relies_on_are_cited_at_all() -> None:
    assert {page for page, _ in _sections_cited()} >= {"docs/domain.md", "docs/toxiproxy.md"}
