"""`rate_limit`: requests above a rate are refused with 429."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.declaration.quantity import Rate
from paychain.faults.effects import RetryAfter, injected
from paychain.faults.kind import Facts, RequestFaultKind
from paychain.protocol.message import AnswerOrError

TOO_MANY_REQUESTS = 429  # RFC 6585 §4


class RateLimit(RequestFaultKind):
    """The link takes `rate` requests per second and refuses the rest with 429, before any work.

    Each link of the target counts its own requests, over a sliding window of one second (longer for
    a rate that is not a whole number, so that the window holds a whole number of requests). With
    `retry_after` the refusal says when to try again (`Retry-After`, RFC 9110 §10.2.3).
    """

    facts = Facts(
        meaning="refuses requests above a rate with 429",
        switch=({"rate": "10/s", "retry_after": "1s"},),
        search=None,
    )
    fails_calls = True

    rate: Annotated[
        Rate, Field(gt=0, description="Requests per second that each link of the target accepts.")
    ]
    retry_after: RetryAfter = 0.0

    @property
    def limit_per_s(self) -> float | None:
        """The declared rate."""
        return self.rate

    @property
    def fails_in_front(self) -> bool:
        """The link's application never sees the request, and no idempotency key is used up."""
        return True

    def instead_of_work(self, link: str) -> AnswerOrError | None:
        """The refusal: what the link's limit admits never comes here."""
        return injected(TOO_MANY_REQUESTS, self.retry_after)
