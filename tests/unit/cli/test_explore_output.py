"""What a search prints: the line that is redrawn, a payment's timeline, and what nothing means."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from paychain.cli.explore_output import (
    CLEAR_LINE,
    MAX_TIMELINE_LINES,
    SearchProgress,
    TimelineMoment,
    nothing_found_lines,
    order_moments,
    switches_of,
    timeline_lines,
)
from paychain.explore.checks import RuleBreak
from paychain.explore.result import SearchResult, SmallestOutage
from paychain.explore.schedules import FaultChoice, ScheduledFault, experiment_of
from paychain.payments.journal import FaultSwitch
from paychain.report.result import PaymentTimeline, TimelineEvent


def test_the_second_authorisation_is_shown_whatever_number_of_calls_failed_before_it() -> None:
    first = TimelineMoment(80.0, "issuer: authorised 92.30 EUR, p0000000-1", is_key=True)
    second = TimelineMoment(9_000.0, "issuer: authorised 92.30 EUR, p0000000-1.1", is_key=True)
    refused = [
        TimelineMoment(100.0 + number, f"gateway: attempt {number} refused", is_key=False)
        for number in range(60)
    ]
    lines = timeline_lines([first, *refused, second])
    assert first.text in lines[0]
    assert second.text in lines[-1]
    assert len(lines) == MAX_TIMELINE_LINES + 1  # and the line that says how many are not shown
    assert lines[-2].strip() == "… 38 other events not shown"


def test_a_timeline_that_fits_is_shown_whole() -> None:
    moments = [
        TimelineMoment(float(n), f"call {n}", is_key=False) for n in range(MAX_TIMELINE_LINES)
    ]
    assert [line.split("ms  ")[1] for line in timeline_lines(moments)] == [m.text for m in moments]


def test_the_progress_line_is_cleared_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", Mock(return_value=True))
    show = SearchProgress(clock=lambda: 0.0)
    show(SearchResult(schedules=5))
    show.clear()
    shown = capsys.readouterr().err
    assert "5 schedules" in shown
    assert shown.endswith(CLEAR_LINE)


def test_nothing_found_never_reads_as_a_pass() -> None:
    (few,) = nothing_found_lines(SearchResult(schedules=60))
    assert "60 schedules are too few to rely on" in few
    (many,) = nothing_found_lines(SearchResult(schedules=5_000))
    assert "evidence, not proof" in many


def test_the_payments_of_an_order_share_one_clock_and_are_named() -> None:
    """The second payment begins 3.5 s after the first: what it shows at 9 ms is at 3,509 ms."""

    def timeline(payment: str) -> PaymentTimeline:
        booked = TimelineEvent(
            at_ms=9.0, kind="money", link="issuer", text="authorised", is_bad=False
        )
        return PaymentTimeline(
            payment=payment,
            why="",
            text="",
            amount=1_000,
            card="",
            customer_saw="",
            events=[booked],
            omitted=0,
        )

    first, second = (1_000_000_000, timeline("p1")), (4_500_000_000, timeline("p1r2"))
    moments = order_moments([first, second], [(1_001_000_000, "fault f1 applied")])
    assert [(moment.at_ms, moment.text) for moment in moments] == [
        (1.0, "fault f1 applied"),
        (9.0, "p1 issuer: authorised"),
        (3_509.0, "p1r2 issuer: authorised"),
    ]
    (alone,) = order_moments([first], [])
    assert alone.text == "issuer: authorised"


def test_a_timeline_names_every_window_of_a_fault_that_comes_back() -> None:
    choice = FaultChoice("down", ("link", "processor"), has_magnitude=False)
    schedule = (
        ScheduledFault(choice, 0, 50, 50),
        ScheduledFault(choice, 100, 200, 50, times=2, every_ms=900),
    )
    names = [fault.id for fault in experiment_of(schedule, payments=20, rate=10).faults]
    switches = tuple(
        FaultSwitch(
            fault=name,
            action="applied",
            planned_ns=0,
            effective_ns=0,
            place="hop",
            targets=[],
            error="",
        )
        for name in names
    )
    outage = SmallestOutage(
        rule="no_double_charge",
        title="No double charge",
        schedule=schedule,
        interleaving=0,
        broken=Mock(spec=RuleBreak),
        limits=(),
        at_schedule=1,
        switches=switches,
    )
    assert [text for _, text in switches_of(outage)] == [
        f"fault {name} applied: {choice}" for name in ("f1", "f2-1", "f2-2")
    ]
