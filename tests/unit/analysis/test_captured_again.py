"""Captures that a service sends under keys of their own, and which of them were meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.payments.journal import Decision, DecisionKind
from tests.support.observed_runs import A, ObservedRun, decisions
from tests.support.recorded import ns


def run_of(
    *captures: tuple[float, str], refused_s: float | None, event: str = "capture_refused"
) -> ObservedRun:
    """Captures of 100 ms with their keys, one of them booked; the link refuses one by a webhook."""
    run = ObservedRun()
    run.pay("p1", 1.0)
    run.asked("p1", 1.1)
    for at_s, key in captures:
        run.asked("p1", at_s, operation="capture", target="/capture", key=key)
    run.booked("p1", 9.0, "captured", item="c0")
    if refused_s is not None:
        run.records.append(
            Decision(
                link=A,
                kind=DecisionKind.FOLLOW_UP_SENT,
                at_ns=ns(refused_s),
                payment="p1",
                attempt=1,
                operation="notify",
                target="shop",
                detail=f"p1-1 {event}",
            )
        )
    return run


@pytest.mark.parametrize(
    ("captures", "refused_s", "again"),
    [
        # It was told that the first one, which was accepted, had failed.
        (((2.0, "a"), (4.0, "b")), 3.0, 0),
        # The webhook was quicker than the answer that accepts it, and so was the service.
        (((2.0, "a"), (4.0, "b")), 2.05, 0),
        (((2.0, "a"), (2.08, "b")), 2.05, 0),
        # Nobody had told it yet, or ever did.
        (((2.0, "a"), (4.0, "b")), 5.0, 1),
        (((2.0, "a"), (4.0, "b")), None, 1),
        # One that takes the place of what failed, and one more.
        (((2.0, "a"), (2.05, "b"), (4.0, "c")), 3.0, 1),
        (((2.0, "a"), (4.0, "a")), None, 0),
    ],
)
def test_a_capture_that_takes_the_place_of_one_that_failed_later_is_meant(
    captures: tuple[tuple[float, str], ...], refused_s: float | None, again: int, tmp_path: Path
) -> None:
    store = run_of(*captures, refused_s=refused_s).store(tmp_path)
    kinds = [each.kind for each in decisions(store, "p1")]
    assert kinds.count(DecisionKind.CAPTURED_AGAIN) == again


@pytest.mark.parametrize("event", ["capture_refused", "capture_failed"])
def test_it_does_not_matter_who_refuses_it_later_the_link_or_one_behind_it(
    event: str, tmp_path: Path
) -> None:
    store = run_of((2.0, "a"), (4.0, "b"), refused_s=3.0, event=event).store(tmp_path)
    assert DecisionKind.CAPTURED_AGAIN not in {each.kind for each in decisions(store, "p1")}


def test_a_capture_that_was_undone_does_not_make_up_for_one_too_many(tmp_path: Path) -> None:
    """The first failed, the second took its place, and the third was one too many."""
    run = run_of((2.0, "a"), (4.0, "b"), (6.0, "c"), refused_s=3.0, event="capture_failed")
    run.booked("p1", 3.0, "uncaptured", item="c0")
    run.booked("p1", 4.1, "captured", item="c1")
    kinds = [each.kind for each in decisions(run.store(tmp_path), "p1")]
    assert kinds.count(DecisionKind.CAPTURED_AGAIN) == 1


@pytest.mark.parametrize(("is_stale", "again"), [(True, 0), (False, 1)])
def test_a_capture_that_its_link_never_saw_is_sent_again(
    is_stale: bool, again: int, tmp_path: Path
) -> None:
    """It was answered with what had been said of another payment."""
    run = ObservedRun()
    run.pay("p1", 1.0)
    run.asked("p1", 1.1)
    run.asked("p1", 2.0, operation="capture", target="/capture", key="a", is_stale=is_stale)
    run.asked("p1", 4.0, operation="capture", target="/capture", key="b")
    run.booked("p1", 4.05, "captured", item="c0")
    kinds = [each.kind for each in decisions(run.store(tmp_path), "p1")]
    assert kinds.count(DecisionKind.CAPTURED_AGAIN) == again
