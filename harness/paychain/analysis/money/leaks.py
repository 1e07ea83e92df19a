"""Card numbers in the files of a run: there must be none, also not in the log of an own service.

Source: PCI DSS 3.4.1; docs/domain.md §2.5 (I13).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from paychain.analysis.measures.measures import MoneyFinding, MoneyRule
from paychain.declaration.quantity import count
from paychain.payments.cards import TEST_CARDS, WRITTEN, Card

RULE = "no_card_number_in_a_file"
READ_BYTES = 250_000  # of a file at once: they stay in the processor's cache for all cards
LOG = ".log"  # what a person reads, and where a number may be written in groups of digits
_MAX_DIGITS = max(len(card.number) for card in TEST_CARDS)
_IN_LOGS = {
    card: re.compile(written.pattern.encode(), re.IGNORECASE) for card, written in WRITTEN.items()
}
# Without the first digit, which may be taken for a part of an escape: `100%3782…`.
_NUMBERS = [card.number[1:].encode() for card in TEST_CARDS]
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


def files_in(folder: Path) -> dict[Path, int]:
    """Every file below a run's folder, and its bytes."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path: path.stat().st_size for path in paths}


def no_card_number_in_a_file(folder: Path, files: Mapping[Path, int] | None = None) -> MoneyRule:
    """No file of a run holds the whole number of a card that the run may use.

    `files` of the folder are searched for as many bytes as they are given with; None: all of them.
    A finding names the file, without an amount, and in a log the first line.
    """
    found = [
        MoneyFinding("", 0, f"{path.relative_to(folder)}{text}", [])
        for path, size in (files_in(folder) if files is None else files).items()
        for text in (_in_log(path) if path.suffix == LOG else _in_file(path, size))
    ]
    return MoneyRule(
        rule=RULE, title="No card number in any file", findings=len(found), amount=0, payments=found
    )


def _in_log(path: Path) -> Iterator[str]:
    """Of each card found the first line that has it: `:12 holds the number of 424242…4242`."""
    first: dict[Card, int] = {}
    last: dict[Card, int] = {}
    lines: dict[Card, int] = {}
    number, tail = 1, b""  # the line where what is read next begins; the end of what was read
    with path.open("rb") as file:
        while read := file.read(READ_BYTES):
            data, begins = tail + read, len(tail)
            goes_on = file.peek(1)[:1].isdigit()
            for card, pattern in _IN_LOGS.items() if _may_hold_a_number(data) else ():
                for found in pattern.finditer(data):
                    # What ends in the tail was found with what was read before.
                    if found.end() <= begins or (goes_on and found.end() == len(data)):
                        continue
                    start = found.start()
                    line = number + data.count(b"\n", begins, start)
                    line -= data.count(b"\n", start, begins)
                    first.setdefault(card, line)
                    lines[card] = lines.get(card, 0) + (last.get(card) != line)
                    last[card] = line
            number += read.count(b"\n")
            tail = data[-_TAIL_BYTES:]
    for card, number in first.items():
        more = lines[card] - 1
        others = f", and so {'does' if more == 1 else 'do'} {count(more, 'other line')}"
        yield f":{number} holds the number of {card.masked}{others if more else ''}"


def _may_hold_a_number(data: bytes) -> bool:
    """Whether the digits of a number are in it: the patterns are far too slow for a long log."""
    data = data.lower()
    for begin, escapes in _ESCAPED.items():
        if begin in data:
            for escaped in escapes:
                data = data.replace(escaped, b"")
    data = data.translate(None, _BETWEEN).replace(_DIGIT, b"")
    return any(number in data for number in _NUMBERS)


def _in_file(path: Path, size: int) -> Iterator[str]:
    seen: set[str] = set()
    tail = b""
    with path.open("rb") as file:
        while data := file.read(min(READ_BYTES, size)):
            size -= len(data)
            data = tail + data
            for card in TEST_CARDS:
                if card.number not in seen and card.number.encode() in data:
                    seen.add(card.number)
                    yield f" holds the number of {card.masked}"
            # A number may lie across two reads: the end of one is searched with the next.
            tail = data[-_MAX_DIGITS:]
