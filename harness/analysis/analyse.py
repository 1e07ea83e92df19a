"""From run.db to a verdict, in reading order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis.breaks import breaks, hop_measures
from harness.analysis.fallbacks import fallbacks
from harness.analysis.judge import LAG_LIMIT_MS, tolerances, verdict
from harness.analysis.measured import (
    Break,
    FallbackMeasure,
    FaultRun,
    HopMeasure,
    Money,
    Phase,
    Recovery,
    Second,
    ToleranceResult,
    Verdict,
)
from harness.analysis.reconcile import money
from harness.analysis.store import RunStore
from harness.analysis.timeline import (
    Times,
    fault_runs,
    phase,
    quantile,
    recovered_after,
    seconds,
    windows,
)
from harness.model.chain import Chain
from harness.model.experiment import Experiment
from harness.model.tolerance import Limit
from harness.payments.journal import Decision, DecisionKind, HopRecord, PaymentRecord


@dataclass(frozen=True)
class Analysis:
    """Everything that result.json says about what happened."""

    verdict: Verdict
    reasons: list[str]
    phases: list[Phase]
    faults: list[FaultRun]
    tolerances: list[ToleranceResult]
    breaks: list[Break]
    hops: list[HopMeasure]
    fallbacks: list[FallbackMeasure]
    recovery: Recovery
    money: Money
    seconds: list[Second]
    offered: int
    recorded: int
    lag_p99_ms: float | None
    lag_max_ms: float | None


def analyse(
    store: RunStore, chain: Chain, experiment: Experiment, *, problems: Sequence[str]
) -> Analysis:
    """Measure and judge a run. `problems`: what went wrong with the harness itself."""
    times = Times(**store.meta("timeline"))
    everything = list(store.rows(PaymentRecord, "intended_ns"))
    payments = [one for one in everything if not one.warm_up]
    counted = {one.payment for one in payments}
    hops = [hop for hop in store.rows(HopRecord) if hop.payment in counted]
    decisions = list(store.rows(Decision))
    faults = fault_runs(store, experiment, times)
    phases = _phases(payments, everything, faults, times)
    named = {one.name: one for one in phases}
    recovery = _recovery(everything, decisions, faults, named["before"], times)
    if recovery.recovery_s is not None and recovery.healed_s is not None:
        back_s = recovery.healed_s + recovery.recovery_s
        after = phase("after", "after", back_s, times.load_end_s, payments)
        phases.append(after)
        named["after"] = after
    broken = breaks(payments, hops, faults)
    measures = hop_measures(hops, broken)
    declared = experiment.tolerances.technical_success
    limit = declared if isinstance(declared, Limit) or declared is None else declared.during
    used = fallbacks(
        payments, hops, decisions, faults, named["before"], limit.bound if limit else None
    )
    books = money(store, chain)
    judged = tolerances(experiment, named, recovery, used, measures, books)
    lags = sorted((one.started_ns - one.intended_ns) / 1e6 for one in everything)
    lag_p99 = quantile(lags, 0.99)
    planned = int(store.meta("planned", 0))
    all_problems = [*problems, *_harness_problems(planned, len(everything), lag_p99, faults)]
    result, reasons = verdict(judged, books, list(dict.fromkeys(all_problems)), chain.currency)
    return Analysis(
        result, reasons, phases, faults, judged, broken, measures, used, recovery, books,
        seconds(everything, decisions, times), planned, len(everything), lag_p99,
        lags[-1] if lags else None,
    )  # fmt: skip


def _harness_problems(
    planned: int, recorded: int, lag_p99_ms: float | None, faults: Sequence[FaultRun]
) -> list[str]:
    found = []
    if planned != recorded:
        found.append(f"{planned} payments were to be offered, {recorded} have a record")
    if lag_p99_ms is not None and lag_p99_ms > LAG_LIMIT_MS:
        found.append(f"the load fell behind its schedule by {lag_p99_ms:.0f} ms (p99)")
    found += [f"fault {one.id} never took effect" for one in faults if one.applied_s is None]
    return found


def _phases(
    payments: Sequence[PaymentRecord], everything: Sequence[PaymentRecord],
    faults: Sequence[FaultRun], times: Times,
) -> list[Phase]:  # fmt: skip
    end_s = times.load_end_s
    on = windows(faults, end_s)
    first_s = min((start for start, _ in on), default=end_s)
    last_s = max((end for _, end in on), default=end_s)

    def touched(one: PaymentRecord) -> bool:
        """In flight while a fault held: one offered just before it is the fault's, too."""
        start_s, done_s = one.intended_ns / 1e9, one.ended_ns / 1e9
        return any(start_s < end and done_s > start for start, end in on)

    def untouched(one: PaymentRecord) -> bool:
        return one.intended_ns / 1e9 < first_s and not touched(one)

    found = [
        phase("all", "all", times.before_start_s, end_s, payments),
        phase("warm-up", "warm_up", times.load_start_s, times.before_start_s, everything),
        phase("before", "before", times.before_start_s, first_s, payments, untouched),
    ]
    if on:
        found.append(phase("during", "during", first_s, last_s, payments, touched))
        found.append(phase("recovery", "recovery", last_s, end_s, payments))
    for one in faults:
        if one.applied_s is not None:
            until_s = one.healed_s if one.healed_s is not None else end_s
            found.append(phase(one.id, "fault", one.applied_s, until_s, payments))
    return found


def _recovery(
    payments: Sequence[PaymentRecord], decisions: Sequence[Decision],
    faults: Sequence[FaultRun], before: Phase, times: Times,
) -> Recovery:  # fmt: skip
    healed = [one.healed_s for one in faults if one.healed_s is not None]
    healed_s = max(healed, default=None)
    back_s = None
    if healed_s is not None and before.technical_success is not None:
        back_s = recovered_after(payments, healed_s, before.technical_success, times.load_end_s)
    said = [one.kind for one in decisions]
    last_ns = max((one.ended_ns for one in payments), default=None)
    drain_s = max(0.0, last_ns / 1e9 - times.load_end_s) if last_ns is not None else None
    return Recovery(
        healed_s, back_s, drain_s, said.count(DecisionKind.REVERSAL_SENT),
        said.count(DecisionKind.REVERSAL_ACKNOWLEDGED),
        said.count(DecisionKind.REVERSAL_ABANDONED),
    )  # fmt: skip
