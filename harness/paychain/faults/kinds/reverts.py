"""`reverts`: a block has a transfer as one that failed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.declaration.quantity import Share
from paychain.faults.kind import Facts, Search, StateFaultKind


class Reverts(StateFaultKind):
    """The ledger puts transfers into blocks and reverts them: their nonces are used, nothing moves.

    Their receipts say so. Whoever takes a transfer that is in a block for one that was made reports
    money that nobody got. The same bytes are never made afterwards, unless that block is replaced.
    """

    facts = Facts(
        meaning="puts transfers into blocks as failed ones, which move nothing",
        switch=({"share": "20%"},),
        search=Search(rank=18),
    )
    roles = frozenset({"ledger"})
    lasts = True

    share: Annotated[
        Share, Field(description="Share of the transfers that are reverted when a block gets them.")
    ] = 1.0
