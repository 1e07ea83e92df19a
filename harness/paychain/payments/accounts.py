"""Accounts that test transfers go to: only examples that the IBAN registry publishes.

Source: SWIFT, IBAN registry (ISO 13616), the example of each country.
"""

from __future__ import annotations

from paychain.payments.cards import Card


class Account(Card, frozen=True, gc=False):
    """Whom a transfer pays: `number` is the IBAN, `scheme` the title of the rail.

    The names are those of a card, because an instrument has one form on the wire. It is masked as
    a card is.
    """


EXAMPLES = (
    "AT611904300234573201",
    "BE68539007547034",
    "DE89370400440532013000",
    "ES9121000418450200051332",
    "FR1420041010050500013M02606",
    "NL91ABNA0417164300",
)


def accounts_on(rail: str) -> tuple[Account, ...]:
    """The published accounts, on the rail with this title."""
    return tuple(Account(iban, rail) for iban in EXAMPLES)
