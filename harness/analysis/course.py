"""What went well, moment by moment: how soon it went well for some seconds in a row."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import accumulate

from harness.analysis.measured import FEW_PAYMENTS

CELL_NS = 10_000_000  # one hundredth of a second
_CELLS_PER_S = 1_000_000_000 // CELL_NS
_STEP = 10  # cells: answers are to a tenth of a second
NEVER = "never"
FEW = "too few payments"

Moment = float | str
"""Seconds until something happened, or the words for why there is no such number."""


class Course:
    """How many of the things that came up in each hundredth of a second went well."""

    def __init__(self, cells: Iterable[tuple[int, int, int]], end_s: float) -> None:
        """`cells`: number of the cell since the epoch, how many came up, how many went well."""
        size = max(0, int(end_s * _CELLS_PER_S)) + 1
        every, good = array("l", bytes(8 * size)), array("l", bytes(8 * size))
        for cell, number, well in cells:
            if 0 <= cell < size:
                every[cell] += number
                good[cell] += well
        self._every = array("l", accumulate(every, initial=0))
        self._good = array("l", accumulate(good, initial=0))

    def steady_after(self, from_s: float, until_s: float, goal: float, lasts_s: int) -> Moment:
        """Seconds from a moment until all goes well for `lasts_s` seconds in a row.

        Well: in each of those seconds the share that went well is at least the goal. A second in
        which nothing came up says nothing, and fewer than 20 in the whole stretch are too few.
        """
        first = -int(-from_s * _CELLS_PER_S // 1)
        last = min(int(until_s * _CELLS_PER_S), len(self._every) - 1)
        length = lasts_s * _CELLS_PER_S
        if last - first < length:
            return f"only {max(0.0, until_s - from_s):.1f} s to see it, {lasts_s} s are needed"
        were_enough = False
        for start in range(first, last - length + 1, _STEP):
            if self._every[start + length] - self._every[start] < FEW_PAYMENTS:
                continue
            were_enough = True
            if all(
                self._good[at + _CELLS_PER_S] - self._good[at]
                >= goal * (self._every[at + _CELLS_PER_S] - self._every[at]) - 1e-9
                for at in range(start, start + length, _CELLS_PER_S)
            ):
                return (start - first) / _CELLS_PER_S
        return NEVER if were_enough else FEW


def longest(moments: Iterable[Moment]) -> Moment:
    """The longest of several; `never` when one never came; words when none could be seen."""
    some = list(moments)
    if NEVER in some:
        return NEVER
    numbers = [one for one in some if not isinstance(one, str)]
    if numbers:
        return max(numbers)
    return some[0] if some else "not used"


def parted(**moments: Moment) -> tuple[dict[str, float | None], dict[str, str]]:
    """The numbers by their names, and for those that have none the words."""
    numbers = {name: None if isinstance(one, str) else one for name, one in moments.items()}
    return numbers, {name: one for name, one in moments.items() if isinstance(one, str)}
