"""From measures to a verdict: tolerances and money rules, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.course import FEW, NEVER, Moment, longest
from harness.analysis.fallback_kinds import FALLBACKS
from harness.analysis.measured import (
    FallbackMeasure,
    FaultResponse,
    FaultRun,
    HopMeasure,
    Money,
    Phase,
    Recovery,
    Stopped,
    ToleranceResult,
    Verdict,
)
from harness.analysis.phases import Punctuality
from harness.analysis.timeline import Times
from harness.model.experiment import Experiment
from harness.model.tolerance import Limit, ShareByPhase, TimeByPhase
from harness.payments.journal import ASIDE, DecisionKind
from harness.payments.money import written

LAG_LIMIT_MS = 250.0  # arrivals this late (p99) are not the load that was declared
_PHASES = ("before", "during", "recovery", "after")
_COUNTS = {
    "double_charges": "no_double_charge", "orphaned_authorisations": "no_orphaned_authorisation"
}  # fmt: skip


@dataclass(frozen=True)
class Observed:
    """What the tolerances are judged by. `phases` by their kinds, without those of the faults."""

    phases: Mapping[str, Phase]
    recovery: Recovery
    fallbacks: Sequence[FallbackMeasure]
    hops: Sequence[HopMeasure]
    money: Money
    faults: Sequence[FaultRun]


def tolerances(experiment: Experiment, seen: Observed) -> list[ToleranceResult]:
    """Every declared limit against what was observed."""
    declared = experiment.tolerances
    found = []
    for measure in ("technical_success", "approval_rate"):
        for phase, limit in _by_phase(getattr(declared, measure)):
            observed = getattr(seen.phases[phase], measure) if phase in seen.phases else None
            found.append(_share(measure, phase, limit, observed))
    for short in ("p50", "p95", "p99"):
        for phase, limit in _by_phase(getattr(declared, f"latency_{short}")):
            millis = getattr(seen.phases[phase], f"{short}_ms") if phase in seen.phases else None
            took: Moment = millis / 1000 if millis is not None else FEW
            found.append(_time(f"latency_{short}", phase, limit, took))
    for measure, moment in _moments(seen).items():
        limit = getattr(declared, measure)
        if limit is not None:
            found.append(_time(measure, "all", limit, moment))
    if declared.amplification is not None:
        known = [
            one.amplification
            for one in seen.hops
            if one.amplification is not None and one.operation not in ASIDE
        ]
        found.append(_number("amplification", declared.amplification, max(known, default=None)))
    rules = {one.rule: one for one in seen.money.rules}
    for measure, rule in _COUNTS.items():
        most = getattr(declared, measure)
        if most is None:
            continue
        if rules[rule].is_judged:
            found.append(_count(measure, most, rules[rule].findings))
        else:
            found.append(_unjudged(measure, "all", f"<= {most}", "not all was final"))
    return found


def harness_problems(
    planned: int, punctuality: Punctuality, faults: Sequence[FaultRun], times: Times
) -> Iterator[str]:
    """What makes a run inconclusive: it was not the experiment that was declared.

    `planned`: payments that were to be offered; of a run that was stopped, until then.
    """
    lag_ms = punctuality.p99_ms
    if lag_ms is not None and lag_ms > LAG_LIMIT_MS:
        lasts_s = times.load_end_s - times.load_start_s
        yield (
            f"the load fell behind its schedule by {lag_ms:.0f} ms (p99, limit "
            f"{LAG_LIMIT_MS:.0f} ms): {punctuality.rate_reached:.1f} payments/s were reached, "
            f"{planned / lasts_s:.1f} were to be offered"
        )
    if planned != punctuality.recorded:
        yield f"{planned} payments were to be offered, {punctuality.recorded} have a record"
    yield from (f"fault {one.id} never took effect" for one in faults if one.applied_s is None)


def notes(faults: Sequence[FaultRun]) -> list[str]:
    """What a reader must know although it decides nothing."""
    return [
        f"fault {one.id} was on but met no traffic: what it does to the chain was not tried"
        for one in faults
        if one.applied_s is not None and one.hits == 0
    ]


def verdict(
    results: Sequence[ToleranceResult], money: Money, problems: Sequence[str], currency: str,
    stopped: Stopped | None = None,
) -> tuple[Verdict, list[str]]:  # fmt: skip
    """The verdict and its reasons, worst first. A fault of the harness is never the chain's.

    A run that was stopped never passes: it fails by what it broke until then, and otherwise
    nobody knows what it would have broken.
    """
    why = [stopped.sentence] if stopped is not None else []
    broken = [
        f"{rule.title.lower()}: broken by {rule.findings} payment"
        f"{'s' if rule.findings > 1 else ''}, {written(rule.amount, currency)}"
        for rule in money.rules
        if rule.findings
    ]
    failed = [
        f"{_name(one)} was {one.observed_text} (required {one.required})"
        for one in results
        if one.passed is False and one.measure not in _COUNTS
    ]
    unjudged = [
        f"{_name(one)} could not be judged: {one.observed_text}"
        for one in results
        if one.passed is None
    ]
    if problems:
        return Verdict.INCONCLUSIVE, [*problems, *why, *broken, *failed]
    if broken or failed:
        return Verdict.FAIL, [*why, *broken, *failed, *unjudged]
    if why or unjudged:
        return Verdict.INCONCLUSIVE, [*why, *unjudged]
    return Verdict.PASS, []


def _moments(seen: Observed) -> dict[str, Moment]:
    """Times that are judged over the whole run; of several fallbacks and faults the longest."""
    standbys = [
        one
        for one in seen.fallbacks
        if FALLBACKS[DecisionKind(one.kind)].stands_in and one.responses
    ]
    found = {
        "recovery": _moment(seen.recovery, "recovery_s"),
        "drain": _moment(seen.recovery, "drain_s"),
    }
    for measure in ("detection", "failover", "failback"):
        responses = [response for one in standbys for response in one.responses]
        found[measure] = longest(_moment(one, f"{measure}_s") for one in responses)
    during = seen.phases.get("during")
    if not standbys and during is not None and during.technical + during.unknown:
        # Payments broke and nothing took over: that is an answer, not a missing one.
        found |= {"detection": NEVER, "failover": NEVER}
    return found


def _moment(part: Recovery | FaultResponse, name: str) -> Moment:
    value: float | None = getattr(part, name)
    return value if value is not None else part.absent.get(name, NEVER)


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
        return _unjudged(measure, phase, limit.text, FEW)
    passed = limit.holds(observed)
    points = abs(observed - limit.bound) * 100
    margin = f"{points:.1f} points {'to spare' if passed else 'short'}"
    return ToleranceResult(f"{measure}.{phase}", measure, phase, limit.text, observed,
                           f"{observed * 100:.1f} %", margin, passed)  # fmt: skip


def _time(measure: str, phase: str, limit: Limit, observed: Moment) -> ToleranceResult:
    if isinstance(observed, str):
        # Never is a failure; what could not be seen cannot be judged.
        return _unjudged(measure, phase, limit.text, observed)
    passed = limit.holds(observed)
    margin = f"{abs(limit.bound - observed):.2f} s {'to spare' if passed else 'over'}"
    text = f"{observed:.1f} s" if observed >= 1 else f"{observed * 1000:.0f} ms"
    return ToleranceResult(f"{measure}.{phase}", measure, phase, limit.text, observed, text,
                           margin, passed)  # fmt: skip


def _number(measure: str, limit: Limit, observed: float | None) -> ToleranceResult:
    if observed is None:
        return _unjudged(measure, "all", limit.text, FEW)
    passed = limit.holds(observed)
    margin = f"{abs(limit.bound - observed):.2f} {'to spare' if passed else 'over'}"
    return ToleranceResult(f"{measure}.all", measure, "all", limit.text, observed,
                           f"{observed:.2f}", margin, passed)  # fmt: skip


def _count(measure: str, most: int, observed: int) -> ToleranceResult:
    passed = observed <= most
    margin = f"{abs(most - observed)} {'to spare' if passed else 'too many'}"
    if observed == most:
        margin = ""
    return ToleranceResult(f"{measure}.all", measure, "all", f"<= {most}", observed, str(observed),
                           margin, passed)  # fmt: skip


def _unjudged(measure: str, phase: str, required: str, words: str) -> ToleranceResult:
    passed = False if words == NEVER else None
    return ToleranceResult(f"{measure}.{phase}", measure, phase, required, None, words, "", passed)
