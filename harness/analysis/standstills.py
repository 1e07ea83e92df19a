"""Processes of the run's own that stood still: then the machine broke payments, not the chain."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from harness.analysis.measured import StoodStill
from harness.analysis.store import RunStore
from harness.model.chain import CUSTOMER
from harness.payments.journal import EngineEvent, Standstill
from harness.payments.outcome import HopResult

HALF = 0.5  # of a call's wait: without it the call had as long again to be answered in
RUSH_NS = 250_000_000  # what was held up for so long comes at once, and policies may refuse it
ENGINE = "fault engine"
_EVENT = "stood_still"


def standstills(store: RunStore, from_s: float, until_s: float) -> list[StoodStill]:
    """Of each process, between two moments of the run; the one that did most harm first.

    A call is spoilt when it timed out while a process stood still for half of its wait; and when it
    failed in whatever way and began in a standstill of 250 ms or more, or within its length after.
    """
    by_process: dict[tuple[str, bool], list[Standstill]] = defaultdict(list)
    for one in (*store.rows(Standstill), *_of_engines(store.rows(EngineEvent))):
        if from_s * 1e9 <= one.from_ns < until_s * 1e9:
            by_process[one.process, one.pays].append(one)
    processes = [_Process(name, pays, some) for (name, pays), some in by_process.items()]
    if processes:
        for call in store.failed_calls():
            for process in processes:
                process.look_at(*call)
    found = [process.measured() for process in processes]
    return sorted(found, key=lambda one: (-one.spoilt, -one.longest_ms))


def too_busy(found: Sequence[StoodStill], from_s: float) -> list[str]:
    """What makes a run that failed inconclusive. `from_s`: when the load began."""
    return [
        f"too busy a machine: {one.spoilt} call{'s' * (one.spoilt > 1)} failed while {one.process} "
        f"stood still or right after (up to {one.longest_ms:.0f} ms, "
        f"{one.longest_at_s - from_s:.1f} s into the load)"
        for one in found
        if one.spoilt
    ]


def _of_engines(events: Iterable[EngineEvent]) -> Iterator[Standstill]:
    for event in events:
        if event.kind == _EVENT:
            lasted_ns = round(float(event.detail.split()[0]) * 1e6)
            yield Standstill(ENGINE, event.at_ns - lasted_ns, event.at_ns)


class _Process:
    """One process with its standstills, none of which overlaps another."""

    def __init__(self, name: str, pays: bool, some: Sequence[Standstill]) -> None:
        self._name, self._pays = name, pays
        self._spans = sorted((one.from_ns, one.until_ns) for one in some)
        self._longest_ns = max(until - since for since, until in self._spans)
        self._spoilt = 0

    def look_at(self, caller: str, began_ns: int, ended_ns: int, result: str) -> None:
        """Count a call that failed if it is spoilt."""
        still_ns, is_rushed = 0, False
        for place in range(bisect_right(self._spans, (ended_ns, 0)) - 1, -1, -1):
            from_ns, until_ns = self._spans[place]
            if began_ns > until_ns + self._longest_ns:
                break
            lasted_ns = until_ns - from_ns
            is_rushed |= lasted_ns >= RUSH_NS and from_ns <= began_ns <= until_ns + lasted_ns
            still_ns += max(0, min(ended_ns, until_ns) - max(began_ns, from_ns))
        may_wait = result == HopResult.TIMEOUT and (caller == CUSTOMER or not self._pays)
        is_spoilt = may_wait and still_ns >= HALF * (ended_ns - began_ns) > 0
        self._spoilt += is_spoilt or is_rushed

    def measured(self) -> StoodStill:
        """All of it in numbers."""
        longest_from_ns, _ = max(self._spans, key=lambda span: span[1] - span[0])
        total_ns = sum(until - since for since, until in self._spans)
        return StoodStill(
            self._name, len(self._spans), total_ns / 1e6, self._longest_ns / 1e6,
            longest_from_ns / 1e9, self._spoilt,
        )  # fmt: skip
