"""Test cards: only numbers that a scheme or processor publishes for testing.

Generated numbers are never used: they are Luhn-valid inside real issuer ranges and may belong to a
real cardholder (PCI DSS 6.5.5). Source: docs/domain.md §2.1 and §4.5.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

import msgspec


class Card(msgspec.Struct, frozen=True, gc=False):
    """A test card as it travels through the mock chain."""

    number: str
    scheme: str

    @property
    def group(self) -> str:
        """Under whose rules the card is: its scheme."""
        return self.scheme

    @property
    def identity(self) -> str:
        """What is charged: the whole number."""
        return self.number

    @property
    def masked(self) -> str:
        """First six and last four digits: all that may reach a file (PCI DSS 3.4.1)."""
        return _masked_number(self.number)

    def __repr__(self) -> str:
        """Masked: messages of errors that nobody expected reach terminals and files, too."""
        return f"{type(self).__name__}({self.masked!r}, {self.scheme!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The same, for who prints structs field by field."""
        return [("number", self.masked), ("scheme", self.scheme)]


# A movement of every link has it: one text for all that a card has paid.
@lru_cache(maxsize=1_000)
def _masked_number(number: str) -> str:
    return f"{number[:6]}…{number[-4:]}"


# Published test numbers (processors' public testing pages).
TEST_CARDS: tuple[Card, ...] = (
    Card("4242424242424242", "visa"),
    Card("4000056655665556", "visa"),
    Card("4111111111111111", "visa"),
    Card("5555555555554444", "mastercard"),
    Card("5200828282828210", "mastercard"),
    Card("2223003122003222", "mastercard"),
    Card("378282246310005", "amex"),
    Card("6011111111111117", "discover"),
)

SCHEMES = tuple(sorted({card.scheme for card in TEST_CARDS}))


# What may stand between two digits: a card's number is also written in groups, over the end of a
# line, and as JSON, HTML and forms write that.
_BETWEEN = "|".join(
    (
        r"[ \t.,_/+-]|\r?\n|\\[nt]|\\r\\n|\\u00(?:20|a0|0a)|&nbsp;",
        r"%(?:0A|0D%0A|20|2B|2D|C2%A0)",
        "\N{NO-BREAK SPACE}",
    )
)
# No digit stands before it, unless one ends the escape of something else than a digit: `%22`,
# `%2522` (encoded twice), `\x22`, `\u0022`.
_BEFORE = "|".join(
    (
        r"(?<!\d)",
        r"(?<=%(?!3)[0-9a-f]\d)",
        r"(?<=%25(?!3)[0-9a-f]\d)",
        r"(?<=\\x(?!3)[0-9a-f]\d)",
        r"(?<=\\u(?!003)[0-9a-f]{3}\d)",
    )
)


@cache  # made when it is asked for: every process of a run imports this, few look for a number
def pattern_of(card: Card) -> re.Pattern[str]:
    """The number of a card as people and programs write it, its digits encoded or in groups."""
    return re.compile(
        f"(?:{_BEFORE})"
        + f"(?:{_BETWEEN})?".join(f"(?:{digit}|%3{digit})" for digit in card.number)
        + r"(?!\d)",
        re.IGNORECASE,
    )


def masked(text: str) -> str:
    """A text in which every number of a test card is masked."""
    for card in TEST_CARDS:
        text = pattern_of(card).sub(card.masked, text)
    return text
