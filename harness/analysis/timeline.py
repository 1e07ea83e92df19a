"""When a run's faults really held, and the run second by second."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.analysis.aggregates import Total
from harness.analysis.fallback_kinds import FALLBACKS
from harness.analysis.histogram import Histogram
from harness.analysis.hits import hop_hits
from harness.analysis.measured import FaultRun, Second, millis
from harness.analysis.store import RunStore
from harness.model.experiment import Experiment
from harness.model.fault import Fault
from harness.payments.journal import Decision, FaultSwitch, PaymentRecord
from harness.payments.outcome import Outcome

CHANGE_S = 0.1  # a fault that is off for less was only changed, step by step


@dataclass(frozen=True)
class Times:
    """The run's clock in seconds since its epoch."""

    load_start_s: float
    before_start_s: float
    faults_start_s: float
    load_end_s: float


def fault_runs(store: RunStore, experiment: Experiment, times: Times) -> list[FaultRun]:
    """Each declared fault as it really was."""
    switches: dict[str, list[FaultSwitch]] = defaultdict(list)
    for switch in store.rows(FaultSwitch):
        switches[switch.fault].append(switch)
    on_hops, in_links = hop_hits(store, experiment), store.meta("fault_hits")
    runs = []
    for fault in experiment.faults:
        mine = switches[fault.id]
        worked = [one for one in mine if not one.error]
        applied = [one.effective_ns / 1e9 for one in worked if one.action == "applied"]
        is_off = bool(worked) and worked[-1].action == "healed"
        hits = on_hops.get(fault.id)
        if fault.acts_in_link and in_links is not None:
            hits = in_links.get(fault.id, 0)
        runs.append(
            FaultRun(
                fault.id, fault.kind, str(fault.target),
                "link" if fault.acts_in_link else "hop", in_words(fault),
                times.faults_start_s + fault.at, times.faults_start_s + fault.at + fault.lasts,
                applied[0] if applied else None,
                worked[-1].effective_ns / 1e9 if is_off else None, len(mine),
                hits, "requests" if fault.acts_in_link else "connections",
                [one.error for one in mine if one.error], spans_of(worked),
            )
        )  # fmt: skip
    return runs


def spans_of(switches: Sequence[FaultSwitch]) -> list[tuple[float, float | None]]:
    """When a fault was on, in seconds; a change of its strength in between is no break."""
    spans: list[tuple[float, float | None]] = []
    for switch in switches:
        at_s = switch.effective_ns / 1e9
        if switch.action != "applied":
            if spans and spans[-1][1] is None:
                spans[-1] = (spans[-1][0], at_s)
        elif spans and (until_s := spans[-1][1]) is not None and at_s - until_s < CHANGE_S:
            spans[-1] = (spans[-1][0], None)
        elif not spans or spans[-1][1] is not None:
            spans.append((at_s, None))
    return spans


def in_words(fault: Fault) -> str:
    """`http_error status 500, share 40 %, on provider cloudflare`."""
    parts = []
    for name, value in fault.parameters:
        if value is None or value is False:
            continue
        if name == "share":
            if value < 1:
                parts.append(f"share {value:.0%}")
        elif name in ("delay", "jitter") or (name == "after" and isinstance(value, float)):
            if value:
                parts.append(f"{name} {value * 1000:g} ms")
        else:
            parts.append(f"{name} {value}")
    shape = f", {fault.shape}" if fault.shape is not None else ""
    return f"{fault.kind} {', '.join(parts)}".strip() + f" on {fault.target}{shape}"


def seconds(store: RunStore, times: Times) -> list[Second]:
    """The run second by second: payments by their intended start, fallbacks by their own time."""
    used: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for total in store.totals(Decision):
        link, operation, kind, target = total.alike
        if kind in FALLBACKS:
            used[total.second][f"{link}.{operation} {kind} {target}".strip()] += total.n
    offered = {
        second: _second(second, list(some), used[second])
        for second, some in groupby(store.totals(PaymentRecord), lambda total: total.second)
    }
    return [
        offered.get(at_s) or _second(at_s, [], used[at_s])
        for at_s in range(int(times.load_end_s - times.load_start_s) + 1)
    ]


def _second(at_s: int, totals: Sequence[Total], used: dict[str, int]) -> Second:
    latencies = Histogram()
    good = approved = 0
    for total in totals:
        _, outcome, technical = total.alike
        latencies.merge(total.latencies_ns)
        good += 0 if technical else total.n
        approved += total.n if outcome == Outcome.APPROVED else 0
    p50, p95, p99 = millis(latencies, 0.5, 0.95, 0.99)
    offered = latencies.total
    return Second(
        at_s, offered, good, approved, good - approved, offered - good, p50, p95, p99, dict(used)
    )
