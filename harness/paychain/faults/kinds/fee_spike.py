"""`fee_spike`: the ledger mines only what offers more than usual."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.faults.kind import Facts, StateFaultKind


class FeeSpike(StateFaultKind):
    """Everybody wants a place in the next block: what offers the usual fee waits until it is over.

    It is taken into the pool, and with it all later nonces of its sender wait. Nodes that speak
    JSON-RPC suggest the higher fee to whoever asks them.
    """

    facts = Facts(
        meaning="mines only what offers a higher fee",
        switch=({"times": "10"},),
        search=None,
    )
    roles = frozenset({"ledger"})
    lasts = True

    times: Annotated[
        int,
        Field(
            ge=2,
            le=1_000_000,
            description="The lowest fee that is mined, as a multiple of the usual one.",
        ),
    ]
