"""Captures that an own service asked for and never got: what must follow, as a mock writes it down.

A service that captures means to have the money. Where its link booked no capture in the end, or
fewer parts than it asked for, and the hold was not released, the last answers say whether the link
refused it, nobody knows, or the link answered as if it were done and has never seen it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from operator import attrgetter

from paychain.analysis.attribution.captures import (
    WantedCapture,
    booked,
    by_authorisation,
    is_capture,
    rest_minor,
    wanted_captures,
    was_never_seen,
)
from paychain.analysis.attribution.hops import result_of
from paychain.analysis.attribution.observed import ObservedRequest
from paychain.analysis.store.store import RunStore
from paychain.payments.journal import Decision, DecisionKind, Movement, MovementKind
from paychain.payments.outcome import HopResult, Outcome

_UNSENT = frozenset({HopResult.REFUSED, HopResult.NOT_TRIED})


def missed_captures(
    store: RunStore, payment: str, requests: Sequence[ObservedRequest]
) -> Iterator[Decision]:
    """Captures of a payment that its customer saw approved, of which the link booked too few.

    Too few are none, or fewer parts than were asked for while a rest is held. What the service gave
    up and released is no sale, and what it captured under another authorisation is collected; whose
    money is held then is for other rules.
    """
    for (callee, attempt), sent in by_authorisation(requests, is_capture):
        last = max(sent, key=attrgetter("ended_ns"))
        number = booked(store, payment, callee, attempt, MovementKind.CAPTURED)
        wanted = wanted_captures(store, payment, attempt, sent, is_of_parts=True)
        if number and number >= len(wanted):
            continue
        story = store.story(payment)
        if story.customer is None or story.customer.outcome is not Outcome.APPROVED:
            return
        held_minor = rest_minor(store, payment, callee, attempt)
        asked = {request.callee for request in requests}
        if not held_minor or _captured_minor(story.movements, asked) >= story.customer.amount_minor:
            continue
        captured_minor = _captured_minor(story.movements, {callee}, attempt)
        for kind in _course(wanted, number):
            yield Decision(
                link=last.caller,
                kind=kind,
                at_ns=last.ended_ns,
                payment=payment,
                attempt=attempt,
                operation="capture",
                target=callee,
                detail=f"{payment}-{attempt}",
                amount_minor=_missing_minor(wanted, captured_minor, held_minor),
            )


def _course(wanted: Sequence[WantedCapture], number: int) -> Iterator[DecisionKind]:
    """What became of a capture that was not made.

    `number`: how many the link has booked. Only of what was due does a book show that it was
    acknowledged and not done.
    """
    if _is_open(wanted, number):
        yield DecisionKind.FOLLOW_UP_ABANDONED
    elif any(_is_confirmed(each.last) and was_never_seen(each.last) for each in wanted):
        yield DecisionKind.FOLLOW_UP_DUE
        yield DecisionKind.FOLLOW_UP_ACKNOWLEDGED
    else:
        yield DecisionKind.FOLLOW_UP_REFUSED


def _missing_minor(wanted: Sequence[WantedCapture], captured_minor: int, held_minor: int) -> int:
    """What the service asked for and did not get of what is held; all of it, if that is unsaid."""
    amounts = [each.amount_minor for each in wanted]
    lacking_minor = sum(amounts) - captured_minor
    return min(held_minor, lacking_minor) if all(amounts) and lacking_minor > 0 else held_minor


def _is_open(wanted: Sequence[WantedCapture], number: int) -> bool:
    """Whether the last answers leave open what became of a capture that was not made.

    `number`: how many the link has booked: those that it confirmed, and then those without an
    answer. What it refused was not made.
    """
    results = [result_of(each.last)[0] for each in wanted]
    unknown = sum(result.leaves_unknown or result in _UNSENT for result in results)
    confirmed = sum(_is_confirmed(each.last) and not was_never_seen(each.last) for each in wanted)
    return unknown > max(0, number - confirmed)


def _is_confirmed(request: ObservedRequest) -> bool:
    """Whether the service was answered that it is done, or received."""
    return result_of(request)[0] is HopResult.APPROVED


def _captured_minor(
    movements: Sequence[Movement], links: Collection[str], attempt: int | None = None
) -> int:
    """What links have captured of a payment, under one authorisation or whichever."""
    signs = {MovementKind.CAPTURED: 1, MovementKind.UNCAPTURED: -1}
    return sum(
        signs.get(movement.kind, 0) * movement.amount_minor
        for movement in movements
        if movement.link in links and attempt in (None, movement.attempt)
    )
