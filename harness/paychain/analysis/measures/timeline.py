"""When the faults of a run really held, and the run second by second."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from paychain.analysis.measures.fallback_kinds import FALLBACKS
from paychain.analysis.measures.histogram import Histogram
from paychain.analysis.measures.hits import fault_hits
from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.analysis.measures.measures import (
    MIN_PAYMENTS,
    FaultRun,
    LatencyBin,
    Second,
    millis,
)
from paychain.analysis.measures.windows import by_fault
from paychain.analysis.store.aggregates import Total
from paychain.faults.fault import Fault
from paychain.model.places import links_of
from paychain.payments.journal import Decision, FaultSwitch, PaymentRecord
from paychain.payments.outcome import Outcome

_OF_BYTES = ("rate", "size", "after")
CHANGE_S = 0.1  # a fault that is off for less only changed its strength


@measure("declared faults")
def declared_faults(run: MeasuredRun) -> list[FaultRun]:
    """Each declared fault as it really was, in declared order; None where it never took effect."""
    switches = by_fault(run.store.rows(FaultSwitch))
    hits = fault_hits(
        run.store,
        run.chain,
        run.experiment,
        run.facts.fault_hits,
        has_dropped=run.facts.engine_events_dropped > 0,
    )
    timeline_s = run.times.faults_start_s
    runs = []
    for fault in run.experiment.faults:
        mine = switches[fault.id]
        worked = [switch for switch in mine if not switch.error]
        applied = [switch.effective_ns / 1e9 for switch in worked if switch.action == "applied"]
        is_off = bool(worked) and worked[-1].action == "healed"
        runs.append(
            FaultRun(
                id=fault.id,
                kind=fault.kind,
                target=fault.where,
                place="link" if fault.acts_in_link else "hop",
                text=in_words(fault),
                planned_s=timeline_s + fault.at,
                planned_heal_s=timeline_s + fault.at + fault.lasts,
                applied_s=applied[0] if applied else None,
                healed_s=worked[-1].effective_ns / 1e9 if is_off else None,
                switches=len(mine),
                hits=hits[fault.id],
                hits_unit="requests" if fault.acts_in_link else "connections",
                errors=[switch.error for switch in mine if switch.error],
                spans=spans_of(worked),
                links=links_of(run.chain, fault),
                may_miss=fault.may_miss,
            )
        )
    return runs


def spans_of(switches: Sequence[FaultSwitch]) -> list[tuple[float, float | None]]:
    """When a fault was on, in seconds; None as an end: until the end of the run.

    A fault that changes its strength (a ramp) is taken off and put on again within CHANGE_S: its
    span goes on.
    """
    spans: list[tuple[float, float | None]] = []
    for switch in switches:
        at_s = switch.effective_ns / 1e9
        # There are three cases: the fault ends, changes its strength, or begins.
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
    plain = fault.parameters.model_dump(mode="json")
    for name, value in fault.parameters:
        if value is None or value is False:
            continue
        if name == "share":
            if value < 1:
                parts.append(f"share {value:.0%}")
        elif name == "rate" and isinstance(value, float):
            parts.append(f"rate {value:g}/s")
        elif name in _OF_BYTES and isinstance(value, int):
            size = f"{value / 1000:g} kB" if value >= 1000 else f"{value} B"
            parts.append(f"{name} {size}{'/s' if name == 'rate' else ''}")
        elif name in ("delay", "jitter", "retry_after") or (
            name == "after" and isinstance(value, float)
        ):
            if value:
                parts.append(f"{name} {value * 1000:g} ms")
        else:
            parts.append(f"{name} {_listed(plain[name])}".removesuffix(" True"))
    shape = f", {fault.shape}" if fault.shape is not None else ""
    return f"{fault.kind} {', '.join(parts)}".strip() + f" on {fault.where}{shape}"


def _listed(value: Any) -> str:
    """A value as a sentence has it: `schemes visa, amex` of a mapping, `1, 3` of a list."""
    if isinstance(value, Mapping):
        return " and ".join(f"{key} {_listed(inner)}" for key, inner in value.items() if inner)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@measure("seconds")
def seconds(run: MeasuredRun) -> list[Second]:
    """The run second by second from the start of the load, seconds without payments included.

    Payments count by their intended start, fallbacks by their own time.
    """
    used: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for total in run.store.totals(Decision):
        link, operation, kind, target = total.alike
        if kind in FALLBACKS:
            used[total.second][f"{link}.{operation} {kind} {target}".strip()] += total.n
    offered = {
        second: _second(second, list(totals), used[second])
        for second, totals in groupby(run.store.totals(PaymentRecord), lambda total: total.second)
    }
    # A customer who orders again may do so after the load: that payment is in the run, too.
    lasts_s = max(int(run.times.load_end_s - run.times.load_start_s), *offered, 0)
    return [offered.get(at_s) or _second(at_s, [], used[at_s]) for at_s in range(lasts_s + 1)]


@measure("latencies")
def latencies(run: MeasuredRun) -> list[LatencyBin]:
    """Latencies over the run, in bins of whole seconds with enough payments each.

    At 20 payments per second or more every second is a bin. The last bin takes what is left over;
    a run with too few payments has none.
    """
    return binned(
        (second, [total.latencies_ns for total in totals])
        for second, totals in groupby(run.store.totals(PaymentRecord), lambda total: total.second)
    )


def binned(seconds: Iterable[tuple[int, Iterable[Histogram]]]) -> list[LatencyBin]:
    """The bins of seconds with their latencies, in order of time."""
    bins: list[tuple[int, int, Histogram]] = []
    begun_s, collected = None, Histogram()
    for at_s, parts in seconds:
        begun_s = at_s if begun_s is None else begun_s
        for part in parts:
            collected.merge(part)
        if collected.total >= MIN_PAYMENTS:
            bins.append((begun_s, at_s + 1, collected))
            begun_s, collected = None, Histogram()
        else:
            end_s = at_s + 1
    if begun_s is not None and bins:
        from_s, _, last = bins[-1]
        last.merge(collected)
        bins[-1] = (from_s, end_s, last)
    found = []
    for from_s, to_s, histogram in bins:
        p50, p95, p99 = millis(histogram, 0.5, 0.95, 0.99)
        found.append(LatencyBin(from_s=from_s, to_s=to_s, p50_ms=p50, p95_ms=p95, p99_ms=p99))
    return found


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
        at_s=at_s,
        offered=offered,
        succeeded=good,
        approved=approved,
        declined=good - approved,
        broke=offered - good,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        fallbacks=dict(used),
    )
