"""Limits on latencies are judged on the exact quantile, not on the middle of a bucket."""

from __future__ import annotations

import pytest

from paychain.analysis.measures.histogram import Histogram, bucket_of, middle
from tests.support.recorded import Recorded


def slow(exact_ms: float) -> Recorded:
    """100 payments; the slowest two take so long that the 99th percentile is `exact_ms`."""
    run = Recorded(ends_s=20)
    for number in range(100):
        run.pay(number / 10, took_ms={10: exact_ms, 20: exact_ms + 50}.get(number, 100))
    return run


@pytest.mark.parametrize(
    ("exact_ms", "passed"), [(2_999.9, True), (3_000, True), (3_000.1, False), (3_002.1, False)]
)
def test_a_limit_within_the_error_of_the_histogram_is_judged_exactly(
    exact_ms: float, passed: bool
) -> None:
    # 128 buckets per octave: these are all in one, whose middle is 2,994.7 ms.
    analysis = slow(exact_ms).analysed(latency_p99="<= 3s")
    (limit,) = analysis.tolerances
    assert limit.passed is passed
    assert limit.observed == pytest.approx(exact_ms / 1000)
    (every,) = (phase for phase in analysis.phases if phase.kind == "all")
    assert every.p99_ms == pytest.approx(exact_ms)


def test_limits_by_phase_are_judged_by_the_payments_of_that_phase() -> None:
    run = slow(3_002.1)  # the payment at 1.0 s; the slower one is at 2.0 s
    run.fault("down-1", 15, 17)
    limits = {"before": "<= 3s", "recovery": "<= 100ms"}
    for number in range(100):
        run.pay(17 + number / 50, took_ms=100)
    found = {limit.id: limit for limit in run.analysed(latency_p99=limits).tolerances}
    assert found["latency_p99.before"].observed == pytest.approx(3.0021)
    assert not found["latency_p99.before"].passed
    assert found["latency_p99.recovery"].observed == pytest.approx(0.1)
    assert found["latency_p99.recovery"].passed


def test_a_limit_outside_the_bucket_needs_no_second_look() -> None:
    (limit,) = slow(3_002.1).analysed(latency_p99="<= 4s").tolerances
    assert limit.passed
    assert limit.observed == pytest.approx(2.9947, abs=0.001)


@pytest.mark.parametrize("value", [-5, 0, 1, 255, 256, 257, 1_000, 3_002_100_000, 2**60 + 12345])
def test_a_value_is_counted_in_its_bucket_and_can_be_taken_back(value: int) -> None:
    histogram = Histogram()
    histogram.add(value)
    histogram.add(77)
    assert histogram.counts[bucket_of(value)] >= 1
    assert middle(bucket_of(value)) == pytest.approx(max(value, 0), rel=0.004)
    histogram.remove(value)
    assert histogram.quantiles(0.5) == [77.0]


def test_the_place_of_a_quantile_is_its_bucket_and_its_rank_there() -> None:
    histogram = Histogram()
    for value in (5, 5, 5, 9, 9):
        histogram.add(value)
    assert histogram.place_of(0.5) == (5, 3)
    assert histogram.place_of(0.99) == (9, 2)
    assert histogram.place_of(0.0) == (5, 1)
