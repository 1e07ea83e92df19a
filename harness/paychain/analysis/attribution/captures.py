"""The captures that an own service asked for, and what its link made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from paychain.analysis.attribution.hops import named_by_path, operation_of, result_of
from paychain.analysis.attribution.observed import ObservedRequest
from paychain.analysis.store.store import RunStore
from paychain.payments.journal import DecisionKind, MovementKind
from paychain.payments.rules.position import Position


def is_capture(request: ObservedRequest) -> bool:
    """Whether a service asked for a capture, whatever the link made of that."""
    operation = operation_of(request)
    # A link that refuses one by the state of its object has only looked at it.
    return operation == "capture" or (operation == "query" and named_by_path(request) == "capture")


Authorised = tuple[str, int]
"""An authorisation of a payment: the link that was asked for it, and which attempt that was."""


def by_authorisation(
    requests: Sequence[ObservedRequest], is_meant: Callable[[ObservedRequest], bool]
) -> list[tuple[Authorised, list[ObservedRequest]]]:
    """Those of a payment's requests that are meant, by the authorisation that they are about.

    Only a link says which one that is. What reached none is of what its key is used for, before or
    after, or else about the newest that its link had been asked for.
    """
    of_key: dict[tuple[str, str], int] = {}
    for request in requests:
        if request.key and request.received is not None and is_meant(request):
            of_key.setdefault((request.callee, request.key), request.received.attempt)
    newest: dict[str, int] = {}
    found: dict[Authorised, list[ObservedRequest]] = {}
    for request in requests:
        callee = request.callee
        if request.received is not None:
            attempt = request.received.attempt
        else:
            attempt = of_key.get((callee, request.key), newest.get(callee, 1))
        newest[callee] = max(attempt, newest.get(callee, 1))
        if is_meant(request):
            # A key is of one authorisation, also where no link has ever seen it.
            if request.key:
                of_key.setdefault((callee, request.key), attempt)
            found.setdefault((callee, attempt), []).append(request)
    return sorted(found.items())


class WantedCapture(NamedTuple):
    """One capture that a service wanted, by its first request and the last that took its place."""

    first: ObservedRequest
    last: ObservedRequest

    @property
    def amount_minor(self) -> int:
        """How much it asked for; 0 where no request says so."""
        return _asked_minor(self.last) or _asked_minor(self.first)


def wanted_captures(
    store: RunStore,
    payment: str,
    attempt: int,
    captures: Sequence[ObservedRequest],
    *,
    is_of_parts: bool,
) -> list[WantedCapture]:
    """Each capture of one authorisation that the service wanted.

    `is_of_parts`: what follows a capture that failed, and asks for another amount, is another part.
    Otherwise it is one more try: what was refused for its amount may be asked for with less.
    """
    link = captures[0].callee
    refused_ns = list(_refused_later(store, payment, link, attempt))
    return _triggers(captures, refused_ns, is_of_parts=is_of_parts)


def _triggers(
    captures: Sequence[ObservedRequest], refused_ns: Sequence[int], *, is_of_parts: bool
) -> list[WantedCapture]:
    """Each capture that the service wanted, in the order of their starts.

    `refused_ns`: when the link told the service that a capture which it had accepted was not done,
    which may be before the service has the answer that accepts it.
    """
    wanted: list[WantedCapture] = []
    for request in captures:
        for number, (first, before) in enumerate(wanted):
            is_over = before.ended_ns <= request.started_ns
            is_refused = any(
                before.started_ns <= at_ns <= request.started_ns for at_ns in refused_ns
            )
            is_failed = is_refused or (is_over and not _may_be_done(before))
            is_another_part = is_of_parts and _asks_for_another_amount(before, request)
            if (request.key and request.key == before.key) or (is_failed and not is_another_part):
                wanted[number] = WantedCapture(first, request)
                break
        else:
            wanted.append(WantedCapture(request, request))
    return wanted


def _may_be_done(request: ObservedRequest) -> bool:
    """Whether a capture was answered as done, by a link that saw it."""
    return result_of(request)[0].worked and not was_never_seen(request)


def was_never_seen(request: ObservedRequest) -> bool:
    """Whether its link answered it with the answer to an earlier request, and did nothing."""
    return request.received is not None and request.received.is_stale


def _asks_for_another_amount(before: ObservedRequest, request: ObservedRequest) -> bool:
    """Whether both say how much they are of, and it is not the same."""
    amounts = {_asked_minor(before), _asked_minor(request)}
    return len(amounts - {0}) > 1


def _asked_minor(request: ObservedRequest) -> int:
    return request.received.captures_minor if request.received is not None else 0


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


def all_decided_ns(request: ObservedRequest, captures: Sequence[ObservedRequest]) -> int:
    """When its link had decided on a capture, and on those that were under way then.

    A link may refuse one because of another that it is working on, before it books that.
    """
    until_ns = _decided_ns(request)
    return max(_decided_ns(each) for each in captures if each.started_ns <= until_ns)


def _decided_ns(request: ObservedRequest) -> int:
    """When its link had decided: the service may have left before."""
    at_link_ns = request.received.ended_ns if request.received is not None else 0
    return max(request.ended_ns, at_link_ns)


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
