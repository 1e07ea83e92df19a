"""How success went over time: when was it good enough for some seconds in a row?"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import accumulate

from paychain.analysis.measures.measures import MIN_PAYMENTS

CELL_NS = 10_000_000  # one hundredth of a second
_CELLS_PER_S = 1_000_000_000 // CELL_NS
_STEP = 10  # cells: answers are to a tenth of a second
# Cells that a stretch may lack: a fault that is declared for 5 s is on for 4.99 s or 5.01 s, since
# it takes a moment to switch it, and an experiment of just the right length has to be judged.
_EDGE = 50
_BYTES = 8  # of a machine integer in an array of type "q"
NEVER = "never"
TOO_FEW = "too few payments"
NOT_USED = "not used"

Moment = float | str
"""Seconds until something happened, or the reason why there is no such number."""


class SuccessSeries:
    """How many events of each hundredth of a second succeeded: payments, or uses of a call.

    Kept as running sums, so that the share of any stretch costs two look-ups.
    """

    def __init__(self, cells: Iterable[tuple[int, int, int]], end_s: float) -> None:
        """`cells`: number of the cell since the epoch, events in it, how many succeeded."""
        size = max(0, int(end_s * _CELLS_PER_S)) + 1
        events, good = array("q", bytes(_BYTES * size)), array("q", bytes(_BYTES * size))
        for cell, n, succeeded in cells:
            assert succeeded <= n
            # Outside the load: what customers retried after its end decides nothing here.
            if 0 <= cell < size:
                events[cell] += n
                good[cell] += succeeded
        self._events = array("q", accumulate(events, initial=0))
        self._good = array("q", accumulate(good, initial=0))

    def steady_after(self, from_s: float, until_s: float, goal: float, lasts_s: int) -> Moment:
        """Seconds from a moment until success is at the goal for `lasts_s` seconds in a row.

        At the goal: in each of those seconds the share that succeeded is at least `goal` (of 1). A
        second without events does not count against it, and fewer than MIN_PAYMENTS events in the
        whole stretch are too few. A stretch may be up to half a second short at the end of what can
        be seen.
        """
        first = -int(-from_s * _CELLS_PER_S // 1)
        last = min(int(until_s * _CELLS_PER_S), len(self._events) - 1)
        needed = lasts_s * _CELLS_PER_S
        length = min(needed, last - first)
        if length < needed - _EDGE:
            return f"only {max(0.0, until_s - from_s):.1f} s observed, {lasts_s} s needed"
        were_enough = False
        for start in range(first, last - length + 1, _STEP):
            if self._events[start + length] - self._events[start] < MIN_PAYMENTS:
                continue
            were_enough = True
            end = start + length
            if all(
                self._is_good(second, min(second + _CELLS_PER_S, end), goal)
                for second in range(start, end, _CELLS_PER_S)
            ):
                return (start - first) / _CELLS_PER_S
        # "Never" breaks a tolerance, so it needs at least one stretch that could have shown it.
        return NEVER if were_enough else TOO_FEW

    def _is_good(self, start: int, end: int, goal: float) -> bool:
        """Whether the second between two cells is at the goal."""
        events = self._events[end] - self._events[start]
        return self._good[end] - self._good[start] >= goal * events - 1e-9


def longest(moments: Iterable[Moment]) -> Moment:
    """The longest of several; `never` when one never came; the reason when none has a number."""
    known = list(moments)
    if NEVER in known:
        return NEVER
    numbers = [moment for moment in known if not isinstance(moment, str)]
    if numbers:
        return max(numbers)
    return known[0] if known else NOT_USED


def numbers_and_reasons(**moments: Moment) -> tuple[dict[str, float | None], dict[str, str]]:
    """The numbers by their names (None without one), and the reasons where there is none."""
    numbers = {
        name: None if isinstance(moment, str) else moment for name, moment in moments.items()
    }
    reasons = {name: moment for name, moment in moments.items() if isinstance(moment, str)}
    return numbers, reasons
