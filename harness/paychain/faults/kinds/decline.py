"""`decline`: the link declines with a code."""

from __future__ import annotations

from collections.abc import Mapping

from paychain.faults.kind import Facts, RequestFaultKind, Search
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, AnswerOrError


class Decline(RequestFaultKind):
    """The link declines with a response code instead of working."""

    facts = Facts(
        meaning="declines instead of working",
        switch=({"code": "91", "share": "50%"},),
        search=Search(rank=6, fixed={"code": "91"}),
    )
    fails_calls = True
    needs_payments = True

    code: str = "91"

    def instead_of_work(self, link: str) -> AnswerOrError | None:
        """The decline, as the link's own."""
        return Answer(Outcome.DECLINED, self.code, link)

    @property
    def decline_codes(self) -> Mapping[str, str]:
        """The declared one."""
        return {"code": self.code}
