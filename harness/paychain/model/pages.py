"""The pages of the docs, which an installation ships: `paychain docs` prints them.

Code and data cite a page by its file in the repository (`docs/domain.md §1.4`); a reader of a
message or report may have no repository, and is given the command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paychain.model.files import SHIPPED

FOLDER = "docs"
SUFFIXES = (".md", ".json", ".txt")  # pictures cannot be printed
_CITED = re.compile(r"\bdocs/([a-z0-9-]+)\.md\b")
_HEADING = re.compile(r"(#+) +(.+)")
_NUMBER = re.compile(r"§? ?(\d+)(?:\.(\d+))?")
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?:([a-z0-9-]+)\.md)?(?:#([\w-]+))?\)")


def pages() -> dict[str, Path]:
    """Each page by its name: `measures`, and with its ending what is not Markdown."""
    for root in reversed(SHIPPED):  # installed pages are those of this version
        found = {
            path.stem if path.suffix == ".md" else path.name: path
            for path in sorted((root / FOLDER).glob("*"))
            if path.suffix in SUFFIXES
        }
        if found:
            return found
    return {}


def for_readers(text: str) -> str:
    """A text that cites pages, with the command that prints each: `paychain docs measures`."""
    return _CITED.sub(r"paychain docs \1", text)


def schema_for_readers(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON Schema with its descriptions for readers."""
    return {key: _for_readers(key, value) for key, value in schema.items()}


def _for_readers(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        return schema_for_readers(value)
    if isinstance(value, list):
        return [_for_readers("", item) for item in value]
    return for_readers(value) if key == "description" and isinstance(value, str) else value


def title(text: str) -> str:
    """What the first heading of a page says."""
    return next((heading for _, heading, _ in _headings(text.splitlines())), "")


def links_as_commands(text: str, page: str) -> str:
    """A page whose links are the commands that print what they lead to.

    A terminal follows no link of Markdown. One within the page is only written out where its words
    are not those of the heading.
    """

    def command(match: re.Match[str]) -> str:
        words, other, section = match.groups()
        if other is None and (section is None or section == anchor(words)):
            return words
        return f"{words} (`paychain docs {other or page}{f'#{section}' if section else ''}`)"

    return _LINK.sub(command, text)


def anchor(heading: str) -> str:
    """What a link to a heading calls it: `The merchant's books` is `the-merchants-books`."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip())


def part(text: str, wanted: str) -> str:
    """The section of a page with this number (`§1.4`, `1.4`), this heading, or words of a heading.

    A heading may be given as links do: `many-machines`. Every section that has it is printed.
    Without such a section: the lines that contain the words, each below its heading. "" where
    there are none.
    """
    lines = text.splitlines()
    number = _NUMBER.fullmatch(wanted.strip())
    if number is not None:
        return _numbered(lines, number[1], number[2])
    # The whole heading first: "Retry" is also a word of headings above the one of that name.
    if sections := list(_with_heading(lines, anchor(wanted))):
        return "\n\n".join(sections)
    words = wanted.lower()
    for level, heading, at in _headings(lines):
        if level > 1 and words in heading.lower():
            return "\n".join(_section(lines, level, at))
    return "\n".join(_containing(lines, words))


def _headings(lines: list[str]) -> Iterator[tuple[int, str, int]]:
    """The level, text and line of each heading; a comment within a block of code is none."""
    in_code = False
    for at, line in enumerate(lines):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        match = _HEADING.fullmatch(line)
        if match is not None and not in_code:
            yield len(match[1]), match[2], at


def _with_heading(lines: list[str], wanted: str) -> Iterator[str]:
    end = 0
    for level, heading, at in _headings(lines):
        if level > 1 and at >= end and anchor(heading) == wanted:
            section = _section(lines, level, at)
            end = at + len(section)
            yield "\n".join(section).rstrip()


def _section(lines: list[str], level: int, at: int) -> list[str]:
    """A heading with what is below it, up to the next one that is as high."""
    ends = (each for above, _, each in _headings(lines) if each > at and above <= level)
    return lines[at : next(ends, len(lines))]


def _numbered(lines: list[str], number: str, item: str | None) -> str:
    """The section `1.4`, or the fourth item of the list in section `1`."""
    whole = f"{number}.{item}" if item else number
    for wanted in (whole, number):
        for level, heading, at in _headings(lines):
            if re.match(rf"{re.escape(wanted)}\.?(?: |$)", heading):
                section = _section(lines, level, at)
                return "\n".join(section if wanted == whole else _item(section, f"{item}. "))
    return ""


def _item(section: list[str], start: str) -> list[str]:
    """An item of a numbered list, with the lines that go on with it."""
    at = next((each for each, line in enumerate(section) if line.startswith(start)), None)
    if at is None:
        return []
    rest = section[at + 1 :]
    count = next((each for each, line in enumerate(rest) if not line.startswith(" ")), len(rest))
    return section[at : at + 1 + count]


def _containing(lines: list[str], words: str) -> Iterator[str]:
    headings = {at: line for line, at in ((lines[at], at) for _, _, at in _headings(lines))}
    heading = ""
    for at, line in enumerate(lines):
        if at in headings:
            heading = line
        elif words in line.lower():
            yield from filter(None, (heading, line))
            heading = ""
