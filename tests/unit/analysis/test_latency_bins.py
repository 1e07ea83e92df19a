"""Latencies over time: bins of as many seconds as it takes to have enough payments."""

from __future__ import annotations

from itertools import pairwise

import pytest

from paychain.analysis.measures.histogram import Histogram
from paychain.analysis.measures.timeline import binned

MS = 1_000_000


def second(at_s: int, payments: int, latency_ms: int = 100) -> tuple[int, list[Histogram]]:
    histogram = Histogram()
    for _ in range(payments):
        histogram.add(latency_ms * MS)
    return at_s, [histogram]


@pytest.mark.parametrize(
    ("rate", "seconds"),
    [(40, 1), (20, 1), (19, 2), (10, 2), (3, 7), (1, 20)],
)
def test_bins_adapt_to_the_rate(rate: int, seconds: int) -> None:
    bins = binned(second(at_s, rate) for at_s in range(200))
    assert (bins[0].from_s, bins[0].to_s) == (0, seconds)
    assert bins[-1].to_s == 200
    assert all(later.from_s == sooner.to_s for sooner, later in pairwise(bins))
    assert all(part.p50_ms == pytest.approx(100, rel=0.01) for part in bins)


def test_what_is_left_over_belongs_to_the_last_bin_and_a_pause_to_the_one_around_it() -> None:
    bins = binned([second(0, 25), second(7, 10), second(90, 15, 900), second(95, 3)])
    assert [(part.from_s, part.to_s) for part in bins] == [(0, 1), (7, 96)]
    assert bins[1].p95_ms == pytest.approx(900, rel=0.01)


def test_too_few_payments_make_no_bin() -> None:
    assert binned([second(0, 12), second(5, 7)]) == []
    assert binned([]) == []
