"""What in-link faults make of one request: before the work, instead of it, and of its answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec

from harness.model.fault import (
    Decline,
    DuplicateAnswer,
    Gray,
    HttpError,
    LateAnswer,
    LostAnswer,
    Malformed,
    SlowAnswer,
    StaleAnswer,
    StuckPending,
    WrongAnswer,
)
from harness.payments.codes import APPROVED, IN_PROGRESS
from harness.payments.outcome import Outcome
from harness.services.fault import ActiveFault
from harness.services.message import Answer, PaymentRequest, encode
from harness.wire.http import HttpResponse

Given = Answer | HttpResponse
JSON = {"content-type": "application/json"}
NOBODYS = "nobody-1"  # a reference that no payment has
_IN_FRONT = frozenset({429, 502, 503, 504})
_GARBAGE = b'{"outcome": "appro'


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """The faults that struck one request of one link; `chance` is the request's own draw."""

    link: str
    faults: list[ActiveFault]
    chance: float

    @property
    def fails_in_front(self) -> bool:
        """An error comes from in front of the link's application, which never saw the request.

        Deduced: 502, 503, 504 and 429 are a load balancer's; any other error is the application's
        own, and a link that stores errors by idempotency key stores it.
        """
        return any(
            isinstance(fault.parameters, HttpError)
            and fault.parameters.status in _IN_FRONT
            and not fault.parameters.after_work
            for fault in self.faults
        )

    @property
    def is_lost(self) -> bool:
        """The answer never leaves although the work is done."""
        return any(isinstance(fault.parameters, LostAnswer) for fault in self.faults)

    @property
    def stuck_until(self) -> asyncio.Event | None:
        """When what is stuck is worked on; None when nothing is."""
        for fault in self.faults:
            if isinstance(fault.parameters, StuckPending):
                return fault.healed
        return None

    def late_s(self) -> float:
        """How much later the link begins its work."""
        return self._delays(LateAnswer)

    def slow_s(self) -> float:
        """How much later the link answers after its work."""
        return self._delays(SlowAnswer)

    def _delays(self, kind: type[LateAnswer] | type[SlowAnswer]) -> float:
        total = 0.0
        for fault in self.faults:
            if isinstance(fault.parameters, kind):
                swing = fault.parameters.jitter * (2 * self.chance - 1)
                total += max(0.0, fault.parameters.delay + swing)
        return total

    def instead_of_work(self, last: Answer | None) -> Given | None:
        """What the link answers without working; `last` is what it answered before."""
        for fault in self.faults:
            match fault.parameters:
                case HttpError(after_work=False, status=status) | Gray(status=status):
                    return injected(status)
                case Decline(code=code):
                    return Answer(Outcome.DECLINED, code, self.link)
                case StaleAnswer() if last is not None:
                    return last
        return None

    def after_work(self, given: Given, request: PaymentRequest) -> Given:
        """The link's own answer, made into another one."""
        for fault in self.faults:
            match fault.parameters:
                case HttpError(after_work=True, status=status):
                    return injected(status)
                case WrongAnswer() as wrong if isinstance(given, Answer):
                    given = _lie(wrong, given, request)
        return given

    def response(self, given: Given) -> HttpResponse:
        """The answer as it leaves."""
        response = given if isinstance(given, HttpResponse) else answered(given)
        for fault in self.faults:
            match fault.parameters:
                case Malformed():
                    response = HttpResponse(200, _GARBAGE, JSON)
                case DuplicateAnswer(copies=copies):
                    response.copies = copies
        return response


def answered(answer: Answer) -> HttpResponse:
    """An answer on the wire."""
    return HttpResponse(200, encode(answer), JSON)


def pending(link: str, request: PaymentRequest) -> Answer:
    """Neither success nor failure."""
    return Answer(Outcome.UNKNOWN, IN_PROGRESS, link, request.reference)


def injected(status: int) -> HttpResponse:
    """An HTTP error without a payment answer."""
    return HttpResponse(status, b'{"error":"injected"}', JSON)


def _lie(wrong: WrongAnswer, given: Answer, request: PaymentRequest) -> Answer:
    match wrong.says:
        case "approved":
            return msgspec.structs.replace(
                given, outcome=Outcome.APPROVED, code=APPROVED, reference=request.reference,
                amount_minor=request.amount_minor,
            )  # fmt: skip
        case "declined":
            return msgspec.structs.replace(given, outcome=Outcome.DECLINED, code=wrong.code)
        case "another_amount":
            return msgspec.structs.replace(given, amount_minor=given.amount_minor * 10)
        case "another_payment":
            return msgspec.structs.replace(given, reference=NOBODYS)
