"""How an own service uses idempotency keys on a repeat: none, or another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from paychain.analysis.attribution.captures import (
    all_decided_ns,
    booked,
    by_authorisation,
    is_capture,
    rest_minor,
    wanted_captures,
)
from paychain.analysis.attribution.hops import operation_of, result_of
from paychain.analysis.attribution.observed import ObservedRequest
from paychain.analysis.store.store import RunStore
from paychain.model.operations import MONEY
from paychain.payments.journal import Decision, DecisionKind, MovementKind


def repeated_without_key(
    _store: RunStore, payment: str, requests: Sequence[ObservedRequest]
) -> Iterator[Decision]:
    """Requests of one payment that were sent to a link again without a key.

    The link cannot know them for repeats: had the first one been executed, so would the second.
    What was answered for good is not repeated by another request.
    """
    last: dict[tuple[str, str, str], ObservedRequest] = {}
    for request in requests:
        operation = operation_of(request)
        if operation not in MONEY:
            continue
        call = (request.caller, request.callee, operation)
        before = last.get(call)
        last[call] = request
        # Of a request that no link has seen, a key may be anywhere in its body.
        if before is None or request.received is None or before.received is None:
            continue
        if request.key or before.key or result_of(before)[0].worked:
            continue
        attempt = request.received.attempt
        yield _decided(DecisionKind.REPEATED_WITHOUT_KEY, payment, request, operation, attempt)


def captured_again(
    store: RunStore, payment: str, requests: Sequence[ObservedRequest]
) -> Iterator[Decision]:
    """Captures under keys of their own beyond those that the link booked.

    Parts of one authorisation are booked each, and what follows a capture that failed, or whose
    outcome is unknown, takes its place. Neither is meant: a second trigger, a return page and a
    webhook say, captured what was captured or was being captured. Whether the link refused it, at
    once or by a webhook, does not matter. What it refused while it held a rest that no capture
    under way took may have been a further part: that one is missing, see `uncaptured`.
    """
    for (callee, attempt), sent in by_authorisation(requests, is_capture):
        wanted = wanted_captures(store, payment, attempt, sent, is_of_parts=False)
        triggers = [each.first for each in wanted]
        if len(triggers) == 1:
            continue
        number = booked(store, payment, callee, attempt, MovementKind.CAPTURED)
        if not 0 < number < len(triggers):
            continue
        for later in triggers[number:]:
            if rest_minor(store, payment, callee, attempt, until_ns=all_decided_ns(later, sent)):
                continue
            detail = f"{len(triggers)} keys"
            yield _decided(DecisionKind.CAPTURED_AGAIN, payment, later, "capture", attempt, detail)


def refunded_again(
    store: RunStore, payment: str, requests: Sequence[ObservedRequest]
) -> Iterator[Decision]:
    """Refunds of the same money: sent again after no answer, under no key or another one.

    The link took them for further refunds, and booked more than one. What was answered before, or
    refused then, is not repeated by another refund: an order may be refunded in parts.
    """
    for (callee, attempt), sent in by_authorisation(requests, _is_refund):
        repeats = [
            later
            for before, later in pairwise(sent)
            if result_of(before)[0].leaves_unknown and not (later.key and later.key == before.key)
        ]
        number = booked(store, payment, callee, attempt, MovementKind.REFUNDED)
        for later in repeats[: max(0, number - 1)]:
            detail = "another key" if later.key else "no key"
            yield _decided(DecisionKind.REFUNDED_AGAIN, payment, later, "refund", attempt, detail)


def _is_refund(request: ObservedRequest) -> bool:
    return operation_of(request) == "refund"


def _decided(
    kind: DecisionKind,
    payment: str,
    request: ObservedRequest,
    operation: str,
    attempt: int,
    detail: str = "",
) -> Decision:
    """What a request of an own service did."""
    return Decision(
        link=request.caller,
        kind=kind,
        at_ns=request.started_ns,
        payment=payment,
        attempt=attempt,
        operation=operation,
        target=request.callee,
        detail=detail,
    )
