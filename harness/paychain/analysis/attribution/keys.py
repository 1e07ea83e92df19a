"""How an own service uses idempotency keys on a repeat: none, or another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from paychain.analysis.attribution.hops import named_by_path, operation_of, result_of
from paychain.analysis.attribution.observed import ObservedRequest
from paychain.analysis.store.store import RunStore
from paychain.model.operations import MONEY
from paychain.payments.journal import Decision, DecisionKind, MovementKind
from paychain.payments.rules.position import Position


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
        yield _decided(DecisionKind.REPEATED_WITHOUT_KEY, payment, request, operation)


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
    captures = [request for request in requests if is_capture(request)]
    captures.sort(key=authorisation_of)
    for (callee, attempt), of_one in groupby(captures, authorisation_of):
        sent = list(of_one)
        triggers = wanted_captures(store, payment, attempt, sent)
        if len(triggers) == 1:
            continue
        number = booked(store, payment, callee, attempt, MovementKind.CAPTURED)
        if not 0 < number < len(triggers):
            continue
        for later in triggers[number:]:
            if rest_minor(store, payment, callee, attempt, until_ns=_all_decided_ns(later, sent)):
                continue
            detail = f"{len(triggers)} keys"
            yield _decided(DecisionKind.CAPTURED_AGAIN, payment, later, "capture", detail)


def refunded_again(
    store: RunStore, payment: str, requests: Sequence[ObservedRequest]
) -> Iterator[Decision]:
    """Refunds of the same money: sent again after no answer, under no key or another one.

    The link took them for further refunds, and booked more than one. What was answered before, or
    refused then, is not repeated by another refund: an order may be refunded in parts.
    """
    refunds = [request for request in requests if operation_of(request) == "refund"]
    refunds.sort(key=authorisation_of)
    for (callee, attempt), of_one in groupby(refunds, authorisation_of):
        sent = list(of_one)
        repeats = [
            later
            for before, later in pairwise(sent)
            if result_of(before)[0].leaves_unknown and not (later.key and later.key == before.key)
        ]
        number = booked(store, payment, callee, attempt, MovementKind.REFUNDED)
        for later in repeats[: max(0, number - 1)]:
            detail = "another key" if later.key else "no key"
            yield _decided(DecisionKind.REFUNDED_AGAIN, payment, later, "refund", detail)


def _decided(
    kind: DecisionKind, payment: str, request: ObservedRequest, operation: str, detail: str = ""
) -> Decision:
    """What a request of an own service did."""
    callee, attempt = authorisation_of(request)
    return Decision(
        link=request.caller,
        kind=kind,
        at_ns=request.started_ns,
        payment=payment,
        attempt=attempt,
        operation=operation,
        target=callee,
        detail=detail,
    )


def is_capture(request: ObservedRequest) -> bool:
    """Whether a service asked for a capture, whatever the link made of that."""
    operation = operation_of(request)
    # A link that refuses one by the state of its object has only looked at it.
    return operation == "capture" or (operation == "query" and named_by_path(request) == "capture")


def authorisation_of(request: ObservedRequest) -> tuple[str, int]:
    """The link that a request went to, and which attempt at the payment it is about."""
    return request.callee, request.received.attempt if request.received is not None else 1


def wanted_captures(
    store: RunStore, payment: str, attempt: int, captures: Sequence[ObservedRequest]
) -> list[ObservedRequest]:
    """The first request of each capture of one authorisation that the service wanted."""
    link = captures[0].callee
    return _triggers(captures, list(_refused_later(store, payment, link, attempt)))


def _decided_ns(request: ObservedRequest) -> int:
    """When its link had decided: the service may have left before."""
    at_link_ns = request.received.ended_ns if request.received is not None else 0
    return max(request.ended_ns, at_link_ns)


def _all_decided_ns(request: ObservedRequest, captures: Sequence[ObservedRequest]) -> int:
    """When its link had decided on a capture, and on those that were under way then.

    A link may refuse one because of another that it is working on, before it books that.
    """
    until_ns = _decided_ns(request)
    return max(_decided_ns(each) for each in captures if each.started_ns <= until_ns)


def _triggers(
    captures: Sequence[ObservedRequest], refused_ns: Sequence[int]
) -> list[ObservedRequest]:
    """The first request of each capture that the service wanted; in the order of their starts.

    `refused_ns`: when the link told the service that a capture which it had accepted was not done,
    which may be before the service has the answer that accepts it.
    """
    first: list[ObservedRequest] = []
    last: list[ObservedRequest] = []
    for request in captures:
        for number, before in enumerate(last):
            is_over = before.ended_ns <= request.started_ns
            is_refused = any(
                before.started_ns <= at_ns <= request.started_ns for at_ns in refused_ns
            )
            if (
                (request.key and request.key == before.key)
                or is_refused
                or (is_over and not result_of(before)[0].worked)
            ):
                last[number] = request
                break
        else:
            first.append(request)
            last.append(request)
    return first


def _refused_later(store: RunStore, payment: str, link: str, attempt: int) -> Iterator[int]:
    """When webhooks of a link said that it, or one behind it, refused a capture of an attempt."""
    rows = store.select(
        "SELECT at_ns FROM decision WHERE payment = ? AND link = ? AND attempt = ? AND kind = ? "
        "AND operation = 'notify' "
        "AND (detail LIKE '% capture_refused' OR detail LIKE '% capture_failed')",
        (payment, link, attempt, DecisionKind.FOLLOW_UP_SENT.value),
    )
    for (at_ns,) in rows:
        yield int(at_ns)


def rest_minor(
    store: RunStore, payment: str, link: str, attempt: int, *, until_ns: int | None = None
) -> int:
    """What a link holds of an attempt and has not captured, or held until that expired.

    In the end, or as its book was at a time; 0 once the rest was released.
    """
    positions: dict[str, Position] = {}
    for movement in store.story(payment).movements:
        is_of = (movement.link, movement.attempt) == (link, attempt)
        if is_of and (until_ns is None or movement.at_ns <= until_ns):
            positions.setdefault(movement.reference, Position()).book(movement)
    return sum(
        max(0, each.authorised_minor - each.captured_minor) if each.is_expired else each.held_minor
        for each in positions.values()
    )


def booked(store: RunStore, payment: str, link: str, attempt: int, kind: MovementKind) -> int:
    """How many captures or refunds of an attempt stand in a link's book."""
    of_attempt = (payment, link, attempt)
    where = "FROM movement WHERE payment = ? AND link = ? AND attempt = ? AND kind = ?"
    rows = store.select(
        f"SELECT COUNT(DISTINCT item) {where} AND item NOT IN (SELECT item {where})",
        (*of_attempt, kind.value, *of_attempt, MovementKind.UNCAPTURED.value),
    )
    return int(next(iter(rows))[0])
