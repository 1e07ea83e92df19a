"""What a run has seen so far, as metrics of Prometheus, while it goes on.

Every series has the labels of its run, so that those of several runs never are one. The number of
series is bounded by the chain: links, hops and faults that are declared, and fixed words.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from paychain.payments.journal import Decision, DecisionKind, HopRecord, PaymentRecord, Record
from paychain.processes.prometheus import escaped
from paychain.runs.follower import Look, RunFollower
from paychain.runs.spec import RunSpec

# Upper ends in seconds: from an answer of a mock to a customer who has left.
BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
MAX_HOPS = 10_000  # label sets; a chain of 100 links has fewer
_STATES = {
    DecisionKind.BREAKER_OPENED: "open",
    DecisionKind.BREAKER_HALF_OPEN: "half_open",
    DecisionKind.BREAKER_CLOSED: "closed",
}
Labels = tuple[str, ...]  # the values, in the order of the family's names


class Family(NamedTuple):
    """One metric: its type, its help and the names of its labels."""

    kind: str
    help: str
    labels: tuple[str, ...] = ()


_HOP = ("caller", "operation", "callee")
FAMILIES = {
    "paychain_live_payments_total": Family(
        "counter", "Payments that ended, by outcome for the customer.", ("outcome", "technical")
    ),
    "paychain_live_payment_seconds": Family(
        "histogram", "Time from the intended start of a payment to its answer."
    ),
    "paychain_live_calls_total": Family(
        "counter", "Calls that ended, by hop and result.", (*_HOP, "result")
    ),
    "paychain_live_call_seconds_total": Family(
        "counter", "Total time that the calls of a hop took.", _HOP
    ),
    "paychain_live_fault_active": Family(
        "gauge", "1 while a declared fault is applied, otherwise 0.", ("fault",)
    ),
    "paychain_live_breaker_state": Family(
        "gauge",
        "1 for the state of a breaker, 0 for the others; a breaker that never opened has none.",
        ("caller", "operation", "callee", "state"),
    ),
    "paychain_live_decisions_total": Family(
        "counter", "Decisions of links and policies, by kind.", ("link", "kind")
    ),
    "paychain_live_load_seconds": Family("gauge", "Time since the load began."),
    "paychain_live_phase": Family("gauge", "1 for the phase that the run is in.", ("phase",)),
}


class LiveMetrics(RunFollower):
    """Counts a run's records. `labels`: what tells its runs from others, by name.

    `faults`: the ids of those it declares; None: they come by hand.

    Records come from one thread, and the text is read by others.
    """

    def __init__(self, labels: Mapping[str, str], faults: Iterable[str] | None) -> None:
        self._labels, self._run = labels, ""
        self._lock = threading.Lock()
        self._payments: Counter[Labels] = Counter()
        self._buckets = [0] * (len(BUCKETS_S) + 1)
        self._seconds = 0.0
        self._calls: Counter[Labels] = Counter()
        self._call_ns: Counter[Labels] = Counter()
        self._is_by_hand = faults is None
        self._faults = dict.fromkeys(faults or (), False)
        self._breakers: dict[Labels, str] = {}
        self._decisions: Counter[Labels] = Counter()
        self._load_s: float | None = None
        self._phase = ""

    @classmethod
    def of(cls, spec: RunSpec) -> LiveMetrics:
        """For a run of this spec."""
        chain, experiment = spec.chain.model, spec.experiment.model
        labels = {
            "chain": chain.chain,
            "experiment": experiment.experiment,
            "seed": str(spec.seed),
        }
        return cls(labels, (fault.id for fault in experiment.faults))

    def begin(self, folder: Path) -> None:
        """From here on there is something to read, of the run in this folder."""
        labels = {**self._labels, "run": folder.name}
        with self._lock:
            self._run = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())

    def add(self, records: Iterable[Record]) -> None:
        """Count new records."""
        with self._lock:
            for record in records:
                if isinstance(record, PaymentRecord):
                    self._pay(record)
                elif isinstance(record, HopRecord):
                    self._call(record)
                elif isinstance(record, Decision):
                    self._decide(record)

    def look(self, look: Look) -> None:
        """Note how far the load has come, its phase, and which faults are active."""
        with self._lock:
            self._load_s, self._phase = look.load_s, look.phase
            on = set(look.faults)
            if self._is_by_hand:  # those that are healed stay, as 0
                self._faults.update(dict.fromkeys(look.faults, True))
            # One that repeats is told apart by a number: it is the declared fault all the same.
            self._faults = {fault: fault in on for fault in self._faults}

    def _pay(self, record: PaymentRecord) -> None:
        technical = "true" if record.technical else "false"
        self._payments[str(record.outcome), technical] += 1
        seconds = (record.ended_ns - record.intended_ns) / 1e9
        self._buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self._seconds += seconds

    def _call(self, record: HopRecord) -> None:
        hop = record.caller, record.operation, record.callee
        if hop not in self._call_ns and len(self._call_ns) >= MAX_HOPS:
            return
        self._calls[*hop, str(record.result)] += 1
        self._call_ns[hop] += record.ended_ns - record.started_ns

    def _decide(self, record: Decision) -> None:
        self._decisions[record.link, str(record.kind)] += 1
        state = _STATES.get(record.kind)
        if state is not None:
            self._breakers[record.link, record.operation, record.target] = state

    def text(self) -> str:
        """All of it, in Prometheus' text format."""
        with self._lock:
            if not self._run:
                return ""
            return "".join(
                line for name in FAMILIES for line in self._lines(name, list(self._samples(name)))
            )

    def _samples(self, name: str) -> Iterator[tuple[Labels, float]]:
        match name.removeprefix("paychain_live_"):
            case "payments_total":
                yield from self._payments.items()
            case "calls_total":
                yield from self._calls.items()
            case "call_seconds_total":
                yield from ((hop, ns / 1e9) for hop, ns in self._call_ns.items())
            case "fault_active":
                yield from (((fault,), float(is_on)) for fault, is_on in self._faults.items())
            case "breaker_state":
                for breaker, current in self._breakers.items():
                    for state in _STATES.values():
                        yield (*breaker, state), float(state == current)
            case "decisions_total":
                yield from self._decisions.items()
            case "load_seconds":
                yield from [((), self._load_s)] if self._load_s is not None else []
            case "phase":
                yield from [((self._phase,), 1.0)] if self._phase else []

    def _lines(self, name: str, samples: list[tuple[Labels, float]]) -> Iterator[str]:
        family = FAMILIES[name]
        if not samples and family.kind != "histogram":
            return
        yield f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n"
        if family.kind == "histogram":
            yield from self._histogram(name)
        for labels, value in samples:
            pairs = zip(family.labels, labels, strict=True)
            own = "".join(f',{key}="{escaped(text)}"' for key, text in pairs)
            yield f"{name}{{{self._run}{own}}} {value:.15g}\n"

    def _histogram(self, name: str) -> Iterator[str]:
        ends = [*(f"{end:g}" for end in BUCKETS_S), "+Inf"]
        counts = list(accumulate(self._buckets))
        for end, count in zip(ends, counts, strict=True):
            yield f'{name}_bucket{{{self._run},le="{end}"}} {count}\n'
        yield f"{name}_sum{{{self._run}}} {self._seconds:.15g}\n"
        yield f"{name}_count{{{self._run}}} {counts[-1]}\n"
