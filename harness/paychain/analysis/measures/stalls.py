"""Stalled processes of the run itself: then the host broke payments, not the chain.

A call is affected by a stall when the stall may be the reason of its failure. There are three ways:

    call      |----- waits -------x timeout        1. stalled for half of its wait or longer
    stall           |=======|
    calls              |--x  |--x   |--x           2. began in a stall of 250 ms or more, or within
    stall     |=============|                         its length after: work piled up meanwhile
    breaker           x|  opened  ----- --- |       3. short-circuited by a breaker that mostly such
                                                      calls opened

A process that a fault froze does not stall: that is the experiment.

A failure that only passes on another one below it is not affected itself, nor is one that a fault
of the experiment explains: the request met it, or the hop was cut at that time. But what a stall
held up until then, and was to be over before the fault was on, met it because of the stall.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from paychain.analysis.measures.explanations import Explanations
from paychain.analysis.measures.frozen import frozen_spans, was_frozen
from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.analysis.measures.measures import StallFacts
from paychain.analysis.store.calls import FailedCall, due_ns, failed_calls, has_failure_below
from paychain.analysis.store.queries import breaker_events
from paychain.analysis.store.store import RunStore
from paychain.model.operations import CUSTOMER
from paychain.payments.journal import DecisionKind, EngineEvent, Stall
from paychain.payments.outcome import HopResult

HALF = 0.5  # of a call's wait: without the stall it would have had twice the time for an answer
RUSH_NS = 250_000_000  # after a stall this long, waiting work arrives at once and may be refused
OPENED_WITHIN_NS = 1_000_000_000  # after a failed call that may have opened a breaker
ENGINE = "fault engine"
CONDUCTOR = "conductor"  # no payment waits for it: its stalls delay switches only, and the drain
_EVENT = "stalls"


Span = tuple[int, int]
"""From and until when (ns)."""
ByProcess = Mapping[tuple[str, bool], Sequence[Stall]]
"""Stalls by the name of their process, and whether it makes payments."""


class StallEffects(NamedTuple):
    """The stalls of a run and what they may have affected.

    `facts`: by process, the most harmful first. `payments`: those with an affected call. `spans`:
    when some process stalled or worked off what had piled up meanwhile, without overlaps.
    """

    facts: list[StallFacts]
    payments: frozenset[str]
    spans: list[Span]

    @property
    def total_s(self) -> float:
        """How long the spans are together, in seconds."""
        return sum(until - since for since, until in self.spans) / 1e9

    def lost_ns(self, from_ns: int, until_ns: int) -> int:
        """How much of a time the spans cover."""
        first = max(0, bisect_right(self.spans, (from_ns, 0)) - 1)
        lost_ns = 0
        for since, until in self.spans[first:]:
            if since >= until_ns:
                break
            lost_ns += max(0, min(until, until_ns) - max(since, from_ns))
        return lost_ns


@measure("stalls")
def stalls(run: MeasuredRun) -> list[StallFacts]:
    """The stalls of each process, the most harmful first."""
    return run[stalled].facts


@measure("stalls of processes")
def by_processes(run: MeasuredRun) -> ByProcess:
    """The stalls from the start of the load to the end of the drain, those of a freeze left out."""
    store, drained_s = run.store, run.facts.drained_s
    from_s = run.times.load_start_s
    until_s = drained_s if drained_s is not None else run.times.load_end_s
    frozen = frozen_spans(store, run.experiment)
    found: dict[tuple[str, bool], list[Stall]] = defaultdict(list)
    for stall in (*store.rows(Stall), *_of_engine(store.rows(EngineEvent))):
        is_in_time = from_s * 1e9 <= stall.from_ns < until_s * 1e9
        if is_in_time and not was_frozen(stall, frozen):
            found[stall.process, stall.pays].append(stall)
    return found


@measure("stalled")
def stalled(run: MeasuredRun) -> StallEffects:
    """The stalls of the run and what they affected.

    Seconds count from the run's epoch. See the module for what an affected call is.
    """
    store, by_process = run.store, run[by_processes]
    processes = [_Process(name, pays, spans) for (name, pays), spans in by_process.items()]
    affected = list(_affected(store, processes, Explanations(store, run.experiment)))
    payments = {call.payment for call in affected} | _short_circuited(store, affected)
    facts = sorted(
        (process.facts() for process in processes),
        key=lambda process: (-process.affected, -process.longest_ms),
    )
    spans = [
        stall for (process, _), its in by_process.items() if process != CONDUCTOR for stall in its
    ]
    return StallEffects(facts, frozenset(payments), _merged(spans))


def _affected(
    store: RunStore, processes: Sequence[_Process], explanations: Explanations
) -> Iterator[FailedCall]:
    """Failed calls that a stall may have made fail; each is counted by its processes."""
    if not processes:
        return
    store.index()
    for call in failed_calls(store):
        stalled_then = [process for process in processes if process.may_affect(call)]
        if not stalled_then or has_failure_below(store, call):
            continue
        since_ns = explanations.since_ns(call)
        if since_ns is not None:
            is_held_up = any(process.rushes(call) for process in stalled_then)
            if not is_held_up or due_ns(store, call.payment) >= since_ns:
                continue
        for process in stalled_then:
            process.affected += 1
        yield call


def _merged(stalls: Iterable[Stall]) -> list[Span]:
    """Stalls with as much time again for what piled up, joined where they overlap."""
    return joined(
        (stall.from_ns, stall.until_ns + (stall.until_ns - stall.from_ns)) for stall in stalls
    )


def joined(spans: Iterable[Span]) -> list[Span]:
    """In order of time, joined where they overlap."""
    joined: list[Span] = []
    for from_ns, until_ns in sorted(spans):
        if joined and from_ns <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], until_ns))
        else:
            joined.append((from_ns, until_ns))
    return joined


def _short_circuited(store: RunStore, affected: Sequence[FailedCall]) -> set[str]:
    """Payments that met a breaker which an affected call may have opened, until it tried again."""
    if not affected:
        return set()
    routes = {call.route for call in affected}
    charged = {call.span for call in affected}
    # Of each route the ends of its failed calls that were sent, and whether a stall affected them.
    ends: dict[tuple[str, str, str], list[tuple[int, bool]]] = defaultdict(list)
    for call in failed_calls(store):
        if call.route in routes and call.result != HopResult.NOT_TRIED:
            ends[call.route].append((call.ended_ns, call.span in charged))
    open_spans: dict[tuple[str, str, str], list[Span]] = defaultdict(list)
    opened_ns: dict[tuple[str, str, str], int] = {}
    for route, kind, at_ns in breaker_events(store):
        if kind == DecisionKind.BREAKER_OPENED:
            # What opened it ended just before. Where a stall affected less than half of that, it
            # would have opened anyway.
            before = [
                was_affected
                for ended_ns, was_affected in ends[route]
                if at_ns - OPENED_WITHIN_NS <= ended_ns <= at_ns
            ]
            if before and sum(before) >= HALF * len(before):
                opened_ns[route] = at_ns
        elif route in opened_ns:
            open_spans[route].append((opened_ns.pop(route), at_ns))
    return {
        call.payment
        for call in failed_calls(store)
        if call.result == HopResult.NOT_TRIED
        and any(since <= call.began_ns <= until for since, until in open_spans[call.route])
    }


def overslept_s(run: MeasuredRun) -> float:
    """How much of the drain, in seconds, the conductor was stalled: it ended later by as much."""
    end_ns = run.times.load_end_s * 1e9
    return sum(
        max(0.0, stall.until_ns - max(stall.from_ns, end_ns)) / 1e9
        for stall in run.store.rows(Stall)
        if stall.process == CONDUCTOR
    )


def _of_engine(events: Iterable[EngineEvent]) -> Iterator[Stall]:
    """The engine reports its stalls as events when they are over; the detail is the length."""
    for event in events:
        if event.kind == _EVENT:
            lasted_ns = round(float(event.detail.split()[0]) * 1e6)
            yield Stall(process=ENGINE, from_ns=event.at_ns - lasted_ns, until_ns=event.at_ns)


class _Process:
    """One process with its stalls, none of which overlaps another.

    Several fault engines are one here: their stalls are joined where they overlap.
    """

    def __init__(self, name: str, pays: bool, stalls: Sequence[Stall]) -> None:
        self._name, self._pays = name, pays
        self._spans = joined((stall.from_ns, stall.until_ns) for stall in stalls)
        self._longest_ns = max(until - since for since, until in self._spans)
        self.affected = 0  # failed calls

    def may_affect(self, call: FailedCall) -> bool:
        """Whether a stall of the process may be why a call failed."""
        began_ns, ended_ns = call.began_ns, call.ended_ns
        stalled_ns = sum(
            max(0, min(ended_ns, until_ns) - max(began_ns, from_ns))
            for from_ns, until_ns in self._near(call)
        )
        # A stalled load process delays customers only: calls between links do not wait for it.
        waits_for_it = call.caller == CUSTOMER or not self._pays
        is_timeout = call.result == HopResult.TIMEOUT and waits_for_it
        is_starved = is_timeout and stalled_ns >= HALF * (ended_ns - began_ns) > 0
        return is_starved or self.rushes(call)

    def rushes(self, call: FailedCall) -> bool:
        """Whether a call began in a long stall of the process, or while what it held up came."""
        return any(
            until_ns - from_ns >= RUSH_NS
            and from_ns <= call.began_ns <= until_ns + (until_ns - from_ns)
            for from_ns, until_ns in self._near(call)
        )

    def _near(self, call: FailedCall) -> Iterator[Span]:
        """The stalls that may reach a call."""
        if self._name == CONDUCTOR:
            return
        # Backwards from the last stall that began before the call ended, until even the longest
        # stall could not reach the call any more.
        for place in range(bisect_right(self._spans, (call.ended_ns, 0)) - 1, -1, -1):
            from_ns, until_ns = self._spans[place]
            if call.began_ns > until_ns + self._longest_ns:
                return
            yield from_ns, until_ns

    def facts(self) -> StallFacts:
        """The stalls and the affected calls in numbers."""
        longest_from_ns, _ = max(self._spans, key=lambda span: span[1] - span[0])
        total_ns = sum(until - since for since, until in self._spans)
        return StallFacts(
            process=self._name,
            times=len(self._spans),
            total_ms=total_ns / 1e6,
            longest_ms=self._longest_ns / 1e6,
            longest_at_s=longest_from_ns / 1e9,
            affected=self.affected,
        )
