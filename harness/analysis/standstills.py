"""Processes of the run's own that stood still: then the machine broke payments, not the chain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from harness.analysis.measured import StoodStill
from harness.analysis.store import RunStore
from harness.model.chain import CUSTOMER
from harness.payments.journal import EngineEvent, Standstill

HALF = 0.5  # of a call's wait: without it the call had as long again to be answered in
ENGINE = "fault engine"
_EVENT = "stood_still"


def standstills(store: RunStore, from_s: float, until_s: float) -> list[StoodStill]:
    """Of each process, between two moments of the run; the one that did most harm first."""
    by_process: dict[tuple[str, bool], list[Standstill]] = defaultdict(list)
    for one in (*store.rows(Standstill), *_of_engines(store.rows(EngineEvent))):
        if from_s * 1e9 <= one.from_ns < until_s * 1e9:
            by_process[one.process, one.pays].append(one)
    if not by_process:
        return []
    timed_out = list(store.timed_out())
    found = [
        _summed(process, some, [hop[1:] for hop in timed_out if (hop[0] == CUSTOMER) == pays])
        for (process, pays), some in by_process.items()
    ]
    return sorted(found, key=lambda one: (-one.timeouts, -one.longest_ms))


def too_busy(found: Sequence[StoodStill], from_s: float) -> list[str]:
    """What makes a run inconclusive. `from_s`: when the load began."""
    return [
        f"too busy a machine: {one.timeouts} call{'s' * (one.timeouts > 1)} timed out while "
        f"{one.process} stood still for half of the wait or longer (up to {one.longest_ms:.0f} ms, "
        f"{one.longest_at_s - from_s:.1f} s into the load)"
        for one in found
        if one.timeouts
    ]


def _of_engines(events: Iterable[EngineEvent]) -> Iterator[Standstill]:
    for event in events:
        if event.kind == _EVENT:
            lasted_ns = round(float(event.detail.split()[0]) * 1e6)
            yield Standstill(ENGINE, event.at_ns - lasted_ns, event.at_ns)


def _summed(
    process: str, some: Sequence[Standstill], waits: Sequence[tuple[int, int]]
) -> StoodStill:
    """The standstills of one process. `waits`: when calls that timed out began and ended."""
    longest = max(some, key=lambda one: one.until_ns - one.from_ns)
    total_ns = sum(one.until_ns - one.from_ns for one in some)
    return StoodStill(
        process, len(some), total_ns / 1e6, (longest.until_ns - longest.from_ns) / 1e6,
        longest.from_ns / 1e9, sum(_is_spoilt(*wait, some) for wait in waits),
    )  # fmt: skip


def _is_spoilt(began_ns: int, ended_ns: int, some: Sequence[Standstill]) -> bool:
    still_ns = sum(max(0, min(ended_ns, one.until_ns) - max(began_ns, one.from_ns)) for one in some)
    return still_ns >= HALF * (ended_ns - began_ns) > 0
