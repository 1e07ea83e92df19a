"""Axes with round steps, and long series thinned without losing a short outage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MAX_POINTS = 1_000  # of a series in a panel: one per pixel


@dataclass(frozen=True)
class Scale:
    """Maps values from `low` to `high` onto pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value; a value outside the scale is drawn at its edge."""
        inside = min(max(value, self.low), self.high)
        return self.start + (self.end - self.start) * (inside - self.low) / (
            (self.high - self.low) or 1
        )

    def ticks(self, about: int) -> list[float]:
        """Round values from low to high, `about` as many."""
        step = round_step((self.high - self.low) / max(1, about))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def round_step(rough: float) -> float:
    """The next round number from a rough one: 1, 2, 2.5 or 5 times a power of ten."""
    if rough <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * f for f in (1, 2, 2.5, 5, 10) if power * f >= rough * (1 - 1e-9))


def round_up(value: float, steps: int = 4) -> float:
    """The end of an axis of about `steps` round steps that holds a value."""
    step = round_step(value / steps)
    return step * max(1, math.ceil(value / step - 1e-9))


def bucket_width(count: int, max_buckets: int) -> int:
    """How many items share a bucket so that there are at most `max_buckets`."""
    return max(1, math.ceil(count / max_buckets))


def extremes(values: Sequence[float | None], width: int) -> list[tuple[float, float] | None]:
    """Lowest and highest value of each bucket; None where it has no value."""
    found: list[tuple[float, float] | None] = []
    for start in range(0, len(values), width):
        known = [value for value in values[start : start + width] if value is not None]
        found.append((min(known), max(known)) if known else None)
    return found


def thinned(
    values: Sequence[float | None], max_points: int = MAX_POINTS
) -> list[tuple[int, float | None]]:
    """Index and value of at most `max_points` points: the lowest and highest of each bucket.

    Every outlier stays visible, which averaging or thinning by shape would not guarantee.
    """
    if len(values) <= max_points:
        return list(enumerate(values))
    width = bucket_width(len(values), max_points // 2)
    points: list[tuple[int, float | None]] = []
    for start in range(0, len(values), width):
        known = [
            (value, index)
            for index, value in enumerate(values[start : start + width], start=start)
            if value is not None
        ]
        if not known:
            points.append((start, None))
            continue
        points += [(i, v) for i, v in sorted({min(known)[::-1], max(known)[::-1]})]
    return points
