"""Live traffic: the last minute second by second, and the last seconds hop by hop."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from paychain.analysis.measures.breaks import break_point
from paychain.analysis.measures.histogram import Histogram
from paychain.analysis.measures.hops import Hop
from paychain.analysis.measures.measures import Break, HopMeasure
from paychain.analysis.store.aggregates import SECOND_NS
from paychain.analysis.store.store import RecordedPayment
from paychain.payments.journal import HopRecord, PaymentRecord, Record
from paychain.payments.outcome import HopResult, Outcome
from paychain.report.result import ChainFacts

HISTORY_S = 60  # of the plots
WINDOW_S = 10  # of the map: short enough that a heal is visible soon

BreakPoint = tuple[str, str, str, str, str]  # caller, operation, callee, failure, code


@dataclass
class PaymentCounts:
    """Payments that ended in one second, or in several."""

    payments: int = 0
    succeeded: int = 0
    approved: int = 0
    latencies_ns: Histogram = field(default_factory=Histogram)

    def add(self, record: PaymentRecord) -> None:
        """Count a payment that ended."""
        self.payments += 1
        self.succeeded += not record.technical
        self.approved += record.outcome is Outcome.APPROVED
        self.latencies_ns.add(record.ended_ns - record.intended_ns)

    def merge(self, other: PaymentCounts) -> None:
        """Add the counts of another second."""
        self.payments += other.payments
        self.succeeded += other.succeeded
        self.approved += other.approved
        self.latencies_ns.merge(other.latencies_ns)


@dataclass
class HopCounts:
    """What one hop did in one second, or in several."""

    executions: int = 0
    first_tries: int = 0
    failed: int = 0
    short_circuited: int = 0

    def add(self, record: HopRecord) -> None:
        """Count an execution of a call."""
        self.executions += 1
        self.first_tries += record.try_number == 1
        self.failed += not record.result.worked
        self.short_circuited += record.result is HopResult.NOT_TRIED

    def merge(self, other: HopCounts) -> None:
        """Add the counts of another second."""
        self.executions += other.executions
        self.first_tries += other.first_tries
        self.failed += other.failed
        self.short_circuited += other.short_circuited


@dataclass(frozen=True)
class LiveFault:
    """A fault that is on, and the links that it affects."""

    id: str
    links: tuple[str, ...]


@dataclass(frozen=True)
class WindowPhase:
    """The window as a chain map's only phase."""

    offered: int
    kind: str = "all"


@dataclass(frozen=True)
class LiveTraffic:
    """The last seconds in the shape that a chain map is drawn from (`flows.Traffic`)."""

    chain: ChainFacts
    hops: Sequence[HopMeasure]
    breaks: Sequence[Break]
    faults: Sequence[LiveFault]
    phases: Sequence[WindowPhase]


class LiveRecords:
    """Counts records as they arrive, and forgets seconds that are no longer shown.

    A payment counts in the second in which it ended, so that the board shows what customers see now
    and not what happens to payments that began now.
    """

    def __init__(self) -> None:
        # Since the load began.
        self.total = PaymentCounts()
        self.broke: Counter[BreakPoint] = Counter()
        # By second of the session's clock.
        self._seconds: dict[int, PaymentCounts] = {}
        self._hops: dict[int, dict[Hop, HopCounts]] = {}
        self._broke: dict[int, Counter[BreakPoint]] = {}

    def add(self, records: Iterable[Record]) -> list[tuple[str, int]]:
        """Count records; return the payments that failed technically, and when each ended (ns)."""
        failed = []
        for record in records:
            if isinstance(record, PaymentRecord):
                second = record.ended_ns // SECOND_NS
                self.total.add(record)
                self._seconds.setdefault(second, PaymentCounts()).add(record)
                if record.technical:
                    failed.append((record.payment, record.ended_ns))
            elif isinstance(record, HopRecord):
                hops = self._hops.setdefault(record.ended_ns // SECOND_NS, defaultdict(HopCounts))
                hops[record.caller, record.operation, record.callee, record.route].add(record)
        return failed

    def add_break(self, story: RecordedPayment) -> None:
        """Count where a failed payment broke, once all its hops are recorded."""
        if story.customer is None:
            return
        at = break_point(story.hops, story.decisions)
        key = ("customer", "pay", "", "unexplained", story.customer.code)
        if at is not None:
            key = (at.caller, at.operation, at.callee, at.result.value, at.code)
        self.broke[key] += 1
        self._broke.setdefault(story.customer.ended_ns // SECOND_NS, Counter())[key] += 1

    def forget(self, now_ns: int) -> None:
        """Drop the seconds that are no longer shown: a session may run for days."""
        oldest = now_ns // SECOND_NS - HISTORY_S - 1
        by_second: tuple[dict[int, Any], ...] = (self._seconds, self._hops, self._broke)
        for counts in by_second:
            for second in [second for second in counts if second < oldest]:
                del counts[second]

    def history(self, now_ns: int) -> list[PaymentCounts]:
        """The last minute second by second, without the current second, which is incomplete."""
        now = now_ns // SECOND_NS
        seconds = range(now - HISTORY_S, now)
        return [self._seconds.get(second) or PaymentCounts() for second in seconds]

    def recent(self, now_ns: int) -> PaymentCounts:
        """The payments of the map's window, added up."""
        total = PaymentCounts()
        for counts in self.history(now_ns)[-WINDOW_S:]:
            total.merge(counts)
        return total

    def window(self, now_ns: int, chain: ChainFacts, faults: Sequence[LiveFault]) -> LiveTraffic:
        """The last seconds, for the map."""
        hops: dict[Hop, HopCounts] = defaultdict(HopCounts)
        broke: Counter[BreakPoint] = Counter()
        for second in range(now_ns // SECOND_NS - WINDOW_S, now_ns // SECOND_NS):
            for hop, counts in self._hops.get(second, {}).items():
                hops[hop].merge(counts)
            broke.update(self._broke.get(second, {}))
        return LiveTraffic(
            chain,
            _hop_measures(hops, broke),
            _breaks(broke),
            faults,
            [WindowPhase(self.recent(now_ns).payments)],
        )


def _hop_measures(hops: dict[Hop, HopCounts], broke: Counter[BreakPoint]) -> list[HopMeasure]:
    """Without latencies: the map shows none."""
    broke_at: Counter[tuple[str, str, str]] = Counter()
    for point, payments in broke.items():
        broke_at[point[:3]] += payments
    return [
        HopMeasure(
            caller=caller,
            operation=operation,
            callee=callee,
            route=route,
            executions=counts.executions,
            payments=counts.first_tries,
            failed=counts.failed,
            broke=broke_at[caller, operation, callee],
            p50_ms=None,
            p95_ms=None,
            p99_ms=None,
            amplification=None,
            short_circuited=counts.short_circuited,
        )
        for (caller, operation, callee, route), counts in sorted(hops.items())
    ]


def _breaks(broke: Counter[BreakPoint]) -> list[Break]:
    """Without amounts and faults: the map shows neither."""
    return [
        Break(
            caller=caller,
            operation=operation,
            callee=callee,
            failure=failure,
            code=code,
            phase="",
            faults=[],
            payments=payments,
            amount=0,
            examples=[],
        )
        for (caller, operation, callee, failure, code), payments in broke.most_common()
    ]
