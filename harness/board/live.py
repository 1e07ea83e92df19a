"""What goes on right now: the last minute second by second, and the last seconds hop by hop."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.analysis.breaks import break_point
from harness.analysis.histogram import Histogram
from harness.analysis.measured import Break, HopMeasure
from harness.analysis.store import Story
from harness.payments.journal import HopRecord, PaymentRecord, Record
from harness.payments.outcome import HopResult, Outcome
from harness.report.result import ChainFacts

SHOWN_S = 60  # of the course that is drawn
WINDOW_S = 10  # of the map: what healed is off it after so long
SECOND_NS = 1_000_000_000

Hop = tuple[str, str, str, int]  # caller, operation, callee, route
BrokenAt = tuple[str, str, str, str, str]  # caller, operation, callee, failure, code


@dataclass
class Answered:
    """Payments that were over in one second."""

    payments: int = 0
    succeeded: int = 0
    approved: int = 0
    latencies_ns: Histogram = field(default_factory=Histogram)


@dataclass
class Carried:
    """What a hop did in one second."""

    executions: int = 0
    first_tries: int = 0
    failed: int = 0
    kept_back: int = 0


@dataclass(frozen=True)
class On:
    """A fault that is on."""

    id: str
    target: str


@dataclass(frozen=True)
class Whole:
    """All payments of the window."""

    offered: int
    kind: str = "all"


@dataclass(frozen=True)
class Window:
    """The last seconds as a chain map reads them."""

    chain: ChainFacts
    hops: Sequence[HopMeasure]
    breaks: Sequence[Break]
    faults: Sequence[On]
    phases: Sequence[Whole]


class Live:
    """Counts records as they come; forgets seconds that are no longer shown.

    A payment counts in the second in which it was over, so that what customers see now is seen now.
    """

    def __init__(self) -> None:
        self.total = Answered()
        self.broke: Counter[BrokenAt] = Counter()  # since the load began
        self._seconds: dict[int, Answered] = {}
        self._hops: dict[int, dict[Hop, Carried]] = {}
        self._broke: dict[int, Counter[BrokenAt]] = {}

    def add(self, records: Iterable[Record]) -> list[tuple[str, int]]:
        """Count records; the payments among them that failed, with when they were over."""
        failed = []
        for record in records:
            if isinstance(record, PaymentRecord):
                second = record.ended_ns // SECOND_NS
                for answered in (self.total, self._seconds.setdefault(second, Answered())):
                    answered.payments += 1
                    answered.succeeded += not record.technical
                    answered.approved += record.outcome is Outcome.APPROVED
                    answered.latencies_ns.add(record.ended_ns - record.intended_ns)
                if record.technical:
                    failed.append((record.payment, record.ended_ns))
            elif isinstance(record, HopRecord):
                hops = self._hops.setdefault(record.ended_ns // SECOND_NS, defaultdict(Carried))
                carried = hops[record.caller, record.operation, record.callee, record.route]
                carried.executions += 1
                carried.first_tries += record.try_number == 1
                carried.failed += not record.result.worked
                carried.kept_back += record.result is HopResult.NOT_TRIED
        return failed

    def broken(self, story: Story) -> None:
        """Count where a failed payment broke."""
        if story.customer is None:
            return
        at = break_point(story.hops, story.decisions)
        key = ("customer", "pay", "", "unexplained", story.customer.code)
        if at is not None:
            key = (at.caller, at.operation, at.callee, at.result.value, at.code)
        self.broke[key] += 1
        self._broke.setdefault(story.customer.ended_ns // SECOND_NS, Counter())[key] += 1

    def forget(self, now_ns: int) -> None:
        """Let go of what is no longer shown."""
        last = now_ns // SECOND_NS - SHOWN_S - 1
        everything: tuple[dict[int, Any], ...] = (self._seconds, self._hops, self._broke)
        for kept in everything:
            for second in [one for one in kept if one < last]:
                del kept[second]

    def course(self, now_ns: int) -> list[Answered]:
        """The last minute, second by second, without the one that is not over."""
        now = now_ns // SECOND_NS
        return [self._seconds.get(one) or Answered() for one in range(now - SHOWN_S, now)]

    def recent(self, now_ns: int) -> Answered:
        """The payments of the map's window, added up."""
        found = Answered()
        for one in self.course(now_ns)[-WINDOW_S:]:
            found.payments += one.payments
            found.succeeded += one.succeeded
            found.approved += one.approved
            found.latencies_ns.merge(one.latencies_ns)
        return found

    def window(self, now_ns: int, chain: ChainFacts, on: Sequence[On]) -> Window:
        """The last seconds, for the map."""
        seconds = range(now_ns // SECOND_NS - WINDOW_S, now_ns // SECOND_NS)
        hops: dict[Hop, Carried] = defaultdict(Carried)
        broke: Counter[BrokenAt] = Counter()
        for second in seconds:
            for hop, one in self._hops.get(second, {}).items():
                carried = hops[hop]
                carried.executions += one.executions
                carried.first_tries += one.first_tries
                carried.failed += one.failed
                carried.kept_back += one.kept_back
            broke.update(self._broke.get(second, {}))
        by_hop: Counter[tuple[str, str, str]] = Counter()
        for key, number in broke.items():
            by_hop[key[:3]] += number
        return Window(
            chain,
            [
                HopMeasure(
                    *hop, one.executions, one.first_tries, one.failed, by_hop[hop[:3]], None, None,
                    None, None, one.kept_back,
                )
                for hop, one in sorted(hops.items())
            ],
            [Break(*key, "", [], number, 0, []) for key, number in broke.most_common()],
            on,
            [Whole(self.recent(now_ns).payments)],
        )  # fmt: skip
