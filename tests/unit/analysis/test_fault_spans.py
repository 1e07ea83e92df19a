"""When a fault was on, read from its switches."""

from __future__ import annotations

from paychain.analysis.measures.timeline import spans_of
from paychain.payments.journal import FaultSwitch


def switches(*changes: tuple[str, float]) -> list[FaultSwitch]:
    return [
        FaultSwitch(
            fault="a",
            action=action,
            planned_ns=0,
            effective_ns=round(at_s * 1e9),
            place="hop",
            targets=["gateway.authorise.a"],
            error="",
        )
        for action, at_s in changes
    ]


def test_a_fault_that_comes_and_goes_has_a_span_for_each_time() -> None:
    seen = switches(("applied", 1.0), ("healed", 2.5), ("applied", 4.0), ("healed", 5.5))
    assert spans_of(seen) == [(1.0, 2.5), (4.0, 5.5)]


def test_a_ramp_is_one_span_however_many_steps_it_has() -> None:
    # Each step heals the weaker fault some milliseconds before the stronger one is on.
    seen = switches(
        ("applied", 1.0),
        ("healed", 2.0),
        ("applied", 2.004),
        ("healed", 3.0),
        ("applied", 3.005),
        ("healed", 4.0),
    )
    assert spans_of(seen) == [(1.0, 4.0)]


def test_a_fault_that_was_never_healed_has_an_open_span() -> None:
    assert spans_of(switches(("applied", 1.0))) == [(1.0, None)]


def test_a_fault_that_never_worked_has_none() -> None:
    assert spans_of([]) == []
