"""`fork`: a node follows another branch of the ledger than the rest."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.declaration.quantity import Share
from paychain.faults.kind import Facts, Search, StateFaultKind


class Fork(StateFaultKind):
    """The node follows another branch of the ledger than the rest, and returns when it is over.

    The branch is the ledger's until the first request there, and has its own blocks from then on:
    what the node is sent is mined on the branch alone, and confirmed there. Once the node follows
    the rest again, most of that waits for a block of the rest; the others are lost, unless somebody
    sends the same bytes again. All nodes of one fault follow the same branch.
    """

    facts = Facts(
        meaning="follows another branch of the ledger than the rest, then returns",
        switch=({},),
        search=Search(rank=22, fixed={"returns": "0%"}, is_on_request=True),
    )
    roles = frozenset({"node"})
    lasts = True
    of_real_api = "answers from its copy of the ledger, which follows no branch"

    returns: Annotated[
        Share,
        Field(description="Share of the branch's transfers that the node passes on afterwards."),
    ] = 0.9
