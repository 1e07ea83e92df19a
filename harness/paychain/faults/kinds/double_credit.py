"""`double_credit`: a payee's bank credits transfers twice."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.declaration.quantity import Share
from paychain.faults.kind import Facts, PayeesBankFaultKind, Search


class DoubleCredit(PayeesBankFaultKind):
    """The payee's bank credits a transfer twice, and answers as if it had done so once.

    A bank that compares its accounts with the transfers that it took finds the second credit and
    takes it back.
    """

    facts = Facts(
        meaning="credits transfers twice",
        switch=({"share": "20%"},),
        search=Search(rank=18),
    )

    share: Annotated[Share, Field(description="Share of the transfers that it credits twice.")] = (
        1.0
    )
