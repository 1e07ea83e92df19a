"""Oracle: says what one coin costs, and since when."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import msgspec

from paychain.faults.kind import StateFaultKind
from paychain.faults.kinds.price_jump import PriceJump
from paychain.payments.money import PRICE_UNIT
from paychain.protocol.message import Answer, PaymentRequest, Quote
from paychain.services.roles.role import Role, Work


@dataclass
class Oracle(Role):
    """Publishes a price at intervals; each lies within a declared share of the declared price."""

    _jumps: list[float] = field(default_factory=list, init=False)  # faults: times the price, each

    def operations(self) -> dict[str, Work]:
        """Quotes."""
        return {"quote": self._quote}

    def apply(self, fault: StateFaultKind, window: str) -> int:
        """Multiply each price from now on; what was quoted before stays as it was."""
        assert isinstance(fault, PriceJump)
        self._jumps.append(fault.to)
        return 0

    def heal(self, fault: StateFaultKind, window: str) -> None:
        """Report prices as they are, unless another fault multiplies them; a crash forgets all."""
        assert isinstance(fault, PriceJump)
        if fault.to in self._jumps:
            self._jumps.remove(fault.to)

    async def _quote(self, request: PaymentRequest, parent: str) -> Answer:
        prices = self.link.prices
        assert prices is not None  # the checks require it
        every_ns = int(prices.every * 1e9)
        number = self.context.now_ns() // every_ns
        moved = prices.moves * (2 * self.context.draw("price", number) - 1)
        price = round(float(prices.of) * (1 + moved) * prod(self._jumps) * PRICE_UNIT)
        quote = Quote(max(price, 1), number * every_ns)
        return msgspec.structs.replace(self.approve(request), quote=quote)
