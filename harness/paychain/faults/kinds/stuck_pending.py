"""`stuck_pending`: the link answers pending and works later."""

from __future__ import annotations

from paychain.faults.kind import Facts, RequestFaultKind, Search


class StuckPending(RequestFaultKind):
    """The link accepts and answers pending; it works on the backlog when the fault is over."""

    facts = Facts(
        meaning="answers pending, works later",
        switch=({"share": "50%"},),
        search=Search(rank=11),
    )
    needs_payments = True
    holds_requests = True
