"""Own services that answer nobody before the first fault: they were still starting."""

from __future__ import annotations

import pytest

from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.measures.slow_starts import slow_starts
from paychain.model.chain import Chain
from tests.support.chains import checked
from tests.support.own_chains import own_shop
from tests.support.recorded import CHAIN as MOCKS
from tests.support.recorded import Recorded

OWN = checked(own_shop())


def run_with(first_answer_s: float, *, before_s: float = 0.0, fault_s: float = 7.0) -> Recorded:
    """Payments from `before_s` on, which are all answered at once when the service is warm."""
    run = Recorded(ends_s=20)
    for number in range(int(before_s * 10), 200):
        at_s = number / 10
        took_s = max(first_answer_s - at_s, 0.05)
        run.pay(at_s, "approved" if took_s < 10 else "unknown", took_ms=1000 * min(took_s, 10))
    run.fault("lost", fault_s, fault_s + 5)
    return run


def noted(run: Recorded, chain: Chain = OWN) -> list[str]:
    return list(slow_starts(MeasuredRun(run.store(), chain, run.experiment(), run.facts())))


def test_a_service_that_is_still_starting_when_the_fault_begins_is_named() -> None:
    (sentence,) = noted(run_with(9.0))
    assert sentence == (
        "no payment was answered until 9.0 s into the load, and the first fault began at 7.0 s: "
        "what broke by then may be the start of shop, not the fault (load: {warm_up: 12s} gives "
        "it time)"
    )


@pytest.mark.parametrize(
    "run",
    [
        run_with(6.5),  # answered in time
        run_with(9.0, before_s=6.5),  # no payment was old enough
        run_with(9.0, fault_s=0.0),  # the fault is on from the beginning
        run_with(60.0),  # never answered: another doubt says so
    ],
)
def test_nothing_is_said_where_there_is_nothing_to_say(run: Recorded) -> None:
    assert noted(run) == []


def test_mocks_need_no_time_to_start() -> None:
    assert noted(run_with(9.0), MOCKS) == []
