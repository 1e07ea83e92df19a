"""Card numbers in the files of a run: there must be none, also not in the log of an own service.

Source: PCI DSS 3.4.1; docs/domain.md §2.5 (I13).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import BinaryIO

from paychain.analysis.measures.measures import MoneyFinding, MoneyRule
from paychain.declaration.quantity import count
from paychain.payments.cards import TEST_CARDS, Card, pattern_of

RULE = "no_card_number_in_a_file"
READ_BYTES = 250_000  # of a file at once: they stay in the processor's cache for all cards
LOG = ".log"  # what a person reads, and where a number may be written in groups of digits
_MAX_DIGITS = max(len(card.number) for card in TEST_CARDS)
# Without the first digit, which may be taken for a part of an escape: `100%3782…`.
_NUMBERS = {card: card.number[1:].encode() for card in TEST_CARDS}
_TAIL_BYTES = 200  # longer than a number in any form that is looked for
_BETWEEN = b" \t.,_/+-\r\n"
# What the patterns permit between digits, in lower case; at last what makes `%34` of a 4.
_ESCAPED = {
    b"\\": [rb"\n", rb"\r", rb"\t", rb"\u0020", rb"\u00a0", rb"\u000a"],
    b"&": [b"&nbsp;"],
    b"\xc2": ["\N{NO-BREAK SPACE}".encode()],
    b"%": [b"%20", b"%0a", b"%0d", b"%2b", b"%2d", b"%c2%a0"],
}
_DIGIT = b"%3"


def files_in(folder: Path) -> list[Path]:
    """Every file below a run's folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


@cache
def _in_logs(card: Card) -> re.Pattern[bytes]:
    """The number of a card as logs may have it."""
    return re.compile(pattern_of(card).pattern.encode(), re.IGNORECASE)


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def no_card_number_in_a_file(
    folder: Path,
    files: Sequence[Path] | None = None,
    opened: Callable[[Path], AbstractContextManager[BinaryIO]] = _opened,
) -> MoneyRule:
    """No file of a run holds the whole number of a card that the run may use.

    `files` of the folder are searched; None: all of them. `opened` opens one to be read.
    A finding names the file, without an amount, and in a log the first line.
    """
    found = [
        MoneyFinding("", 0, f"{path.relative_to(folder)}{text}", [])
        for path in (files_in(folder) if files is None else files)
        for text in (_in_log if path.suffix == LOG else _in_file)(opened(path))
    ]
    return MoneyRule(
        rule=RULE, title="No card number in any file", findings=len(found), amount=0, payments=found
    )


def _in_log(opened: AbstractContextManager[BinaryIO]) -> Iterator[str]:
    """Of each card found the first line that has it: `:12 holds the number of 424242…4242`."""
    first: dict[Card, int] = {}
    last: dict[Card, int] = {}
    lines: dict[Card, int] = {}
    number, tail = 1, b""  # the line where what is read next begins; the end of what was read
    with opened as file:
        following = file.read(READ_BYTES)
        while read := following:
            following = file.read(READ_BYTES)
            data, begins = tail + read, len(tail)
            goes_on = following[:1].isdigit()
            for card in _maybe_in(data):
                at, line = begins, number
                for found in _in_logs(card).finditer(data):
                    # What ends in the tail was found with what was read before.
                    if found.end() <= begins or (goes_on and found.end() == len(data)):
                        continue
                    if _is_list(found.group()):
                        continue
                    start = found.start()
                    line += data.count(b"\n", at, start) - data.count(b"\n", start, at)
                    at = start
                    first.setdefault(card, line)
                    lines[card] = lines.get(card, 0) + (last.get(card) != line)
                    last[card] = line
            number += read.count(b"\n")
            tail = data[-_TAIL_BYTES:]
    for card, number in first.items():
        more = lines[card] - 1
        others = f", and so {'does' if more == 1 else 'do'} {count(more, 'other line')}"
        yield f":{number} holds the number of {card.masked}{others if more else ''}"


def _is_list(written: bytes) -> bool:
    """Whether digits are values of their own, as in `[4,2,4,2]`: nobody groups a number so."""
    groups = re.split(rb"[,._/]", written)
    return sum(len(group) == 1 for group in groups) > len(groups) / 2


def _maybe_in(data: bytes) -> list[Card]:
    """The cards whose digits are in it: the patterns are far too slow for a long log."""
    data = data.lower()
    for begin, escapes in _ESCAPED.items():
        if begin in data:
            for escaped in escapes:
                data = data.replace(escaped, b"")
    data = data.translate(None, _BETWEEN).replace(_DIGIT, b"")
    return [card for card, number in _NUMBERS.items() if number in data]


def _in_file(opened: AbstractContextManager[BinaryIO]) -> Iterator[str]:
    seen: set[str] = set()
    tail = b""
    with opened as file:
        while data := file.read(READ_BYTES):
            data = tail + data
            for card in TEST_CARDS:
                # From its end: that way Python takes half the time for a number that is not there.
                if card.number not in seen and data.rfind(card.number.encode()) >= 0:
                    seen.add(card.number)
                    yield f" holds the number of {card.masked}"
            # A number may lie across two reads: the end of one is searched with the next.
            tail = data[-_MAX_DIGITS:]
