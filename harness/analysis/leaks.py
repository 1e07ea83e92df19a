"""Card numbers that reached a file of the run: none may (PCI DSS 3.4.1; domain.md §2.5, I13)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.analysis.measured import MoneyFinding, MoneyRule
from harness.payments.cards import TEST_CARDS, Card

RULE = "no_card_number_in_a_file"
READ_BYTES = 4_000_000
_LONGEST = max(len(card.number) for card in TEST_CARDS)


def no_card_number_in_a_file(folder: Path) -> MoneyRule:
    """Every file of a run directory, searched for the whole number of every card it may use."""
    found = [
        MoneyFinding("", 0, f"{path.relative_to(folder)} holds the number of {card.masked}", [])
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for card in _cards_in(path)
    ]
    return MoneyRule(RULE, "No card number in any file", len(found), 0, found)


def _cards_in(path: Path) -> Iterator[Card]:
    seen: set[str] = set()
    tail = b""
    with path.open("rb") as file:
        while data := file.read(READ_BYTES):
            data = tail + data
            for card in TEST_CARDS:
                if card.number not in seen and card.number.encode() in data:
                    seen.add(card.number)
                    yield card
            tail = data[-_LONGEST:]
