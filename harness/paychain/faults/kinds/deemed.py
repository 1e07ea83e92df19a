"""`deemed`: a payee's bank takes transfers, and does not say whether it credited them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.declaration.quantity import Share
from paychain.faults.kind import Facts, PayeesBankFaultKind, Search


class Deemed(PayeesBankFaultKind):
    """The payee's bank takes a transfer, and answers that it does not know what became of it.

    Its accounts were credited, or, for a share `returns`, were not: those it returns when it is
    asked to confirm them. Queries learn nothing before that. A clearing that rejects what has no
    answer rejects these transfers, one that deems waits.
    """

    facts = Facts(
        meaning="takes transfers, does not know whether it credited them",
        switch=({"share": "50%"},),
        search=Search(rank=18),
    )

    share: Annotated[Share, Field(description="Share of the transfers that it takes so.")] = 1.0
    returns: Annotated[
        Share, Field(description="Share of those that were not credited, and are returned.")
    ] = 0.0
