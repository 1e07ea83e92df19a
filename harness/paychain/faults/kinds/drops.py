"""`drops`: a node takes transfers, and passes them on to nobody."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.declaration.quantity import Share
from paychain.faults.kind import Facts, Search, StateFaultKind


class Drops(StateFaultKind):
    """The node answers that it took a transfer, and passes it on to nobody: it is never mined.

    What it reads is true: no block has the transfer, nor does the pool. The same bytes are dropped
    again as often as they come while the fault is on. A wallet looks for what it sent, so that a
    transfer is late at the worst.
    """

    facts = Facts(
        meaning="takes transfers, passes them on to nobody",
        switch=({"share": "50%"},),
        search=Search(rank=20),
    )
    roles = frozenset({"node"})
    lasts = True

    share: Annotated[Share, Field(description="Share of the transfers that it drops.")] = 1.0

    def stops(self, timeout_s: float) -> bool:
        """Where it drops them all, none is ever mined."""
        return self.share == 1
