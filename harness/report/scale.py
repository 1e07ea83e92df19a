"""Axes: round steps, and long series thinned so that no short outage is lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MOST_POINTS = 1_000  # of one series in one panel


@dataclass(frozen=True)
class Scale:
    """Maps values from `low` to `high` onto pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value; what lies outside is drawn at the edge."""
        inside = min(max(value, self.low), self.high)
        return self.start + (self.end - self.start) * (inside - self.low) / (
            (self.high - self.low) or 1
        )

    def ticks(self, about: int) -> list[float]:
        """Round values from low to high, about so many."""
        step = round_step((self.high - self.low) / max(1, about))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def round_step(rough: float) -> float:
    """The next round number: 1, 2, 2.5 or 5 times a power of ten."""
    if rough <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * f for f in (1, 2, 2.5, 5, 10) if power * f >= rough * (1 - 1e-9))


def round_up(value: float, steps: int = 4) -> float:
    """The top of an axis that holds a value."""
    step = round_step(value / steps)
    return step * max(1, math.ceil(value / step - 1e-9))


def bucket_width(count: int, most: int) -> int:
    """Seconds that share a bucket so that there are at most so many buckets."""
    return max(1, math.ceil(count / most))


def extremes(values: Sequence[float | None], wide: int) -> list[tuple[float, float] | None]:
    """Lowest and highest of each bucket, None where it has no value."""
    found: list[tuple[float, float] | None] = []
    for start in range(0, len(values), wide):
        known = [value for value in values[start : start + wide] if value is not None]
        found.append((min(known), max(known)) if known else None)
    return found


def thinned(
    values: Sequence[float | None], most: int = MOST_POINTS
) -> list[tuple[int, float | None]]:
    """Index and value of at most `most` points: the lowest and the highest of each bucket.

    A second that stands out stays, which averaging or picking by shape would not promise.
    """
    if len(values) <= most:
        return list(enumerate(values))
    wide = bucket_width(len(values), most // 2)
    points: list[tuple[int, float | None]] = []
    for start in range(0, len(values), wide):
        known = [
            (value, index)
            for index, value in enumerate(values[start : start + wide], start=start)
            if value is not None
        ]
        if not known:
            points.append((start, None))
            continue
        points += [(i, v) for i, v in sorted({min(known)[::-1], max(known)[::-1]})]
    return points
