"""A user's file as text, and as plain values of which each has its place (`yaml_text.py`)."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paychain.declaration.reading import NotReadable, TooLarge, read_bounded

MAX_BYTES = 1_000_000  # of a file: declarations are written by hand
# Characters of which one is NUL in any text of UTF-16 or UTF-32 that begins in ASCII.
_BEGINNING = 4
_OTHER_UNICODE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Mistake:
    """One mistake in a file, at a line and a column from 1."""

    line: int
    column: int
    what: str
    hint: str = ""


@dataclass
class Document:
    """The plain value of a file and the place of every key path."""

    value: Any = None
    places: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def value_at(self, path: KeyPath) -> Any:
        """The value at a path that has a place."""
        value = self.value
        for step in path:
            value = value[step]
        return value

    def place(self, path: KeyPath) -> tuple[int, int]:
        """Line and column of the nearest known part of a path."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


def read_text(path: Path) -> tuple[str, Mistake | None]:
    """The file's text, or why it cannot be read."""
    try:
        data = read_bounded(path, MAX_BYTES)
    except OSError as error:
        return "", Mistake(1, 1, f"cannot be read: {error.strerror}")
    except TooLarge:
        return "", Mistake(1, 1, f"larger than {MAX_BYTES // 1000} kB", "split the file")
    except NotReadable as error:
        return "", Mistake(1, 1, error.what.removeprefix(f"{path} "), error.hint)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if b"\0" in data and not data.startswith(_OTHER_UNICODE):
            return "", Mistake(1, 1, "a binary file", "give a YAML file")
        line = data[: error.start].count(b"\n") + 1
        return "", Mistake(line, 1, "not UTF-8 text", "save the file as UTF-8")
    # UTF-16 and UTF-32 without a byte order mark decode, with a NUL beside every ASCII letter.
    if "\0" in text[:_BEGINNING]:
        return "", Mistake(1, 1, "not UTF-8 text", "save the file as UTF-8")
    return text, None
