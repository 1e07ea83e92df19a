"""How the fallbacks performed: used, useful, how late, at what cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from harness.analysis.measured import FallbackMeasure, FaultRun, Phase
from harness.analysis.timeline import FALLBACKS, POINT, latency_ms, quantile
from harness.payments.journal import Decision, DecisionKind, HopRecord, PaymentRecord

STEADY_S = 5  # seconds in a row that count as failed over or back
BACK_SHARE = 0.9


def fallbacks(
    payments: Sequence[PaymentRecord], hops: Sequence[HopRecord], decisions: Sequence[Decision],
    faults: Sequence[FaultRun], before: Phase, limit: float | None,
) -> list[FallbackMeasure]:  # fmt: skip
    """Every fallback that was used. `limit`: the tolerated success while a fault holds."""
    by_id = {one.payment: one for one in payments}
    uses: dict[tuple[str, str, str], list[Decision]] = defaultdict(list)
    for decision in decisions:
        if decision.kind in FALLBACKS and decision.payment in by_id:
            call = f"{decision.link}.{decision.operation}"
            uses[call, decision.kind, decision.target].append(decision)
    return [
        _measure(key, some, by_id, payments, hops, faults, before, limit)
        for key, some in sorted(uses.items())
    ]


def _measure(
    key: tuple[str, str, str], uses: list[Decision], by_id: dict[str, PaymentRecord],
    payments: Sequence[PaymentRecord], hops: Sequence[HopRecord], faults: Sequence[FaultRun],
    before: Phase, limit: float | None,
) -> FallbackMeasure:  # fmt: skip
    call, kind, target = key
    served = [by_id[name] for name in dict.fromkeys(one.payment for one in uses)]
    saved = [one for one in served if not one.technical]
    lost = [one for one in served if one.technical]
    latencies = sorted(map(latency_ms, served))
    first_s = min(one.at_ns for one in uses) / 1e9
    applied = [one.applied_s for one in faults if one.applied_s is not None]
    causes = [at_s for at_s in applied if at_s <= first_s]
    healed = [one.healed_s for one in faults if one.healed_s is not None]
    detection_s = failover_s = failback_s = None
    if kind == DecisionKind.FAILOVER and causes:
        first_saved = min((one.ended_ns / 1e9 for one in saved), default=None)
        detection_s = first_saved - causes[-1] if first_saved is not None else None
        if healed:
            goal = limit if limit is not None else (before.technical_success or 1.0) - POINT
            failover_s = _steady(payments, causes[-1], max(healed), goal)
            failback_s = _back(hops, call, max(healed))
    p50, p95 = quantile(latencies, 0.5), quantile(latencies, 0.95)
    return FallbackMeasure(
        call, kind, target, len(uses), len(saved),
        len(saved) / len(served) if served else None,
        sum(one.amount_minor for one in saved), sum(one.amount_minor for one in lost),
        p50 - before.p50_ms if p50 is not None and before.p50_ms is not None else None,
        p95 - before.p95_ms if p95 is not None and before.p95_ms is not None else None,
        detection_s, failover_s, failback_s, first_s,
    )  # fmt: skip


def _steady(
    payments: Sequence[PaymentRecord], from_s: float, until_s: float, goal: float
) -> float | None:
    """Seconds until success is at the goal for five seconds in a row before `until_s`."""
    by_second: dict[int, list[bool]] = defaultdict(list)
    for one in payments:
        since_s = one.intended_ns / 1e9 - from_s
        if 0 <= since_s < until_s - from_s:
            by_second[int(since_s)].append(not one.technical)
    return _streak(
        [sum(by_second[s]) / len(by_second[s]) >= goal if by_second[s] else False
         for s in range(int(until_s - from_s))]
    )  # fmt: skip


def _back(hops: Sequence[HopRecord], call: str, healed_s: float) -> float | None:
    """Seconds from the heal until the primary serves at least 90 % for five seconds in a row."""
    caller, _, operation = call.partition(".")
    by_second: dict[int, list[bool]] = defaultdict(list)
    for hop in hops:
        if hop.caller == caller and hop.operation == operation and hop.result.worked:
            since_s = hop.ended_ns / 1e9 - healed_s
            if since_s >= 0:
                by_second[int(since_s)].append(hop.route == 0)
    last = max(by_second, default=-1)
    return _streak(
        [sum(by_second[s]) / len(by_second[s]) >= BACK_SHARE if by_second[s] else False
         for s in range(last + 1)]
    )  # fmt: skip


def _streak(good: list[bool]) -> float | None:
    streak = 0
    for second, is_good in enumerate(good):
        streak = streak + 1 if is_good else 0
        if streak == STEADY_S:
            return float(second + 1 - STEADY_S)
    return None
