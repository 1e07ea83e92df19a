"""From run.db to a verdict, in reading order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from harness.analysis.breaks import breaks
from harness.analysis.course import FEW, Course, Moment, parted
from harness.analysis.fallbacks import fallbacks, quiet_until, risks
from harness.analysis.hops import hop_measures
from harness.analysis.judge import Observed, harness_problems, notes, tolerances, verdict
from harness.analysis.measured import (
    FEW_PAYMENTS,
    Break,
    FallbackMeasure,
    FaultRun,
    HopMeasure,
    Money,
    Phase,
    Recovery,
    Risk,
    Second,
    StoodStill,
    Stopped,
    ToleranceResult,
    Verdict,
)
from harness.analysis.phases import Phases, Punctuality
from harness.analysis.questions import (
    last_event_ns,
    payments_by_hop,
    success_before,
    success_cells,
)
from harness.analysis.reconcile import money
from harness.analysis.standstills import standstills, too_busy
from harness.analysis.store import RunStore
from harness.analysis.timeline import Times, fault_runs, seconds
from harness.model.chain import Chain
from harness.model.experiment import Experiment
from harness.model.tolerance import Limit
from harness.payments.journal import Decision, DecisionKind, HopRecord, PaymentRecord

POINT = 0.01  # success counts as back to normal a point below the baseline
STEADY_S = 10  # seconds in a row that count as recovered


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
    risks: list[Risk]
    recovery: Recovery
    money: Money
    seconds: list[Second]
    planned: int | None  # None: users set the pace
    offered: int  # as the load process says; what was recorded, when it could not say
    recorded: int
    lag_p99_ms: float | None
    lag_max_ms: float | None
    stopped: Stopped | None = None
    stood_still: list[StoodStill] = field(default_factory=list)


def analyse(
    store: RunStore, chain: Chain, experiment: Experiment, *, problems: Sequence[str]
) -> Analysis:
    """Measure and judge a run. `problems`: what went wrong with the harness itself.

    Nothing here holds all rows of a run in memory: rows pass by once, or the database adds up.
    """
    times = Times(**store.meta("timeline"))
    success = Course(success_cells(store), times.load_end_s)
    faults = fault_runs(store, experiment, times)
    baseline = _baseline(store, faults, times)
    faults = [_with_recovery(one, faults, success, baseline, times) for one in faults]
    recovery = _recovery(store, faults, success, baseline, times)
    back_s = None
    if recovery.healed_s is not None and recovery.recovery_s is not None:
        back_s = recovery.healed_s + recovery.recovery_s
    sorted_in, punctuality = Phases(faults, times, back_s), Punctuality(times)
    for payment in store.rows(PaymentRecord):
        sorted_in.add(payment)
        punctuality.add(payment)
    phases = sorted_in.measured()
    by_kind = {one.kind: one for one in phases if one.kind != "fault"}
    broken = breaks(store.broken(), faults)
    over = payments_by_hop(store, int(times.before_start_s * 1e9))
    hops = hop_measures(store.totals(HopRecord), over, broken)
    goal = _goal(experiment, by_kind["before"])
    used = fallbacks(store, faults, by_kind["before"], success, goal, times.load_end_s)
    books = money(store, chain, is_final=bool(store.meta("drained_s")))
    judged = tolerances(experiment, Observed(by_kind, recovery, used, hops, books, faults))
    planned: int | None = store.meta("planned", 0)
    offered = int(store.meta("offered", punctuality.recorded))
    stopped = msgspec.convert(store.meta("stopped"), Stopped | None)
    due, tried = offered if planned is None else planned, faults
    if stopped is not None:  # the rest of the plan was not to be offered any more
        due, tried = offered, [one for one in faults if one.switches]
    still = standstills(store, times.load_start_s, store.meta("drained_s", times.load_end_s))
    all_problems = [
        *problems,
        *harness_problems(due, punctuality, tried, times),
    ]
    result, reasons = verdict(
        judged, books, list(dict.fromkeys(all_problems)), chain.currency, stopped
    )
    busy = too_busy(still, times.load_start_s)
    # Who passes has passed under worse than declared, and money is to be right however slow it is.
    if busy and result is Verdict.FAIL and not any(one.findings for one in books.rules):
        result, reasons = verdict(judged, books, busy, chain.currency, stopped)
    return Analysis(
        result, [*reasons, *notes(faults)], phases, faults, judged, broken, hops, used,
        risks(store, by_kind["all"].approved), recovery, books, seconds(store, times), planned,
        offered, punctuality.recorded, punctuality.p99_ms, punctuality.longest_ms, stopped,
        still,
    )  # fmt: skip


def _baseline(store: RunStore, faults: Sequence[FaultRun], times: Times) -> float | None:
    """Technical success in phase before; None when there were too few payments."""
    first_s = min([times.load_end_s, *(s for one in faults if (s := one.applied_s) is not None)])
    offered, succeeded = success_before(store, int(first_s * 1e9))
    return succeeded / offered if offered >= FEW_PAYMENTS else None


def _goal(experiment: Experiment, before: Phase) -> Moment:
    """The success at which a fallback counts as having taken over: tolerated, or near normal."""
    declared = experiment.tolerances.technical_success
    limit = declared if isinstance(declared, Limit) or declared is None else declared.during
    if limit is not None:
        return limit.bound
    return before.technical_success - POINT if before.technical_success is not None else FEW


def _back_after(from_s: float, until_s: float, success: Course, baseline: float | None) -> Moment:
    if baseline is None:
        return f"{FEW} before the faults"
    return success.steady_after(from_s, until_s, baseline - POINT, STEADY_S)


def _with_recovery(
    fault: FaultRun, faults: Sequence[FaultRun], success: Course, baseline: float | None,
    times: Times,
) -> FaultRun:  # fmt: skip
    """The fault with its own recovery: until the next fault began at the latest."""
    back: Moment = quiet_until(fault, faults, times.load_end_s)
    if not isinstance(back, str):
        back = _back_after(fault.healed_s or 0.0, back, success, baseline)
    numbers, absent = parted(recovery_s=back)
    return msgspec.structs.replace(fault, **numbers, absent=absent)


def _recovery(
    store: RunStore, faults: Sequence[FaultRun], success: Course, baseline: float | None,
    times: Times,
) -> Recovery:  # fmt: skip
    """Back to normal after the last heal of all."""
    on = [one for one in faults if one.applied_s is not None]
    healed_s: float | None = None
    back: Moment = "no faults"
    if any(one.healed_s is None for one in on):
        back = "not healed"
    elif on:
        healed_s = max(one.healed_s or 0.0 for one in on)
        back = _back_after(healed_s, times.load_end_s, success, baseline)
    last_ns = last_event_ns(store)
    drain: Moment = "no payments"
    if last_ns is not None:
        drain = max(0.0, last_ns / 1e9 - times.load_end_s)
    said: dict[str, int] = {}
    for total in store.totals(Decision):
        said[total.alike[2]] = said.get(total.alike[2], 0) + total.n
    numbers, absent = parted(recovery_s=back, drain_s=drain)
    return Recovery(
        healed_s, numbers["recovery_s"], numbers["drain_s"],
        said.get(DecisionKind.REVERSAL_SENT, 0), said.get(DecisionKind.REVERSAL_ACKNOWLEDGED, 0),
        said.get(DecisionKind.REVERSAL_ABANDONED, 0), absent,
    )  # fmt: skip
