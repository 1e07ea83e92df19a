"""`stale_answer`: the link repeats its last answer."""

from __future__ import annotations

from paychain.faults.kind import Facts, RequestFaultKind


class StaleAnswer(RequestFaultKind):
    """The link repeats its last answer to the same operation, and does not see the request.

    Nothing is done, and no idempotency key is used up: the request's repeat is worked on, and a
    query says what there is. A link that has not answered such a request before works.
    """

    facts = Facts(
        meaning="repeats its last answer",
        switch=({"share": "50%"},),
        search=None,
    )
    needs_payments = True
    repeats_last = True
