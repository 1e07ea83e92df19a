"""In-link faults: what no TCP proxy can do, switched on running links."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from harness.model.fault import (
    Decline,
    HttpError,
    LostAnswer,
    SlowAnswer,
)
from harness.payments.chance import draw
from harness.payments.journal import DecisionKind
from harness.payments.outcome import Outcome
from harness.services.context import Context
from harness.services.message import Answer, PaymentRequest
from harness.wire.http import HttpResponse

_IN_FRONT = frozenset({429, 502, 503, 504})


@dataclass(slots=True)
class ActiveFault:
    """One in-link fault that is switched on. `caller`/`operation` narrow it to one call."""

    id: str
    parameters: Any  # one of harness.model.fault.LINK_KINDS
    links: frozenset[str]
    caller: str | None = None
    operation: str | None = None
    seen: Counter[tuple[str, int, str]] = field(default_factory=Counter)


class InLinkFaults:
    """The in-link faults of one process, shared by its links."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._active: dict[str, ActiveFault] = {}
        self.hits: dict[str, int] = {}

    def apply(self, fault: ActiveFault) -> None:
        """Switch a fault on; switching it on again replaces it."""
        self._active[fault.id] = fault
        self.hits.setdefault(fault.id, 0)

    def heal(self, fault_id: str) -> None:
        """Switch a fault off; one that is off stays off."""
        self._active.pop(fault_id, None)

    def striking(
        self, context: Context, caller: str, operation: str, request: PaymentRequest
    ) -> list[ActiveFault]:
        """The faults that act on this request, drawn by their share; each is journalled.

        The draw is keyed by payment, attempt, operation and how often that was asked before: a
        repeat meets its own fate, and a run with the same seed meets the same ones.
        """
        if not self._active:
            return []
        struck = []
        key = (request.payment, request.attempt, operation)
        for fault in self._active.values():
            if (
                context.link not in fault.links
                or fault.caller not in (None, caller)
                or fault.operation not in (None, operation)
            ):
                continue
            nth = fault.seen[key] = fault.seen[key] + 1
            if draw(self._seed, fault.id, *key, nth) >= fault.parameters.share:
                continue
            self.hits[fault.id] += 1
            context.decided(
                DecisionKind.FAULT_HIT, operation, caller, payment=request.payment,
                attempt=request.attempt, detail=fault.id,
            )  # fmt: skip
            struck.append(fault)
        return struck


def instead_of_work(faults: list[ActiveFault], link: str) -> HttpResponse | Answer | None:
    """What a link answers without working, when a fault makes it."""
    for fault in faults:
        match fault.parameters:
            case HttpError(after_work=False) as error:
                return _injected(error)
            case Decline(code=code):
                return Answer(Outcome.DECLINED, code, link)
    return None


def fails_in_front(faults: list[ActiveFault]) -> bool:
    """Whether an error comes from in front of the link's application, which never saw the request.

    Deduced: 502, 503, 504 and 429 are a load balancer's; any other error is the application's own,
    and a link that stores errors by idempotency key stores it.
    """
    return any(
        isinstance(fault.parameters, HttpError)
        and fault.parameters.status in _IN_FRONT
        and not fault.parameters.after_work
        for fault in faults
    )


def error_after_work(faults: list[ActiveFault]) -> HttpResponse | None:
    """The error a link answers although it has done the work."""
    for fault in faults:
        if isinstance(fault.parameters, HttpError) and fault.parameters.after_work:
            return _injected(fault.parameters)
    return None


def _injected(error: HttpError) -> HttpResponse:
    body = b'{"error":"injected"}'
    return HttpResponse(error.status, body, {"content-type": "application/json"})


def answer_delay_s(faults: list[ActiveFault], chance: float) -> float:
    """How much later a link answers after its work."""
    total = 0.0
    for fault in faults:
        match fault.parameters:
            case SlowAnswer(delay=delay, jitter=jitter):
                total += max(0.0, delay + jitter * (2 * chance - 1))
    return total


def loses_answer(faults: list[ActiveFault]) -> bool:
    """Whether the answer never leaves although the work is done."""
    return any(isinstance(fault.parameters, LostAnswer) for fault in faults)
