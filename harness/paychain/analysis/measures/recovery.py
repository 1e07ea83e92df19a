"""Back to normal: how long after a fault's heal, and after the last heal of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.analysis.measures.measures import MIN_PAYMENTS, FaultRun, Recovery
from paychain.analysis.measures.success_series import (
    TOO_FEW,
    Moment,
    Observation,
    SuccessSeries,
    numbers_and_reasons,
)
from paychain.analysis.measures.timeline import declared_faults
from paychain.analysis.store.queries import (
    last_done,
    last_event_ns,
    reversal_ends,
    success_before,
    success_cells,
)
from paychain.payments.journal import DecisionKind

POINT = 0.01  # success counts as back to normal a point below the baseline
STEADY_S = 10  # seconds in a row that count as recovered
NOT_HEALED = "not healed"
ENDED_EARLY = "the load ended before its last fault"
NOT_DRAINED = "the run ended before its drain"
STILL_FAULTY = "another fault was still active"


@measure("success")
def success(run: MeasuredRun) -> SuccessSeries:
    """Technical success over the run."""
    return SuccessSeries(success_cells(run.store), run.times.load_end_s)


@measure("baseline")
def baseline(run: MeasuredRun) -> float | None:
    """Technical success in phase before; None when there were too few payments."""
    applied_s = [fault.applied_s for fault in run[declared_faults] if fault.applied_s is not None]
    first_s = min([run.times.load_end_s, *applied_s])
    offered, succeeded = success_before(run.store, int(first_s * 1e9))
    return succeeded / offered if offered >= MIN_PAYMENTS else None


@measure("faults")
def faults(run: MeasuredRun) -> list[FaultRun]:
    """Each declared fault with its own recovery: until the next fault began at the latest."""
    return [_with_recovery(run, fault) for fault in run[declared_faults]]


@measure("recovery")
def recovery(run: MeasuredRun) -> Recovery:
    """Back to normal after the last heal of all, and what the drain took and did."""
    on = [fault for fault in run[declared_faults] if fault.applied_s is not None]
    healed_s: float | None = None
    back: Observation = "no faults"
    if any(fault.is_ahead(run.times.load_end_s) for fault in run[declared_faults]):
        back = ENDED_EARLY
    elif any(fault.healed_s is None for fault in on):
        back = NOT_HEALED
    elif on:
        healed_s = max(fault.healed_s or 0.0 for fault in on)
        back = _back_after(run, healed_s, run.times.load_end_s)
    last_ns = last_event_ns(run.store)
    drain: Moment = "no payments"
    if not run.is_drained:
        drain = NOT_DRAINED
    elif last_ns is not None:
        drain = max(0.0, last_ns / 1e9 - run.times.load_end_s)
    ends = Counter(reversal_ends(run.store))
    found = numbers_and_reasons(recovery_s=back, drain_s=drain)
    return Recovery(
        healed_s=healed_s,
        recovery_s=found.values["recovery_s"],
        drain_s=found.values["drain_s"],
        reversals_sent=ends.total(),
        reversals_acknowledged=ends[DecisionKind.REVERSAL_ACKNOWLEDGED],
        reversals_abandoned=ends[DecisionKind.REVERSAL_ABANDONED],
        absent=found.absent,
        at_least=found.at_least,
        last_s={
            what: max(0.0, second - run.times.load_end_s)
            for what, second in last_done(run.store, run.times.load_end_s).items()
        },
    )


def quiet_until(fault: FaultRun, faults: Sequence[FaultRun], end_s: float) -> Moment:
    """Until when no fault was on after this one's heal, or why there was no such time."""
    if fault.healed_s is None:
        return NOT_HEALED
    healed_s, starts_s = fault.healed_s, [end_s]
    for other in faults:
        if other.applied_s is None or other.id == fault.id:
            continue
        if other.applied_s > healed_s:
            starts_s.append(other.applied_s)
        elif other.healed_s is None or other.healed_s > healed_s:
            return STILL_FAULTY
    return min(starts_s)


def _with_recovery(run: MeasuredRun, fault: FaultRun) -> FaultRun:
    until = quiet_until(fault, run[declared_faults], run.times.load_end_s)
    back: Observation = until
    if not isinstance(until, str):
        back = _back_after(run, fault.healed_s or 0.0, until)
    numbers, absent, _ = numbers_and_reasons(recovery_s=back)
    return msgspec.structs.replace(fault, **numbers, absent=absent)


def _back_after(run: MeasuredRun, from_s: float, until_s: float) -> Observation:
    normal = run[baseline]
    if normal is None:
        return f"{TOO_FEW} before the faults"
    return run[success].steady_after(from_s, until_s, normal - POINT, STEADY_S)
