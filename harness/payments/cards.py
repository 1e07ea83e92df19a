"""Test cards: only numbers that a scheme or processor publishes for testing.

Generated numbers are never used: they are Luhn-valid inside real issuer ranges and may belong to
somebody (PCI DSS 6.5.5). Source: domain.md §2.1 and §4.5.
"""

from __future__ import annotations

import msgspec


class Card(msgspec.Struct, frozen=True, gc=False):
    """A test card as it travels through the mock chain."""

    number: str
    scheme: str

    @property
    def masked(self) -> str:
        """First six and last four digits: all that may reach a file (PCI DSS 3.4.1)."""
        return f"{self.number[:6]}…{self.number[-4:]}"


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
