"""`reorg`: the ledger replaces its last blocks."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.declaration.quantity import Share
from paychain.faults.kind import Facts, Limitation, LinkTraits, Search, StateFaultKind


class Reorg(StateFaultKind):
    """The ledger replaces its last blocks when the fault begins: their transfers are undone.

    Most wait for a block again, the others are lost unless somebody sends the same bytes again.
    What is final is never undone. Where finality comes with the block, `final: at_once` or
    `{after: 1}`, the fault is a mistake.
    """

    facts = Facts(
        meaning="replaces its last blocks",
        switch=({"depth": "5"},),
        search=Search(rank=15, fixed={"depth": 5}),
    )
    roles = frozenset({"ledger"})

    depth: Annotated[
        int, Field(ge=1, le=10_000, description="Number of the last blocks that are replaced.")
    ]
    returns: Annotated[
        Share, Field(description="Share of the undone transfers that wait for a block again.")
    ] = 0.9

    def limitation(self, name: str, link: LinkTraits) -> Limitation | None:
        """Where finality comes with the block no block is replaced, as on TON."""
        limitation = super().limitation(name, link)
        if limitation is not None or not link.final.finality.comes_with_block:
            return limitation
        what = f"finality comes with each block of {name}: none of them is ever replaced"
        return what, f"use halt: {{}}, or give {name} a later finality, such as final: {{after: 2}}"
