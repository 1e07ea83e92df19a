"""What cites a page of the docs names a command that prints it, wherever paychain is installed."""

from __future__ import annotations

import ast
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import paychain
from paychain.cli.docs import docs
from paychain.model import pages
from paychain.model.finding_kinds import KINDS
from tests.support.cli import invoked
from tests.support.paths import ROOT

PACKAGE = Path(paychain.__file__).parent
_COMMAND = re.compile(r"paychain docs ([\w-]+)(?: (§\d+(?:\.\d+)?))?")
PAGES = {path.stem: path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md")}
PAGE = """\
# Facts

## 1. Cards

1. First
2. Second
   goes on
3. Third

### 1.4 Messages

```sh
# no heading
```

An amount.

## Amounts

Money.
"""


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("§1.4", "### 1.4 Messages", "An amount."),
        ("1", "## 1. Cards", "An amount."),
        ("1.2", "2. Second", "   goes on"),
        ("amounts", "## Amounts", "Money."),
        ("an amount", "### 1.4 Messages", "An amount."),
        ("no heading", "### 1.4 Messages", "# no heading"),
    ],
)
def test_a_part_of_a_page_is_found_by_number_heading_or_words(
    wanted: str, first: str, last: str
) -> None:
    lines = pages.part(PAGE, wanted).strip().splitlines()
    assert (lines[0], lines[-1]) == (first, last)


@pytest.mark.parametrize("wanted", ["1.9", "2", "1.4.1", "refund"])
def test_a_part_that_is_not_there_is_empty(wanted: str) -> None:
    assert pages.part(PAGE, wanted) == ""


def test_a_whole_heading_comes_before_one_that_contains_it() -> None:
    page = (
        "# Keys\n\n## CustomerRetry\n\nseven\n\n## Retry\n\ntwo\n\n## Other\n\n### Retry\n\nmore\n"
    )
    assert pages.part(page, "retry") == "## Retry\n\ntwo\n\n### Retry\n\nmore"


def test_every_section_of_every_page_is_reached_by_its_heading() -> None:
    unreached, tried = [], 0
    for name, text in PAGES.items():
        lines = text.splitlines()
        for level, heading, at in pages._headings(lines):
            tried += level > 1
            if level > 1 and lines[at] not in pages.part(text, heading).splitlines():
                unreached.append(f"{name} {heading}")
    assert (unreached, tried > 300) == ([], True)


def test_every_link_of_a_page_leads_somewhere(tmp_path: Path) -> None:
    links = {
        link if page else f"{name}{link}"
        for name, text in PAGES.items()
        for link, page in re.findall(r"\]\((([\w-]+\.md)?(?:#[\w-]+)?)\)", text)
        if link
    }
    assert len(links) > 200
    missing = []
    for link in sorted(links):
        page, _, section = link.partition("#")
        text = PAGES[page.removesuffix(".md")]
        headings = {pages.anchor(heading) for _, heading, _ in pages._headings(text.splitlines())}
        if section and section not in headings:
            missing.append(link)
    assert missing == []
    for link in ("load.md#many-machines", "load#many-machines", "docs/load.md#many-machines"):
        assert invoked(tmp_path, "docs", link).stdout.startswith("## Many machines")


def test_a_terminal_shows_no_line_that_it_would_break(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("index", "load", "measures", "tutorial"):
        shown = _on_a_terminal(monkeypatch, name, columns=80)
        assert max(map(len, shown)) <= 80
        assert "|---" not in "\n".join(shown)
    text = " ".join(" ".join(_on_a_terminal(monkeypatch, "load", columns=80)).split())
    assert "tutorial (paychain docs tutorial#declare-an-experiment)" in text
    assert "what grows (paychain docs load#soak)" in text


def _on_a_terminal(monkeypatch: pytest.MonkeyPatch, *words: str, columns: int) -> list[str]:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    docs(words[0], list(words[1:]))
    return terminal.getvalue().splitlines()


def test_every_page_can_be_printed(tmp_path: Path) -> None:
    listed = invoked(tmp_path, "docs").stdout.splitlines()
    names = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert {line.split()[0] for line in listed} == names
    assert all(len(line.split()) > 1 for line in listed)
    for name in sorted(names):
        text = (ROOT / f"docs/{name}.md").read_text("utf-8")
        assert invoked(tmp_path, "docs", name).stdout == f"{text.rstrip()}\n"


def test_a_page_is_found_as_it_is_cited(tmp_path: Path) -> None:
    printed = [
        invoked(tmp_path, "docs", name, "§2.5").stdout
        for name in ("domain", "domain.md", "docs/domain.md")
    ]
    assert printed[0].startswith("## 2.5") or printed[0].startswith("### 2.5")
    assert len(set(printed)) == 1


def test_what_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    page = invoked(tmp_path, "docs", "measuers")
    assert (page.exit_code, "did you mean 'measures'?" in page.stderr) == (2, True)
    section = invoked(tmp_path, "docs", "measures", "xyzzy")
    assert (section.exit_code, "nothing about 'xyzzy'" in section.stderr) == (2, True)


def test_sources_of_findings_are_commands_that_print_something() -> None:
    sources = [facts.source for facts in KINDS.values()]
    cited = [match for source in sources for match in _COMMAND.findall(source)]
    assert len(cited) > 10
    known = pages.pages()
    for name, section in cited:
        text = known[name].read_text("utf-8")
        assert not section or pages.part(text, section), f"{name} {section}"


def test_no_text_for_users_names_a_file_that_only_the_repository_has() -> None:
    schema = pages.schema_for_readers({"a": {"description": "See docs/crypto.md."}})
    assert schema == {"a": {"description": "See paychain docs crypto."}}
    found = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        # These turn what they cite into a command.
        if path.name not in ("finding_kinds.py", "pages.py", "reference.py", "docs.py")
        for node in _texts(path)
        if "docs/" in node.value and re.search(r"(?<![\w./])docs/", node.value)
    ]
    assert found == []
    shown = [
        path for suffix in ("j2", "js", "html", "typ") for path in PACKAGE.rglob(f"*.{suffix}")
    ]
    assert [path.name for path in shown if "docs/" in path.read_text("utf-8")] == []


def _texts(path: Path) -> Iterator[ast.Constant]:
    """The texts of a module that are no docstrings."""
    source = path.read_text("utf-8")
    if "docs/" not in source:
        return
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings:
            yield node
