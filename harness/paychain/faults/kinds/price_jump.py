"""`price_jump`: the oracle reports absurd prices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from paychain.declaration.problem import Problem
from paychain.declaration.quantity import Part
from paychain.declaration.text import KeyPath
from paychain.faults.kind import Facts, Search, StateFaultKind


class PriceJump(StateFaultKind):
    """The oracle reports a share or a multiple of each price, as new as any other.

    Whoever sells at a tenth of the price sells ten times as many coins.
    """

    facts = Facts(
        meaning="reports absurd prices, each of them new",
        switch=({"to": "10%"},),
        search=Search(rank=17, fixed={"to": "10%"}),
    )
    roles = frozenset({"oracle"})
    lasts = True

    to: Annotated[Part, Field(gt=0, description="What each price becomes, as a share of itself.")]

    def problems(self, at: KeyPath) -> Iterator[Problem]:
        """A price that stays as it is."""
        if self.to == 1:
            yield Problem((*at, "to"), "every price stays as it is", "write a share such as 10%")
