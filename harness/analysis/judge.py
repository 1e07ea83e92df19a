"""From measures to a verdict: tolerances and money rules, in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analysis.measured import (
    FallbackMeasure,
    HopMeasure,
    Money,
    Phase,
    Recovery,
    ToleranceResult,
    Verdict,
)
from harness.model.experiment import Experiment
from harness.model.tolerance import Limit, ShareByPhase, TimeByPhase

LAG_LIMIT_MS = 250.0
_PHASES = ("before", "during", "recovery", "after")


def tolerances(
    experiment: Experiment, phases: dict[str, Phase], recovery: Recovery,
    fallbacks: Sequence[FallbackMeasure], hops: Sequence[HopMeasure], money: Money,
) -> list[ToleranceResult]:  # fmt: skip
    """Every declared limit against what was observed."""
    declared = experiment.tolerances
    found = []
    for measure in ("technical_success", "approval_rate"):
        for phase, limit in _by_phase(getattr(declared, measure)):
            observed = getattr(phases[phase], measure) if phase in phases else None
            found.append(_share(measure, phase, limit, observed))
    for short in ("p50", "p95", "p99"):
        for phase, limit in _by_phase(getattr(declared, f"latency_{short}")):
            observed = getattr(phases[phase], f"{short}_ms") if phase in phases else None
            seconds = observed / 1000 if observed is not None else None
            found.append(_time(f"latency_{short}", phase, limit, seconds, "too few payments"))
    failovers = [one for one in fallbacks if one.kind == "failover"]
    times = {
        "recovery": recovery.recovery_s,
        "drain": recovery.drain_s,
        "detection": _worst([one.detection_s for one in failovers]),
        "failover": _worst([one.failover_s for one in failovers]),
        "failback": _worst([one.failback_s for one in failovers]),
    }
    for measure, observed in times.items():
        limit = getattr(declared, measure)
        if limit is not None:
            found.append(_time(measure, "all", limit, observed, "never"))
    if declared.amplification is not None:
        worst = max((one.amplification or 0 for one in hops if one.operation != "void"), default=0)
        passed = declared.amplification.holds(worst)
        found.append(
            ToleranceResult("amplification.all", "amplification", "all",
                            declared.amplification.text, worst, f"{worst:.2f}", "", passed)
        )  # fmt: skip
    counted = {one.rule: one.findings for one in money.rules}
    for measure, rule in (
        ("double_charges", "no_double_charge"),
        ("orphaned_authorisations", "no_orphaned_authorisation"),
    ):
        most = getattr(declared, measure)
        if most is not None:
            passed = counted[rule] <= most
            found.append(
                ToleranceResult(f"{measure}.all", measure, "all", f"<= {most}", counted[rule],
                                str(counted[rule]), "", passed)
            )  # fmt: skip
    return found


def verdict(
    results: Sequence[ToleranceResult], money: Money, problems: Sequence[str], currency: str
) -> tuple[Verdict, list[str]]:
    """The verdict and its reasons, worst first. A fault of the harness is never the chain's."""
    from harness.payments.money import written

    broken = [
        f"{rule.title.lower()}: broken by {rule.findings} payment"
        f"{'s' if rule.findings > 1 else ''}, {written(rule.amount, currency)}"
        for rule in money.rules
        if rule.findings
    ]
    failed = [
        f"{_name(one)} was {one.observed_text} (required {one.required})"
        for one in results
        if one.passed is False and one.measure not in ("double_charges", "orphaned_authorisations")
    ]
    unjudged = [
        f"{_name(one)} could not be judged: {one.observed_text}"
        for one in results
        if one.passed is None
    ]
    if problems:
        return Verdict.INCONCLUSIVE, [*problems, *broken, *failed]
    if broken or failed:
        return Verdict.FAIL, [*broken, *failed, *unjudged]
    if unjudged:
        return Verdict.INCONCLUSIVE, unjudged
    return Verdict.PASS, []


def _name(result: ToleranceResult) -> str:
    phase = {"before": " before the faults", "during": " during the faults",
             "recovery": " in recovery", "after": " after the faults"}  # fmt: skip
    return result.measure.replace("_", " ") + phase.get(result.phase, "")


def _by_phase(declared: Limit | ShareByPhase | TimeByPhase | None) -> list[tuple[str, Limit]]:
    if declared is None:
        return []
    if isinstance(declared, Limit):
        return [("all", declared)]
    return [(name, limit) for name in _PHASES if (limit := getattr(declared, name)) is not None]


def _share(measure: str, phase: str, limit: Limit, observed: float | None) -> ToleranceResult:
    if observed is None:
        return ToleranceResult(f"{measure}.{phase}", measure, phase, limit.text, None,
                               "too few payments", "", None)  # fmt: skip
    passed = limit.holds(observed)
    points = abs(observed - limit.bound) * 100
    margin = f"{points:.1f} points {'to spare' if passed else 'short'}"
    return ToleranceResult(f"{measure}.{phase}", measure, phase, limit.text, observed,
                           f"{observed * 100:.1f} %", margin, passed)  # fmt: skip


def _time(
    measure: str, phase: str, limit: Limit, observed: float | None, absent: str
) -> ToleranceResult:
    name = f"{measure}.{phase}"
    if observed is None:
        # Never recovered is a failure; a latency of too few payments cannot be judged.
        passed = False if absent == "never" else None
        return ToleranceResult(name, measure, phase, limit.text, None, absent, "", passed)
    passed = limit.holds(observed)
    margin = f"{abs(limit.bound - observed):.2f} s {'to spare' if passed else 'over'}"
    text = f"{observed:.1f} s" if observed >= 1 else f"{observed * 1000:.0f} ms"
    return ToleranceResult(name, measure, phase, limit.text, observed, text, margin, passed)


def _worst(values: list[float | None]) -> float | None:
    """The longest time; None (never) when any of them never came."""
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None
