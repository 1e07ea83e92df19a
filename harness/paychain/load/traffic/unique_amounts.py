"""Amounts that differ among consecutive payments: an amount then identifies the payment."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

from paychain.payments.attribution import UNIQUE_AMOUNTS


class DrawnAmount(NamedTuple):
    """An amount as it was drawn, and the range that it has to stay in, all in minor units."""

    amount_minor: int
    least_minor: int
    most_minor: int


class UniqueAmounts:
    """Moves drawn amounts by as few minor units as it takes.

    No two of UNIQUE_AMOUNTS payments in a row have the same amount, unless their range is too small
    for that: then the amount stays as it was drawn. The same draws give the same amounts, whichever
    number is asked for first.
    """

    def __init__(self, drawn: Callable[[int], DrawnAmount]) -> None:
        self._drawn = drawn
        self._amounts = array("q")  # by number, as far as any was needed
        self._recent: deque[int] = deque()
        self._taken: Counter[int] = Counter()

    def amount_of(self, number: int) -> int:
        """The amount of a payment by its number, in minor units."""
        while len(self._amounts) <= number:
            self._amounts.append(self._next(self._drawn(len(self._amounts))))
        return self._amounts[number]

    def _next(self, drawn: DrawnAmount) -> int:
        amount_minor = self._free(drawn)
        self._recent.append(amount_minor)
        self._taken[amount_minor] += 1
        if len(self._recent) >= UNIQUE_AMOUNTS:
            oldest = self._recent.popleft()
            self._taken[oldest] -= 1
            if not self._taken[oldest]:
                del self._taken[oldest]
        return amount_minor

    def _free(self, drawn: DrawnAmount) -> int:
        """The amount nearest to the drawn one that is not taken."""
        amount_minor, least, most = drawn
        for distance in range(most - least + 1):
            for near in (amount_minor + distance, amount_minor - distance):
                if least <= near <= most and near not in self._taken:
                    return near
        return amount_minor
