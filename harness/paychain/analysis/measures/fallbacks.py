"""How the fallbacks performed: used, useful, how late, and at what cost.

What each number means is defined in docs/measures.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paychain.analysis.measures.fallback_kinds import FALLBACKS, STANDBYS
from paychain.analysis.measures.fallback_tallies import (
    STEADY_S,
    Fallback,
    FallbackTally,
    ResponseTally,
    Tallies,
    tallied,
)
from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.analysis.measures.measures import (
    MIN_PAYMENTS,
    FallbackMeasure,
    FaultResponse,
    FaultRun,
    Phase,
    millis,
)
from paychain.analysis.measures.payments import phases
from paychain.analysis.measures.recovery import POINT, faults, quiet_until, success
from paychain.analysis.measures.success_series import (
    NEVER,
    TOO_FEW,
    Moment,
    Observation,
    SuccessSeries,
    longest,
    numbers_and_reasons,
)
from paychain.analysis.store.queries import calls_with, primary_cells
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.third_parties import lacking
from paychain.model.tolerance import Limit
from paychain.payments.journal import DecisionKind

BACK_SHARE = 0.9  # of a call's payments over the primary again: failed back
NO_FAULT = "no fault was active"
IN_USE = "already in use"


@dataclass(frozen=True, kw_only=True)
class _Against:
    """What every fallback of a run is measured against."""

    chain: Chain
    faults: Sequence[FaultRun]
    before: Phase  # its latencies are the baseline
    success: SuccessSeries  # technical success over the run
    goal: Moment  # the success (of 1) that counts as failed over, or why there is none
    end_s: float  # of the load


@measure("uses of fallbacks")
def uses(run: MeasuredRun) -> Tallies:
    """The uses of every fallback."""
    run.store.index()
    return tallied(run.store.select, list(FALLBACKS), run[faults])


@measure("primaries of fallbacks")
def primaries(run: MeasuredRun) -> dict[tuple[str, str], SuccessSeries]:
    """By call with a standby: the success over time of payments over its primary target."""
    end_s = run.times.load_end_s
    return {
        call: SuccessSeries(primary_cells(run.store, *call, STANDBYS), end_s)
        for call in calls_with(run.store, STANDBYS)
    }


@measure("fallbacks")
def fallbacks(run: MeasuredRun) -> list[FallbackMeasure]:
    """Every fallback that was used, in the order of link, operation, kind and target."""
    (before,) = (phase for phase in run[phases] if phase.kind == "before")
    against = _Against(
        chain=run.chain,
        faults=run[faults],
        before=before,
        success=run[success],
        goal=_goal(run.experiment, before),
        end_s=run.times.load_end_s,
    )
    return [
        _measure(fallback, tally, against, run[primaries])
        for fallback, tally in sorted(run[uses].items())
    ]


def _goal(experiment: Experiment, before: Phase) -> Moment:
    """The success at which a fallback counts as having taken over: tolerated, or near normal."""
    declared = experiment.tolerances.technical_success
    limit = declared if isinstance(declared, Limit) or declared is None else declared.during
    if limit is not None:
        return limit.bound
    return before.technical_success - POINT if before.technical_success is not None else TOO_FEW


def _measure(
    fallback: Fallback,
    tally: FallbackTally,
    against: _Against,
    primaries: Mapping[tuple[str, str], SuccessSeries],
) -> FallbackMeasure:
    facts = FALLBACKS[DecisionKind(fallback.kind)]
    # A retry or a hedge does not take the primary's place, so there is nothing to fail back from.
    primary = primaries.get((fallback.link, fallback.operation)) if facts.stands_in else None
    responses, moments = [], []
    for fault, response in zip(against.faults, tally.responses, strict=True):
        if not response.payments:
            continue
        times = _times(fault, response, against, primary)
        moments.append(times)
        numbers, absent, at_least = numbers_and_reasons(**times)
        responses.append(
            FaultResponse(
                fault=fault.id,
                activations=response.activations,
                payments=response.payments,
                succeeded=response.succeeded,
                **numbers,
                absent=absent,
                at_least=at_least,
            )
        )
    names = ["detection_s", "failover_s", "failback_s"] if facts.stands_in else ["detection_s"]
    worst = {
        name: longest(times[name] for times in moments if name in times) if moments else NO_FAULT
        for name in names
    }
    numbers, absent, _ = numbers_and_reasons(**worst)
    p50_ms, p95_ms = millis(tally.latencies_ns, 0.5, 0.95)
    is_measurable = tally.payments >= MIN_PAYMENTS
    assert tally.succeeded <= tally.payments <= tally.activations
    return FallbackMeasure(
        call=f"{fallback.link}.{fallback.operation}",
        kind=fallback.kind,
        to=fallback.target,
        activations=tally.activations,
        succeeded=tally.succeeded,
        success=tally.succeeded / tally.payments if is_measurable else None,
        amount_saved=tally.amount_saved,
        amount_lost=tally.amount_lost,
        added_p50_ms=_added(p50_ms, against.before.p50_ms),
        added_p95_ms=_added(p95_ms, against.before.p95_ms),
        detection_s=numbers["detection_s"],
        failover_s=numbers.get("failover_s"),
        failback_s=numbers.get("failback_s"),
        first_use_s=tally.first_use_s,
        payments=tally.payments,
        risk=facts.risk_of(lacking(against.chain, fallback.link, fallback.operation)),
        responses=responses,
        absent=absent,
    )


def _times(
    fault: FaultRun, response: ResponseTally, against: _Against, primary: SuccessSeries | None
) -> dict[str, Observation]:
    """Detection of one fault and, where the fallback stands in, failover and fail-back."""
    on_s = fault.applied_s
    assert on_s is not None  # no payment was in flight under a fault that never took effect
    detection: Moment = NEVER
    if response.used_just_before:
        detection = IN_USE
    elif response.first_served_s is not None:
        detection = response.first_served_s - on_s
    if primary is None:
        return {"detection_s": detection}
    off_s = fault.healed_s if fault.healed_s is not None else against.end_s
    failover: Observation = against.goal
    if not isinstance(against.goal, str):
        failover = against.success.steady_after(on_s, off_s, against.goal, STEADY_S)
    # Fail-back is only seen until the next fault begins: that one may need the fallback again.
    until = quiet_until(fault, against.faults, against.end_s)
    failback: Observation = until
    if not isinstance(until, str):
        failback = primary.steady_after(off_s, until, BACK_SHARE, STEADY_S)
    return {"detection_s": detection, "failover_s": failover, "failback_s": failback}


def _added(observed_ms: float | None, baseline_ms: float | None) -> float | None:
    if observed_ms is None or baseline_ms is None:
        return None
    return observed_ms - baseline_ms
