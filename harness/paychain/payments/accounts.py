"""Accounts that test transfers go to: only examples that are published for it.

Sources: SWIFT, IBAN registry (ISO 13616), the example of each country; for UPI, the addresses that
payment providers publish for tests (Razorpay, "Test UPI IDs"; Cashfree, "Test data").
"""

from __future__ import annotations

from paychain.payments.cards import Card


class Account(Card, frozen=True, gc=False):
    """Whom a transfer pays: `number` is the IBAN or address, `scheme` the title of the rail.

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


ADDRESSES = {"UPI": ("success@razorpay", "testsuccess@gocash")}


def accounts_on(rail: str) -> tuple[Account, ...]:
    """The published accounts, on the rail with this title."""
    return tuple(Account(number, rail) for number in ADDRESSES.get(rail, EXAMPLES))
