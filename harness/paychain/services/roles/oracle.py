"""Oracle: says what one coin costs, and since when."""

from __future__ import annotations

import msgspec

from paychain.payments.money import PRICE_UNIT
from paychain.protocol.message import Answer, PaymentRequest, Quote
from paychain.services.roles.role import Role, Work


class Oracle(Role):
    """Publishes a price at intervals; each lies within a declared share of the declared price."""

    def operations(self) -> dict[str, Work]:
        """Quotes."""
        return {"quote": self._quote}

    async def _quote(self, request: PaymentRequest, parent: str) -> Answer:
        prices = self.link.prices
        assert prices is not None  # the checks require it
        every_ns = int(prices.every * 1e9)
        number = self.context.now_ns() // every_ns
        moved = prices.moves * (2 * self.context.draw("price", number) - 1)
        price = round(float(prices.of) * (1 + moved) * PRICE_UNIT)
        quote = Quote(max(price, 1), number * every_ns)
        return msgspec.structs.replace(self.approve(request), quote=quote)
