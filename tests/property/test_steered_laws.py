"""A load that is steered by hand arrives as the file that is saved of it says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from paychain.load.traffic.plan import AmountPlan, EntryPlan, LoadPlan
from paychain.load.traffic.schedule import moments
from paychain.load.traffic.steered import SteeredSchedule

CHANGES = st.lists(
    st.tuples(st.integers(1, 3_000), st.integers(0, 40)), min_size=1, max_size=8
)  # (milliseconds after the one before, payments a second)


def plan(corners: list[tuple[float, float]], lasts_s: float) -> LoadPlan:
    return LoadPlan(
        entries=(EntryPlan(link="gateway"),),
        corners=tuple(corners),
        is_random=False,
        times=(),
        warm_up_s=0.0,
        lasts_s=lasts_s,
        deadline_s=10.0,
        seed=1,
        epoch_ns=0,
        currency="EUR",
        amounts=AmountPlan(median=1, least=1, most=1),
    )


def steered(steps: list[tuple[float, float]], end_s: float) -> list[float]:
    """Every arrival of a load whose rate is changed at these moments."""
    load, found = SteeredSchedule(), []
    for (at_s, rate), until_s in zip(steps, [*(at for at, _ in steps[1:]), end_s], strict=True):
        load.change(at_s, rate)
        while (next_s := load.next_s()) is not None and next_s < until_s - 1e-9:
            load.take()
            found.append(next_s)
    return found


@given(CHANGES, st.integers(1, 3_000))
def test_a_steered_load_arrives_as_a_plan_with_the_same_steps(
    changes: list[tuple[int, int]], last_ms: int
) -> None:
    at_ms, steps = 0, []
    for gap_ms, rate in changes:
        steps.append((at_ms / 1000, float(rate)))
        at_ms += gap_ms
    end_s = (at_ms + last_ms) / 1000
    ends = [*(at for at, _ in steps[1:]), end_s]
    corners = [
        corner
        for (at_s, rate), until_s in zip(steps, ends, strict=True)
        for corner in ((at_s, rate), (until_s, rate))
    ]
    expected = [moment.at_s for moment in moments(plan(corners, end_s))]
    found = steered(steps, end_s)
    assert abs(len(found) - len(expected)) <= 1  # one may lie on the end itself
    for each, other in zip(found, expected, strict=False):
        assert abs(each - other) < 1e-6


@given(st.integers(1, 40), st.integers(0, 40), st.integers(0, 20), st.integers(0, 2_000))
def test_what_nobody_paid_is_in_no_schedule(rate: int, other: int, made: int, late_ms: int) -> None:
    load = SteeredSchedule()
    load.change(0.0, rate)
    for _ in range(made):
        load.take()
    next_s = made / rate
    load.change(next_s + late_ms / 1000, other)  # behind: the next ones were due and not made
    if other == rate:
        return
    changed_s = load.changes[-1][0]
    corners = [(0.0, float(rate)), (changed_s, float(rate))]
    planned = sum(1 for _ in moments(plan(corners, changed_s))) if changed_s else 0
    assert planned == made


@given(st.integers(0, 40), st.integers(0, 40))
def test_a_change_and_its_return_within_a_millisecond_leave_no_trace(rate: int, other: int) -> None:
    load, undisturbed = SteeredSchedule(), SteeredSchedule()
    for each in (load, undisturbed):
        each.change(0.0, rate)
        for _ in range(rate):  # those of the first second
            each.take()
    load.change(1.0, other)
    load.change(1.0004, rate)
    assert load.changes == [(0.0, rate)]
    assert load.next_s() == undisturbed.next_s()
