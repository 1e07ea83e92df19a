"""How success went over time: when was it good enough for some seconds in a row?"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

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


@dataclass(frozen=True)
class NotYet:
    """All was well when the look ended, for too short a time to say that it stays so."""

    at_least_s: float  # the number of seconds would not have been smaller
    reason: str  # why there is none


Observation = Moment | NotYet


class SuccessSeries:
    """How many events of each hundredth of a second succeeded: payments, or uses of a call.

    Kept as running sums, so that the share of any stretch costs two lookups.
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

    def steady_after(self, from_s: float, until_s: float, goal: float, lasts_s: int) -> Observation:
        """Seconds from a moment until success is at the goal for `lasts_s` seconds in a row.

        At the goal: in each of those seconds the share that succeeded is at least `goal` (of 1). A
        second without events does not count against it, and fewer than MIN_PAYMENTS events in the
        whole stretch are too few. A stretch may be up to half a second short at the end of what can
        be seen. When the look ends in a stretch of at least half
        that length, it is `NotYet`.
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
        # "Never" breaks a tolerance, so it needs at least one stretch that could have shown it, and
        # no end that was half of one: the next moments might have shown the rest.
        if not were_enough:
            return TOO_FEW
        lasted = self._good_until(last, last - first, goal)
        if lasted < needed // 2:
            return NEVER
        return NotYet(
            (last - lasted - first) / _CELLS_PER_S,
            f"too short to tell: only the last {lasted / _CELLS_PER_S:.1f} s were good, "
            f"{lasts_s} s needed",
        )

    def _good_until(self, last: int, most: int, goal: float) -> int:
        """How many cells before `last` were at the goal, second by second; at most `most`."""
        lasted = 0
        while lasted + _STEP <= most:
            start = last - lasted - _STEP
            if not self._is_good(start, min(start + _CELLS_PER_S, last), goal):
                break
            lasted += _STEP
        return lasted

    def _is_good(self, start: int, end: int, goal: float) -> bool:
        """Whether the second between two cells is at the goal."""
        events = self._events[end] - self._events[start]
        return self._good[end] - self._good[start] >= goal * events - 1e-9


def longest(moments: Iterable[Observation]) -> Observation:
    """The longest of several; `never` when one never came; the reason when none has a number.

    One that had not come when the look ended may be the longest.
    """
    known = list(moments)
    if NEVER in known:
        return NEVER
    numbers = [moment for moment in known if isinstance(moment, float | int)]
    not_yet = [moment for moment in known if isinstance(moment, NotYet)]
    if not_yet:
        last = max(not_yet, key=lambda moment: moment.at_least_s)
        return NotYet(max([last.at_least_s, *numbers]), last.reason)
    if numbers:
        return max(numbers)
    return known[0] if known else NOT_USED


class Numbers(NamedTuple):
    """Observations as a result has them, by their names."""

    values: dict[str, float | None]  # None without a number
    absent: dict[str, str]  # why there is none
    at_least: dict[str, float]  # what it would be at least


def numbers_and_reasons(**moments: Observation) -> Numbers:
    """The numbers, and the reasons where there is none."""
    found = Numbers({}, {}, {})
    for name, moment in moments.items():
        found.values[name] = None
        if isinstance(moment, NotYet):
            found.absent[name] = moment.reason
            found.at_least[name] = moment.at_least_s
        elif isinstance(moment, str):
            found.absent[name] = moment
        else:
            found.values[name] = moment
    return found
