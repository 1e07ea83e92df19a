"""Which payments a fault in a link applies to."""

from __future__ import annotations

from paychain.declaration.cards import Cards


class AffectedPayments(Cards):
    """The payments that a fault in a link applies to: of these cards and of these merchants."""

    merchants: list[str] = []

    def includes(self, number: str, scheme: str, merchant: str) -> bool:
        """Whether a payment is one of them."""
        return self.has(number, scheme) and (not self.merchants or merchant in self.merchants)
