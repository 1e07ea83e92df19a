"""`http_error`: the link answers an HTTP error."""

from __future__ import annotations

from typing import Annotated

from msgspec.structs import replace
from pydantic import Field

from paychain.faults.effects import RetryAfter, injected
from paychain.faults.kind import Facts, RequestFaultKind, Search
from paychain.protocol.message import AnswerOrError, PaymentRequest

IN_FRONT = frozenset({429, 502, 503, 504})  # statuses of a load balancer in front of a link


class HttpError(RequestFaultKind):
    """The link answers an HTTP error instead of working, or after it: then the work is done."""

    facts = Facts(
        meaning="answers an HTTP error",
        switch=({"status": "503", "after_work": "false", "share": "50%"},),
        search=Search(rank=5, fixed={"status": 503}),
    )
    fails_calls = True

    status: Annotated[int, Field(ge=400, le=599)] = 503
    after_work: bool = False
    retry_after: RetryAfter = 0.0

    @property
    def fails_in_front(self) -> bool:
        """502, 503, 504 and 429 are a load balancer's own.

        Deduced: any other error is the application's, and a link that stores errors by idempotency
        key stores it.
        """
        return self.status in IN_FRONT and not self.after_work

    def instead_of_work(self, link: str) -> AnswerOrError | None:
        """The error, unless it comes after the work."""
        return None if self.after_work else injected(self.status, self.retry_after)

    def change_answer(self, given: AnswerOrError, request: PaymentRequest) -> AnswerOrError:
        """The error that replaces the answer, if it comes after the work."""
        if not self.after_work:
            return given
        return replace(injected(self.status, self.retry_after), is_after_work=True)
