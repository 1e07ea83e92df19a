"""Faults that come back: drawn, minimised to as few windows as suffice, printed and replayed."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.explore.checks import WORKS_AGAIN
from paychain.explore.findings import outage_lines, write_outage
from paychain.explore.minimise import add_margin, find_limits, size
from paychain.explore.result import SearchResult
from paychain.explore.schedules import (
    DURATIONS_MS,
    WINDOWS,
    FaultChoice,
    Schedule,
    ScheduledFault,
    Windows,
    experiment_of,
)
from paychain.explore.search import minimise
from paychain.explore.starts import starts_from
from paychain.explore.trial import Candidate, Trial
from paychain.explore.windows import join_faults, remove_unneeded_windows
from paychain.model.loading import load_experiment
from paychain.payments.journal import Decision, DecisionKind, FaultSwitch
from tests.support.planted_outages import PLANTED, order_for, planted

DOWN = FaultChoice("down", ("link", "processor"), has_magnitude=False)
OTHER = FaultChoice("down", ("link", "gateway"), has_magnitude=False)
THRICE = ScheduledFault(DOWN, 100, 200, 50, times=3, every_ms=900)
(TWICE_BUG,) = (bug for bug in PLANTED if bug.times > 1)


def down(start_ms: int, duration_ms: int, times: int = 1, every_ms: int = 0) -> ScheduledFault:
    return ScheduledFault(DOWN, start_ms, duration_ms, 50, times=times, every_ms=every_ms)


def test_a_single_window_is_drawn_first_and_no_two_windows_overlap() -> None:
    assert [windows.duration_ms for windows in WINDOWS[: len(DURATIONS_MS)]] == list(DURATIONS_MS)
    assert {windows.times for windows in WINDOWS[: len(DURATIONS_MS)]} == {1}
    again = WINDOWS[len(DURATIONS_MS) :]
    assert len(again) < len(DURATIONS_MS)  # the dimension stays small
    assert all(windows.times > 1 and windows.every_ms > windows.duration_ms for windows in again)
    with pytest.raises(AssertionError, match="windows overlap"):
        Windows(500, 2, 400)


def test_each_window_is_a_fault_of_its_own_in_a_run() -> None:
    experiment = experiment_of((THRICE, ScheduledFault(OTHER, 0, 50, 50)), payments=20, rate=10)
    faults = [(fault.id, round(fault.at, 6), fault.lasts) for fault in experiment.faults]
    assert faults == [
        ("f1-1", 0.1, 0.2),
        ("f1-2", 1.0, 0.2),
        ("f1-3", 1.9, 0.2),
        ("f2", 0.0, 0.05),
    ]


@pytest.mark.parametrize(
    ("needed", "expected"),
    [
        ((100,), down(100, 200)),
        ((1_000,), down(1_000, 200)),
        ((1_900,), down(1_900, 200)),
        ((100, 1_000), down(100, 200, 2, 900)),
        ((1_000, 1_900), down(1_000, 200, 2, 900)),
        ((100, 1_000, 1_900), THRICE),
    ],
)
def test_no_more_windows_are_left_than_are_needed(
    needed: tuple[int, ...], expected: ScheduledFault
) -> None:
    def breaks(schedule: Schedule) -> bool:
        """In each of the needed windows something is down, and in the middle of none else."""
        (fault,) = schedule
        starts = {fault.start_ms + number * fault.every_ms for number in range(fault.times)}
        return starts >= set(needed) and fault.duration_ms == 200

    assert remove_unneeded_windows((THRICE,), breaks) == (expected,)


def test_one_window_over_all_of_them_is_simpler_than_two() -> None:
    def breaks(schedule: Schedule) -> bool:
        return schedule[0].windows.span_ms >= 2_000

    assert remove_unneeded_windows((THRICE,), breaks) == (down(100, 2_000),)
    assert size((down(100, 2_000),)) < size((down(100, 1, 2, 900),))
    assert size((down(100, 1, 2, 900),)) < size((down(100, 1), down(1_000, 1)))


def test_two_alike_are_one_that_comes_back_where_that_still_breaks() -> None:
    two = (down(1_000, 20), ScheduledFault(OTHER, 0, 50, 50), down(250, 10))
    joined = (down(250, 20, 2, 750), ScheduledFault(OTHER, 0, 50, 50))
    assert set(join_faults(two, lambda _: True)) == set(joined)
    assert join_faults(two, lambda _: False) == two
    # They overlap, or are not alike.
    for others in ((down(0, 300), down(200, 300)), (down(0, 9), ScheduledFault(OTHER, 50, 9, 50))):
        assert join_faults(others, lambda _: True) == others


def test_limits_say_how_often_and_how_far_apart_and_end_before_the_next_window() -> None:
    def breaks(schedule: Schedule) -> bool:
        return schedule[0].times == 2 and schedule[0].duration_ms >= 30

    fault = down(250, 100, 2, 700)
    (found,) = find_limits((fault,), breaks, 2_000)
    assert str(found) == (
        "down on link processor, at any start, 2 times, every 700 ms, lasts ≥ 30 ms each time"
    )
    (found,) = find_limits((fault,), lambda some: 30 <= some[0].duration_ms <= 400, 2_000)
    assert (found.min_duration_ms, found.max_duration_ms) == (30, 400)
    # In a file each window is longer, and as long as before passes between two of them.
    (longer,) = add_margin((fault,), breaks)
    assert longer == down(250, 1_100, 2, 1_700)


@pytest.mark.parametrize(
    ("fault", "at_ms"), [("f1", 10_500), ("f2-1", 10_100), ("f2-2", 11_000), ("f2-3", 11_900)]
)
def test_starts_are_counted_from_the_first_payment_whichever_window_is_recorded(
    fault: str, at_ms: int
) -> None:
    schedule = (ScheduledFault(OTHER, 500, 50, 50), THRICE)
    applied = FaultSwitch(
        fault=fault,
        action="applied",
        planned_ns=at_ms * 1_000_000,
        effective_ns=at_ms * 1_000_000,
        place="hop",
        targets=[],
        error="",
    )
    # The first payment begins at 10 s, and 130 ms later the processor decides something.
    decided = Decision(
        link="processor",
        kind=DecisionKind.GAVE_UP,
        at_ns=10_130_000_000,
        payment="p1",
        attempt=1,
        operation="authorise",
        target="issuer",
        detail="",
    )
    found = starts_from(
        [applied, decided], schedule, 1, payment="p1", paying_ms=2_000, links=["processor"]
    )
    assert next(found) == 130


@pytest.mark.slow
def test_an_outage_that_must_come_back_is_printed_and_replayed(tmp_path: Path) -> None:
    """Down three times for half a second: two windows break it, and one does not."""
    spec = order_for(TWICE_BUG, seed=1, most=1)
    with planted(TWICE_BUG):
        trial = Trial(spec, SearchResult(), lambda: 0.0, lambda _: None)
        thrice = (down(250, 500, 3, 700),)
        broken = trial.breach_of(WORKS_AGAIN, thrice, 0)
        assert broken is not None
        minimise(trial, Candidate(thrice, 0, broken), 1)
        outage = trial.result.found[WORKS_AGAIN]
    (fault,), (limits,) = outage.schedule, outage.limits
    assert (fault.times, fault.every_ms) == (2, 700)
    assert "2 times, every 700 ms" in str(limits)
    assert f"    fails when {limits}" in outage_lines(outage)
    written = load_experiment(str(write_outage(outage, spec, tmp_path)), spec.chain).model
    (longer,) = outage.with_margin
    assert [each.id for each in written.faults] == ["f1-1", "f1-2"]
    apart_s = written.faults[1].at - written.faults[0].at
    assert apart_s == pytest.approx(longer.every_ms / 1000)
