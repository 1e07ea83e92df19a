"""Axes and the thinning of long runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.report.drawings.scale import (
    MAX_POINTS,
    Scale,
    extremes,
    round_step,
    round_up,
    thinned,
)


def test_an_outage_of_one_second_survives_in_a_day_of_seconds() -> None:
    day: list[float | None] = [100.0] * 86_400
    day[43_210] = 0.0
    points = thinned(day)
    assert len(points) <= MAX_POINTS
    assert (43_210, 0.0) in points


def test_a_short_run_keeps_every_second() -> None:
    assert thinned([1.0, None, 3.0]) == [(0, 1.0), (1, None), (2, 3.0)]


@given(st.lists(st.none() | st.integers(0, 9), max_size=120), st.integers(2, 40))
def test_thinning_keeps_order_lowest_and_highest(values: list[int | None], most: int) -> None:
    points = thinned(values, most)
    assert len(points) <= most
    assert [at for at, _ in points] == sorted({at for at, _ in points})
    known = [value for value in values if value is not None]
    kept = [value for _, value in points if value is not None]
    if known:
        assert (min(kept), max(kept)) == (min(known), max(known))


def test_extremes_of_a_bucket_are_its_lowest_and_highest() -> None:
    assert extremes([1.0, 5.0, None, None, 2.0], 2) == [(1.0, 5.0), None, (2.0, 2.0)]


@pytest.mark.parametrize(
    ("rough", "step"), [(0.3, 0.5), (1, 1), (2.2, 2.5), (26, 50), (730, 1000), (0, 1)]
)
def test_steps_are_round(rough: float, step: float) -> None:
    assert round_step(rough) == pytest.approx(step)


def test_an_axis_ends_on_a_round_number_above_its_values() -> None:
    # 2,750 in four steps of 687.5, rounded up to 1,000: the axis ends at 3,000
    assert round_up(2_750) == pytest.approx(3_000)
    assert Scale(0, 3_000, 0, 300).ticks(4) == [0, 1_000, 2_000, 3_000]


def test_what_lies_outside_an_axis_is_drawn_at_its_edge() -> None:
    scale = Scale(90, 100, 200, 100)
    assert (scale(100), scale(95), scale(20)) == (100, 150, 200)
