"""Phases, seconds and faults of a run: who was offered what, when, and what became of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.analysis.measured import FEW_PAYMENTS, FaultRun, Phase, Second
from harness.analysis.store import RunStore
from harness.model.experiment import Experiment
from harness.model.fault import Fault
from harness.payments.journal import Decision, DecisionKind, FaultSwitch, PaymentRecord
from harness.payments.outcome import Outcome

POINT = 0.01
STEADY_S = 10  # seconds in a row that count as recovered
FALLBACKS = (
    DecisionKind.FAILOVER, DecisionKind.SKIP, DecisionKind.EXEMPT, DecisionKind.RETRY,
    DecisionKind.DECLINE,
)  # fmt: skip


@dataclass(frozen=True)
class Times:
    """The run's clock in seconds since its epoch."""

    load_start_s: float
    before_start_s: float
    faults_start_s: float
    load_end_s: float


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The value at a share of a sorted list (nearest rank), None when it is too short."""
    if len(ordered) < FEW_PAYMENTS:
        return None
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def success_share(payments: Sequence[PaymentRecord]) -> float | None:
    """Technical success: finally answered within the deadline, of those offered."""
    if len(payments) < FEW_PAYMENTS:
        return None
    return sum(not one.technical for one in payments) / len(payments)


def latency_ms(payment: PaymentRecord) -> float:
    """From the intended start, so that a stalled chain cannot hide its queue."""
    return (payment.ended_ns - payment.intended_ns) / 1e6


def phase(
    name: str,
    kind: str,
    start_s: float,
    end_s: float,
    payments: Iterable[PaymentRecord],
    within: Callable[[PaymentRecord], bool] | None = None,
) -> Phase:
    """The measures of a window's payments: those with their intended start in it, or `within`."""
    inside = within or (lambda one: start_s <= one.intended_ns / 1e9 < end_s)
    offered = [one for one in payments if inside(one)]
    approved = sum(one.outcome is Outcome.APPROVED for one in offered)
    unknown = sum(one.outcome is Outcome.UNKNOWN for one in offered)
    declined = sum(one.outcome is Outcome.DECLINED and not one.technical for one in offered)
    latencies = sorted(map(latency_ms, offered))
    final = approved + declined
    return Phase(
        name, kind, start_s, end_s, len(offered), success_share(offered),
        approved / final if final >= FEW_PAYMENTS else None, approved, declined,
        len(offered) - approved - unknown - declined, unknown,
        sum(one.amount_minor for one in offered),
        sum(one.amount_minor for one in offered if one.technical),
        quantile(latencies, 0.5), quantile(latencies, 0.95), quantile(latencies, 0.99),
        latencies[-1] if latencies else None,
    )  # fmt: skip


def fault_runs(store: RunStore, experiment: Experiment, times: Times) -> list[FaultRun]:
    """Each declared fault as it really was."""
    switches: dict[str, list[FaultSwitch]] = defaultdict(list)
    for switch in store.rows(FaultSwitch):
        switches[switch.fault].append(switch)
    hits = store.meta("fault_hits", {})
    runs = []
    for fault in experiment.faults:
        mine = switches[fault.id]
        applied = [one.effective_ns / 1e9 for one in mine if one.action == "applied"]
        healed = [one.effective_ns / 1e9 for one in mine if one.action == "healed"]
        struck = hits.get(fault.id, {})
        runs.append(
            FaultRun(
                fault.id, fault.kind, str(fault.target),
                "link" if fault.acts_in_link else "hop", in_words(fault),
                times.faults_start_s + fault.at, times.faults_start_s + fault.at + fault.lasts,
                applied[0] if applied else None, healed[-1] if healed else None, len(mine),
                struck.get("hits"), struck.get("unit", ""),
                [one.error for one in mine if one.error],
            )
        )  # fmt: skip
    return runs


def in_words(fault: Fault) -> str:
    """`http_error status 500, share 40 %, on provider cloudflare`."""
    parts = []
    for name, value in fault.parameters:
        if name == "share":
            if value < 1:
                parts.append(f"share {value:.0%}")
        elif name in ("delay", "jitter") or (name == "after" and isinstance(value, float)):
            if value:
                parts.append(f"{name} {value * 1000:g} ms")
        else:
            parts.append(f"{name} {value}")
    shape = ""
    if fault.flapping is not None:
        shape = f", on and off every {fault.flapping.period:g} s"
    return f"{fault.kind} {', '.join(parts)}".strip() + f" on {fault.target}{shape}"


def windows(faults: Sequence[FaultRun], end_s: float) -> list[tuple[float, float]]:
    """When each fault that took effect was on."""
    return [
        (one.applied_s, one.healed_s if one.healed_s is not None else end_s)
        for one in faults
        if one.applied_s is not None
    ]


def recovered_after(
    payments: Sequence[PaymentRecord], healed_s: float, baseline: float, end_s: float
) -> float | None:
    """Seconds from the heal until success stays within a point of the baseline, or None."""
    by_second: dict[int, list[PaymentRecord]] = defaultdict(list)
    for one in payments:
        since_s = one.intended_ns / 1e9 - healed_s
        if since_s >= 0:
            by_second[int(since_s)].append(one)
    streak = 0
    for second in range(int(end_s - healed_s)):
        mine = by_second.get(second, [])
        good = sum(not one.technical for one in mine)
        is_good = bool(mine) and good / len(mine) >= baseline - POINT
        streak = streak + 1 if is_good else 0
        if streak == STEADY_S:
            return float(second + 1 - STEADY_S)
    return None


def seconds(
    payments: Sequence[PaymentRecord], decisions: Iterable[Decision], times: Times
) -> list[Second]:
    """The run second by second."""
    offered: dict[int, list[PaymentRecord]] = defaultdict(list)
    for one in payments:
        offered[int(one.intended_ns / 1e9 - times.load_start_s)].append(one)
    used: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for decision in decisions:
        if decision.kind in FALLBACKS:
            name = f"{decision.link}.{decision.operation} {decision.kind} {decision.target}"
            used[int(decision.at_ns / 1e9 - times.load_start_s)][name.strip()] += 1
    found = []
    for at_s in range(int(times.load_end_s - times.load_start_s) + 1):
        mine = offered.get(at_s, [])
        latencies = sorted(map(latency_ms, mine))
        good = sum(not one.technical for one in mine)
        approved = sum(one.outcome is Outcome.APPROVED for one in mine)
        found.append(
            Second(
                at_s, len(mine), good, approved, good - approved, len(mine) - good,
                quantile(latencies, 0.5), quantile(latencies, 0.95), quantile(latencies, 0.99),
                dict(used.get(at_s, {})),
            )
        )  # fmt: skip
    return found
