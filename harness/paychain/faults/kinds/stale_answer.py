"""`stale_answer`: the link repeats its last answer."""

from __future__ import annotations

from paychain.faults.kind import Facts, RequestFaultKind
from paychain.protocol.message import Answer, AnswerOrError


class StaleAnswer(RequestFaultKind):
    """The link does not work: it repeats its last answer to the same operation."""

    facts = Facts(
        meaning="repeats its last answer",
        switch=({"share": "50%"},),
        search=None,
    )
    needs_payments = True

    def instead_of_work(self, link: str, last: Answer | None) -> AnswerOrError | None:
        """The last answer; a link that never answered works."""
        return last
