"""`late_credit`: a payee's bank takes transfers, and credits them later."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.declaration.quantity import Duration, Share
from paychain.faults.kind import Facts, PayeesBankFaultKind, Search


class LateCredit(PayeesBankFaultKind):
    """The payee's bank takes a transfer and credits it `after` a time; until then it is pending.

    What was rejected meanwhile, or returned because it was not credited yet, must not be credited
    any more.
    """

    facts = Facts(
        meaning="takes transfers, credits them later",
        switch=({"after": "5s", "share": "50%"},),
        search=Search(rank=18, magnitude="after"),
    )

    after: Annotated[Duration, Field(description="How long after it took the transfer.")]
    share: Annotated[Share, Field(description="Share of the transfers that it credits so.")] = 1.0
