"""Cards as own services send them to a payment provider: our tokens, and numbers for testing.

Whatever comes is charged as one of the published test cards (`payments/cards.py`): a number that
nobody publishes for testing may belong to a cardholder, and is refused (docs/domain.md §4.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from paychain.payments.cards import SCHEMES, TEST_CARDS, Card

TOKEN = "tok_"  # noqa: S105  (what a token begins with)
DIGITS = range(12, 20)  # of a card number: ISO/IEC 7812-1
_by_number = {card.number: card for card in TEST_CARDS}
_by_end = {(card.scheme, card.number[-4:]): card for card in TEST_CARDS}

NumberFault = Literal["not a number", "no such card", "not for testing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadNumber:
    """Why a card number cannot be charged."""

    fault: NumberFault


def card_of_token(token: str) -> Card | None:
    """The card of one of our tokens, None for any other text.

    A token without digits (`tok_visa`, as several providers write theirs) is the scheme's first.
    """
    if not token.startswith(TOKEN):
        return None
    scheme, _, last4 = token.removeprefix(TOKEN).partition("_")
    if last4:
        return _by_end.get((scheme, last4))
    return card_of_scheme(scheme)


def card_of_scheme(scheme: str) -> Card | None:
    """The first test card of a scheme, None for a scheme that no test card is of."""
    return next((card for card in TEST_CARDS if card.scheme == scheme), None)


def card_of_number(text: str, *, published: frozenset[str] = frozenset()) -> Card | BadNumber:
    """The card of a number as an own service sends it, with spaces or hyphens.

    `published`: further numbers that the provider publishes for testing, which are charged as a
    test card of their scheme.
    """
    number = text.replace(" ", "").replace("-", "")
    if not number.isascii() or not number.isdigit() or len(number) not in DIGITS:
        return BadNumber(fault="not a number")
    known = _by_number.get(number)
    if known is not None:
        return known
    if number in published:
        scheme = scheme_of(number)
        card = card_of_scheme(scheme) if scheme in SCHEMES else TEST_CARDS[0]
        assert card is not None  # every one of SCHEMES has a card
        return card
    return BadNumber(fault="not for testing" if passes_luhn(number) else "no such card")


def passes_luhn(number: str) -> bool:
    """Whether the last digit of a number fits the others (ISO/IEC 7812-1, annex B)."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def scheme_of(number: str) -> str:
    """The scheme of a card number by its first digits; "" for one that no test card is of."""
    first2, first4 = int(number[:2]), int(number[:4])
    if number.startswith("4"):
        return "visa"
    if 51 <= first2 <= 55 or 2221 <= first4 <= 2720:
        return "mastercard"
    if first2 in (34, 37):
        return "amex"
    if first4 == 6011 or first2 == 65:
        return "discover"
    return ""
