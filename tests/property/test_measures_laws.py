"""Laws of the measures, for any run."""

from __future__ import annotations

import random
from dataclasses import replace
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from paychain.analysis.measures.histogram import Histogram
from paychain.analysis.measures.success_series import SuccessSeries
from paychain.payments.journal import FaultSwitch
from tests.support.laws import examples
from tests.support.recorded import Analysed, Recorded

LATENCIES = st.lists(st.integers(0, 10**12), max_size=200)
SHARES = st.floats(0.001, 1.0)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=200), SHARES)
def test_a_quantile_is_within_half_a_percent_of_the_nearest_rank(
    values: list[int], share: float
) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = sorted(values)[max(1, ceil(round(share * len(values), 9))) - 1]
    (found,) = histogram.quantiles(share)
    assert found is not None
    assert abs(found - exact) <= 0.005 * exact


@given(LATENCIES, LATENCIES)
def test_a_merged_histogram_is_that_of_all_values_and_survives_being_stored(
    some: list[int], others: list[int]
) -> None:
    parts = []
    for values in (some, others, some + others):
        parts.append(Histogram())
        for value in values:
            parts[-1].add(value)
    first, other, whole = parts
    first.merge(Histogram.unpacked(other.packed()))
    assert (first.counts, first.total) == (whole.counts, whole.total)


@given(LATENCIES, st.lists(SHARES, min_size=2, max_size=5))
def test_quantiles_ascend(values: list[int], shares: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    found = [quantile for quantile in histogram.quantiles(*sorted(shares)) if quantile is not None]
    assert found == sorted(found)
    assert len(found) == (len(shares) if values else 0)


@given(
    st.lists(st.tuples(st.integers(0, 2_999), st.booleans()), max_size=300),
    st.floats(0, 15),
    st.sampled_from([0.5, 0.9, 0.99]),
)
def test_a_steady_stretch_is_one_and_none_before_it_is(
    events: list[tuple[int, bool]], from_s: float, goal: float
) -> None:
    course = SuccessSeries([(cell, 1, int(good)) for cell, good in events], 30)
    found = course.steady_after(from_s, 30, goal, 5)
    first = ceil(from_s * 100)

    def is_steady(start: int) -> bool:
        mine = [(cell, good) for cell, good in events if start <= cell < start + 500]
        seconds = [
            [good for cell, good in mine if at <= cell < at + 100]
            for at in range(start, start + 500, 100)
        ]
        return len(mine) >= 20 and all(
            sum(second) >= goal * len(second) - 1e-9 for second in seconds
        )

    until = round(first + found * 100) if not isinstance(found, str) else 3_000 - 500 + 1
    assert not any(is_steady(start) for start in range(first, until, 10))
    if not isinstance(found, str):
        assert is_steady(until)


PAYMENTS = st.lists(
    st.tuples(
        st.integers(0, 399),  # offered, in tenths of a second
        st.sampled_from(["approved", "declined", "technical", "unknown"]),
        st.integers(1, 3_000),  # milliseconds
        st.integers(1, 100_000),  # minor units
        st.sampled_from([None, 0, 1]),
    ),
    min_size=20,
    max_size=120,
)
FAULTS = st.lists(st.tuples(st.integers(5, 25), st.integers(1, 14)), max_size=3)


def recorded(
    payments: list[tuple[int, str, int, int, int | None]], faults: list[tuple[int, int]]
) -> Recorded:
    run = Recorded(ends_s=40, warm_up_s=2)
    for at, end, took_ms, amount, route in payments:
        run.pay(at / 10, end, took_ms=took_ms, amount=amount, route=route)
    for number, (on, lasts) in enumerate(faults):
        run.fault(f"fault-{number}", on, on + lasts)
    return run


def analysed(run: Recorded) -> Analysed:
    return run.analysed(technical_success={"during": ">= 95%"}, recovery="<= 5s")


@examples(50)
@given(PAYMENTS, FAULTS, st.randoms(use_true_random=False))
def test_measures_do_not_depend_on_the_order_of_the_records(
    payments: list[tuple[int, str, int, int, int | None]],
    faults: list[tuple[int, int]],
    shuffle: random.Random,
) -> None:
    run = recorded(payments, faults)
    expected = analysed(run)
    # Switches keep their order: what a fault did is a matter of order.
    switches = [record for record in run.records if isinstance(record, FaultSwitch)]
    others = [record for record in run.records if not isinstance(record, FaultSwitch)]
    shuffle.shuffle(others)
    run.records = [*others, *switches]
    found = analysed(run)

    def numbers(analysis: Analysed) -> list[object]:
        rules = [
            (rule.rule, rule.findings, rule.amount, [each.payment for each in rule.payments])
            for rule in analysis.money.rules
        ]
        return [rules, analysis.money.books]

    assert numbers(found) == numbers(expected)
    assert replace(found, money=expected.money) == expected


@examples(50)
@given(PAYMENTS, FAULTS)
def test_counts_and_amounts_add_up_over_phases_hops_and_seconds(
    payments: list[tuple[int, str, int, int, int | None]], faults: list[tuple[int, int]]
) -> None:
    analysis = analysed(recorded(payments, faults))
    phases = {phase.kind: phase for phase in analysis.phases if phase.kind != "fault"}
    whole = phases["all"]
    parts = [phases[name] for name in ("before", "during", "between", "recovery") if name in phases]
    for name in (
        "offered",
        "approved",
        "declined",
        "technical",
        "unknown",
        "amount_offered",
        "amount_at_risk",
        "amount_approved",
        "amount_declined",
    ):
        assert getattr(whole, name) == sum(getattr(part, name) for part in parts)
    assert whole.offered + phases["warm_up"].offered == len(payments)
    assert whole.offered == whole.approved + whole.declined + whole.technical + whole.unknown
    assert (
        whole.amount_offered == whole.amount_approved + whole.amount_declined + whole.amount_at_risk
    )
    assert sum(place.payments for place in analysis.breaks) == whole.technical + whole.unknown
    assert sum(place.amount for place in analysis.breaks) == whole.amount_at_risk
    assert sum(second.offered for second in analysis.seconds) == len(payments)
    for second in analysis.seconds:
        assert second.offered == second.approved + second.declined + second.broke
    for fallback in analysis.fallbacks:
        assert fallback.succeeded <= fallback.payments <= fallback.activations
        assert fallback.amount_saved + fallback.amount_lost <= whole.amount_offered
        for response in fallback.responses:
            assert response.succeeded <= response.payments <= fallback.payments


@examples(40)
@given(PAYMENTS, st.integers(1, 30))
def test_payments_outside_a_fault_change_nothing_about_it(
    payments: list[tuple[int, str, int, int, int | None]], more: int
) -> None:
    run = recorded(payments, [(10, 10)])
    before = analysed(run)
    for number in range(more):  # over before the fault begins, or offered after its heal
        run.pay(5 + number / 10, "approved", took_ms=10)
        run.pay(25 + number / 10, "unknown", took_ms=10)
    after = analysed(run)

    def of_the_fault(analysis: Analysed) -> list[object]:
        phases = [phase for phase in analysis.phases if phase.kind in ("during", "fault")]
        breaks = [place for place in analysis.breaks if place.faults]
        counts = [
            (fallback.to, answer.activations, answer.payments, answer.succeeded, answer.detection_s)
            for fallback in analysis.fallbacks
            for answer in fallback.responses
        ]
        return [phases, breaks, counts]

    assert of_the_fault(before) == of_the_fault(after)
