"""A fault that stalls of the run hid was not tried: a chain that passes all the same has not."""

from __future__ import annotations

import pytest

from paychain.analysis.measures.measures import Verdict
from paychain.payments.journal import EngineEvent, Record, Stall
from tests.support.recorded import Analysed, Recorded, ns


def stall(from_s: float, until_s: float, process: str = "mock services") -> Record:
    return Stall(process, ns(from_s), ns(until_s))


def stall_of_engine(from_s: float, until_s: float) -> Record:
    return EngineEvent(
        seq=1,
        at_ns=ns(until_s),
        kind="stalls",
        proxy="",
        connection=None,
        toxic=None,
        detail=f"{(until_s - from_s) * 1000:.1f} ms",
    )


def analysed(
    *stalls: Record, may_miss: bool = False, ends: str = "approved", off_s: float | None = 9
) -> Analysed:
    """Payments from 0 to 20 s, a fault from 5 s to 9 s, and these stalls."""
    run = Recorded(ends_s=20, may_miss=may_miss)
    for number in range(100):
        run.pay(number / 5, ends)
    run.fault("cut", 5, off_s)
    run.records += stalls
    return run.analysed(technical_success=">= 90%")


HIDDEN = "was not exercised"


def hides(analysis: Analysed) -> list[str]:
    return [reason for reason in analysis.reasons if HIDDEN in reason]


def test_a_fault_behind_a_stall_was_not_tried() -> None:
    analysis = analysed(stall(4, 7.5))
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert hides(analysis) == [
        "host stalled: mock services was stalled for 2.5 s of the 4.0 s that fault cut was on: "
        "its effect on the chain was not exercised"
    ]


@pytest.mark.parametrize(
    ("stalls", "is_hidden"),
    [
        ([stall(6, 8)], False),  # half of it
        ([stall(6, 8.1)], True),
        ([stall(5, 6.1), stall(7, 8)], True),  # of one process, together
        ([stall(5, 6.1), stall(7, 8, "load process")], False),  # each is less than half
        ([stall(0, 5), stall(9, 14)], False),  # before and after it
        ([stall_of_engine(5.5, 8)], True),
        ([stall(5, 9, "conductor")], False),  # is judged by its switches
    ],
)
def test_one_process_has_to_stall_for_more_than_half_of_a_fault(
    stalls: list[Record], is_hidden: bool
) -> None:
    analysis = analysed(*stalls)
    assert bool(hides(analysis)) is is_hidden
    assert analysis.verdict is (Verdict.INCONCLUSIVE if is_hidden else Verdict.PASS)


def test_a_fault_that_was_never_healed_is_on_until_the_load_ends() -> None:
    assert not hides(analysed(stall(6, 13.5), off_s=None))  # 7.5 of 15 s
    assert hides(analysed(stall(6, 14), off_s=None))


def test_a_fault_that_may_miss_may_be_hidden() -> None:
    assert not hides(analysed(stall(4, 10), may_miss=True))


def test_a_chain_that_failed_has_failed_whatever_was_hidden() -> None:
    analysis = analysed(stall(6, 8.1), ends="technical")
    assert analysis.verdict is Verdict.FAIL
    assert hides(analysis)
