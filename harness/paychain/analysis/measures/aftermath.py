"""How long after a stall of the machine the chain still worked off what had piled up.

    stall        |=======|
    rush                 |-------|                 as long again, see `stalls`
    payments         x x x x x x x s x s x . . .   failed, slow, as before the stall
    aftermath                    |-------|

A burst may overload a link for longer than it took to arrive: retries keep it busy. The aftermath
lasts until payments fail and wait no more than just before the stall. A chain that was no better
before it has none. It ends before a fault is on, and a fault that was on at the stall, or shortly
before it, leaves none: payments may fail and wait for that reason, whatever the fault does. What a
step of a script explains is never part of it.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from paychain.analysis.measures.explanations import Explanations
from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.analysis.measures.stalls import (
    CONDUCTOR,
    StallEffects,
    by_processes,
    joined,
    stalled,
)
from paychain.analysis.measures.windows import by_fault, windows_of
from paychain.analysis.store.calls import FailedCall, failed_calls, has_failure_below
from paychain.analysis.store.store import RunStore
from paychain.payments.journal import FaultSwitch

BURST_NS = 500_000_000  # what a shorter stall holds up is no more than a link's usual peaks
WINDOW_NS = 2_000_000_000  # payments so long before a stall and after it are compared
WORSE = 2.0  # times as many that failed or were slow, and times as slow as the mean before
FEW = 3  # such payments say nothing


class _Paid(NamedTuple):
    payment: str
    intended_ns: int
    ended_ns: int
    technical: bool


@measure("stalled with its aftermath")
def disturbed(run: MeasuredRun) -> StallEffects:
    """What stalls affected, with what happened until the chain worked as before them."""
    found = run[stalled]
    long_ones = joined(
        (stall.from_ns, stall.until_ns)
        for (process, _), its in run[by_processes].items()
        if process != CONDUCTOR
        for stall in its
        if stall.until_ns - stall.from_ns >= BURST_NS
    )
    spans, failed = list(found.spans), set(found.payments)
    payments = _Payments(run) if long_ones else None
    done_ns = 0  # until when a stall is part of the aftermath of another one
    for from_ns, until_ns in long_ones:
        if payments is None or from_ns < done_ns:
            continue
        over_ns = until_ns + (until_ns - from_ns)
        done_ns = payments.disturbed_until(from_ns, over_ns, failed)
        if done_ns > over_ns:
            spans.append((over_ns, done_ns))
    return StallEffects(found.facts, frozenset(failed), joined(spans))


class _Payments:
    """The payments of a run and why they failed. Nothing is read before it is asked for."""

    def __init__(self, run: MeasuredRun) -> None:
        self._store: RunStore = run.store
        self._explanations = Explanations(run.store, run.experiment)
        self._calls: Mapping[str, Sequence[FailedCall]] | None = None
        switches = (switch for switch in run.store.rows(FaultSwitch) if not switch.error)
        self._read: deque[_Paid] = deque()  # the last ones, by when they were to start
        self._to_come: Iterator[_Paid] | None = None
        self._faults = [window for its in by_fault(switches).values() for window in windows_of(its)]

    def disturbed_until(self, from_ns: int, over_ns: int, failed: set[str]) -> int:
        """When the chain works as before the stall; `failed` gets the payments that did not.

        Stalls are asked about in their order, and none that began before what was said last.
        """
        faulty_ns = min(
            (since for since, until in self._faults if until >= from_ns - WINDOW_NS),
            default=math.inf,
        )
        if over_ns + WINDOW_NS > faulty_ns:
            return over_ns
        before = self._between(from_ns - WINDOW_NS, from_ns)
        if len(before) < FEW:
            return over_ns
        mean_ns = sum(paid.ended_ns - paid.intended_ns for paid in before) / len(before)
        slow_ns = WORSE * mean_ns
        usual = sum(self._is_worse(paid, slow_ns) for paid in before) / len(before)
        while over_ns + WINDOW_NS <= faulty_ns:
            window = self._between(over_ns, over_ns + WINDOW_NS)
            worse = [
                paid
                for paid in window
                # One that was still on its way then may have met the fault.
                if paid.ended_ns < faulty_ns and self._is_worse(paid, slow_ns)
            ]
            if len(worse) < FEW or len(worse) <= WORSE * usual * len(window):
                break
            failed.update(paid.payment for paid in worse if paid.technical)
            over_ns += WINDOW_NS
        return over_ns

    def _between(self, since_ns: int, until_ns: int) -> list[_Paid]:
        """The payments that were to start in a time.

        They are read once. No time may begin more than `WINDOW_NS` before the one asked about last.
        """
        if self._to_come is None:
            self._store.index()  # not while rows are read
            columns = ", ".join(_Paid._fields)
            sql = f"SELECT {columns} FROM txn WHERE intended_ns >= ? ORDER BY intended_ns"
            self._to_come = map(_Paid._make, self._store.select(sql, (since_ns,)))
        read = self._read
        while not read or read[-1].intended_ns < until_ns:
            paid = next(self._to_come, None)
            if paid is None:
                break
            read.append(paid)
            while read and read[0].intended_ns < since_ns - WINDOW_NS:
                read.popleft()
        return [paid for paid in read if since_ns <= paid.intended_ns < until_ns]

    def _is_worse(self, paid: _Paid, slow_ns: float) -> bool:
        """Whether a payment was slow, or failed without a fault that explains it."""
        if not paid.technical:
            return paid.ended_ns - paid.intended_ns > slow_ns
        if self._calls is None:
            calls: dict[str, list[FailedCall]] = defaultdict(list)
            for call in failed_calls(self._store):
                calls[call.payment].append(call)
            self._calls = calls
        # Whatever else failed for a fault, one failure that none explains is enough to break it.
        lowest = (
            call
            for call in self._calls.get(paid.payment, ())
            if not has_failure_below(self._store, call)
        )
        return any(not self._explanations.has(call) for call in lowest)
