"""Which worker of xdist begins with which tests, so that all processors are busy to the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
COMPUTES = 2 / 5  # of the workers, as long as others wait


def spread(
    tests: Sequence[T],
    workers: int,
    lasts_s: Callable[[T], float],
    computes: Callable[[T], bool],
) -> list[T]:
    """The tests in an order of which each worker begins with the n-th part, as xdist hands it out.

    Some workers begin with tests that only compute, the heavy ones first (`lasts_s` is not 0), the
    others with those that wait, the longest first. Whoever is done takes over what is left of
    another's part, so that what computes fills the time in which others wait.
    """
    waiting = [test for test in tests if not computes(test)]
    computing = [test for test in tests if computes(test)]
    if not waiting or not computing or workers < 2:
        return [test for part in _parts(tests, workers, lasts_s) for test in part]
    computers = max(1, int(workers * COMPUTES))
    begun = [
        *_parts(waiting, workers - computers, lasts_s),
        *_parts(computing, computers, lasts_s),
    ]
    sizes = [len(part) for part in _cut(tests, workers)]
    spare = [test for part, size in zip(begun, sizes, strict=True) for test in part[size:]]
    arranged: list[T] = []
    for part, size in zip(begun, sizes, strict=True):
        kept = part[:size]
        missing = size - len(kept)
        arranged += kept + spare[:missing]
        del spare[:missing]
    return arranged


def _parts(tests: Sequence[T], workers: int, lasts_s: Callable[[T], float]) -> list[list[T]]:
    """One part for each worker: its share of the longest, then neighbours, which share fixtures."""
    longest = sorted((test for test in tests if lasts_s(test)), key=lasts_s, reverse=True)
    others = _cut([test for test in tests if not lasts_s(test)], workers)
    return [[*longest[worker::workers], *others[worker]] for worker in range(workers)]


def _cut(tests: Sequence[T], workers: int) -> list[list[T]]:
    """As many tests for each, in order: as xdist counts them."""
    parts, left = [], list(tests)
    for others in range(workers, 0, -1):
        size = len(left) // others
        parts.append(left[:size])
        left = left[size:]
    return parts
