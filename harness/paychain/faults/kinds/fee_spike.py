"""`fee_spike`: the ledger mines only what offers more than usual."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.faults.kind import Facts, Search, StateFaultKind


class FeeSpike(StateFaultKind):
    """The ledger mines only transfers that offer more than the usual fee; others wait for the end.

    They stay in the pool, and all later nonces of their senders wait with them. Nodes that speak
    JSON-RPC suggest the higher fee.
    """

    facts = Facts(
        meaning="mines only transfers that offer a higher fee",
        switch=({"times": "10"},),
        search=Search(rank=16, fixed={"times": 10}),
    )
    roles = frozenset({"ledger"})
    lasts = True

    times: Annotated[
        int,
        Field(
            ge=2,
            le=1_000_000,
            description="The lowest fee that is mined, as a multiple of the usual fee.",
        ),
    ]

    def stops(self, timeout_s: float) -> bool:
        """A transfer waits for the end with those that offered the usual fee."""
        return True
