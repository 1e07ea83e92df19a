"""Each declared limit against its measure: kept, broken, or not to be judged, and in what words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from paychain.analysis.measures.fallback_kinds import FALLBACKS
from paychain.analysis.measures.measures import (
    FallbackMeasure,
    FaultResponse,
    HopMeasure,
    MoneyMeasure,
    Phase,
    Recovery,
    ToleranceResult,
)
from paychain.analysis.measures.phases import PHASE_PHRASES
from paychain.analysis.measures.success_series import (
    NEVER,
    TOO_FEW,
    NotYet,
    Observation,
    longest,
)
from paychain.declaration.quantity import count, seconds_text
from paychain.model.experiment import Experiment
from paychain.model.tolerance import Limit, ShareByPhase, TimeByPhase
from paychain.payments.journal import ASIDE, DecisionKind

# Tolerances that count the findings of a money rule.
COUNTS = {
    "double_charges": "no_double_charge",
    "orphaned_authorisations": "no_orphaned_authorisation",
}
NOT_FINAL = "the run ended before the last answer and reversal arrived"
MAX_DIGITS = 6  # of a measured value after the point, where fewer would contradict the verdict
_AT_MOST = ("<=", "<")  # comparisons that a larger value cannot satisfy once a smaller one does not


@dataclass(frozen=True, kw_only=True)
class JudgedMeasures:
    """What the tolerances are judged by. `phases` are by kind, without those of single faults.

    `waited_s`: from the end of the load to the end of the drain, None when it did not get there.
    `spared_s`: how much shorter every time would have been at best, without stalls of the machine.
    """

    phases: Mapping[str, Phase]
    recovery: Recovery
    fallbacks: Sequence[FallbackMeasure]
    hops: Sequence[HopMeasure]
    money: MoneyMeasure
    waited_s: float | None = None
    spared_s: float = 0.0


def tolerances(experiment: Experiment, seen: JudgedMeasures) -> list[ToleranceResult]:
    """Every declared limit against what was observed, in the order of the measures."""
    declared = experiment.tolerances
    results = []
    for measure in ("technical_success", "approval_rate"):
        for phase, limit in _by_phase(getattr(declared, measure)):
            observed = getattr(seen.phases[phase], measure) if phase in seen.phases else None
            results.append(_share(measure, phase, limit, observed))
    for short in ("p50", "p95", "p99"):
        for phase, limit in _by_phase(getattr(declared, f"latency_{short}")):
            millis = getattr(seen.phases[phase], f"{short}_ms") if phase in seen.phases else None
            took: Observation = millis / 1000 if millis is not None else TOO_FEW
            results.append(_time(f"latency_{short}", phase, limit, took))
    for measure, moment in _moments(seen).items():
        limit = getattr(declared, measure)
        if limit is None:
            continue
        if measure == "drain" and seen.money.undecided and seen.waited_s is not None:
            results.append(_longer_than(measure, limit, seen.waited_s))
        else:
            results.append(_time(measure, "all", limit, _sooner(moment, seen.spared_s)))
    if declared.amplification is not None:
        known = [
            hop.amplification
            for hop in seen.hops
            if hop.amplification is not None and hop.operation not in ASIDE
        ]
        results.append(_number("amplification", declared.amplification, max(known, default=None)))
    if declared.completed is not None:
        # What is due may still be done after a run that was cut short.
        if seen.money.uncompleted is None:
            why = seen.money.unjudged or NOT_FINAL
            results.append(_unjudged("completed", "all", declared.completed.text, why))
        else:
            results.append(_completed(declared.completed, seen.money))
    rules = {rule.rule: rule for rule in seen.money.rules}
    for measure, name in COUNTS.items():
        most = getattr(declared, measure)
        if most is None:
            continue
        # A run that was cut short has open authorisations that say nothing yet.
        if rules[name].is_judged:
            results.append(_count(measure, most, rules[name].findings, rules[name].undecided))
        else:
            why = seen.money.unjudged or NOT_FINAL
            results.append(_unjudged(measure, "all", f"<= {most}", why))
    return results


def _moments(seen: JudgedMeasures) -> dict[str, Observation]:
    """Times that are judged over the whole run; of several fallbacks and faults the longest."""
    standbys = [
        fallback
        for fallback in seen.fallbacks
        if FALLBACKS[DecisionKind(fallback.kind)].stands_in and fallback.responses
    ]
    moments = {
        "recovery": _moment(seen.recovery, "recovery_s"),
        "drain": _moment(seen.recovery, "drain_s"),
    }
    for measure in ("detection", "failover", "failback"):
        responses = [response for fallback in standbys for response in fallback.responses]
        moments[measure] = longest(_moment(response, f"{measure}_s") for response in responses)
    during = seen.phases.get("during")
    if not standbys and during is not None and during.technical + during.unknown:
        # Payments broke and nothing took over: that is "never", not "not used".
        moments |= {"detection": NEVER, "failover": NEVER}
    return moments


def _moment(part: Recovery | FaultResponse, name: str) -> Observation:
    value: float | None = getattr(part, name)
    if value is not None:
        return value
    reason = part.absent.get(name, NEVER)
    return NotYet(part.at_least[name], reason) if name in part.at_least else reason


def _sooner(moment: Observation, by_s: float) -> Observation:
    """The same time, without what the machine's stalls took."""
    if isinstance(moment, NotYet):
        return NotYet(max(0.0, moment.at_least_s - by_s), moment.reason)
    return moment if isinstance(moment, str) else max(0.0, moment - by_s)


def _by_phase(declared: Limit | ShareByPhase | TimeByPhase | None) -> list[tuple[str, Limit]]:
    if declared is None:
        return []
    if isinstance(declared, Limit):
        return [("all", declared)]
    return [
        (name, limit) for name in PHASE_PHRASES if (limit := getattr(declared, name)) is not None
    ]


def _share(measure: str, phase: str, limit: Limit, observed: float | None) -> ToleranceResult:
    if observed is None:
        return _unjudged(measure, phase, limit.text, TOO_FEW)
    passed = limit.holds(observed)
    points = abs(observed - limit.bound) * 100
    margin = f"{points:.1f} points {'to spare' if passed else 'short'}"
    return _judged(measure, phase, limit, observed, _percent_text(limit, observed), margin)


def _percent_text(limit: Limit, observed: float) -> str:
    """In percent, with as many digits as it takes to stand on its own side of the limit."""
    digits = next(
        digits
        for digits in range(1, MAX_DIGITS + 1)
        if digits == MAX_DIGITS or limit.holds(round(observed, digits + 2)) == limit.holds(observed)
    )
    return f"{observed * 100:.{digits}f} %"


def _time_text(limit: Limit, observed: float) -> str:
    """As any time, unless that would stand on the other side of the limit."""
    digits = 1 if observed >= 1 else 3
    if limit.holds(round(observed, digits)) == limit.holds(observed):
        return seconds_text(observed)
    return f"{observed * 1000:.{MAX_DIGITS}f}".rstrip("0") + " ms"


def _completed(limit: Limit, money: MoneyMeasure) -> ToleranceResult:
    """A limit that has to come out the same whatever becomes of the payments not decided."""
    result = _share("completed", "all", limit, money.completed)
    least = _share("completed", "all", limit, money.completed_at_least)
    if result.passed == least.passed:
        return result
    words = f"{result.observed_text}, and {count(money.undecided, 'payment')} not decided"
    return _unjudged("completed", "all", limit.text, words)


def _time(measure: str, phase: str, limit: Limit, observed: Observation) -> ToleranceResult:
    if isinstance(observed, NotYet):
        late = _longer_than(measure, limit, observed.at_least_s)
        if late.passed is False:
            return late
        return _unjudged(measure, phase, limit.text, observed.reason)
    if isinstance(observed, str):
        # Never is a failure; what could not be seen cannot be judged.
        return _unjudged(measure, phase, limit.text, observed)
    passed = limit.holds(observed)
    margin = f"{abs(limit.bound - observed):.2f} s {'to spare' if passed else 'over'}"
    return _judged(measure, phase, limit, observed, _time_text(limit, observed), margin)


def _number(measure: str, limit: Limit, observed: float | None) -> ToleranceResult:
    if observed is None:
        return _unjudged(measure, "all", limit.text, TOO_FEW)
    passed = limit.holds(observed)
    margin = f"{abs(limit.bound - observed):.2f} {'to spare' if passed else 'over'}"
    return _judged(measure, "all", limit, observed, f"{observed:.2f}", margin)


def _judged(
    measure: str, phase: str, limit: Limit, observed: float, text: str, margin: str
) -> ToleranceResult:
    """An observed value beside its limit. `text`: the value in words; `margin`: its distance."""
    return ToleranceResult(
        id=f"{measure}.{phase}",
        measure=measure,
        phase=phase,
        required=limit.text,
        observed=observed,
        observed_text=text,
        margin_text=margin,
        passed=limit.holds(observed),
    )


def _longer_than(measure: str, limit: Limit, waited_s: float) -> ToleranceResult:
    """A limit for something that had not happened after `waited_s`."""
    words = f"more than {seconds_text(waited_s)}"
    result = _unjudged(measure, "all", limit.text, words)
    if limit.comparison in _AT_MOST and not limit.holds(waited_s):
        return msgspec.structs.replace(result, passed=False)
    return result


def _count(measure: str, most: int, observed: int, undecided: int) -> ToleranceResult:
    passed = observed <= most
    # Payments that are not decided may only add to what was found.
    if passed and observed + undecided > most:
        words = f"{observed}, and {count(undecided, 'payment')} not decided"
        return _unjudged(measure, "all", f"<= {most}", words)
    margin = f"{abs(most - observed)} {'to spare' if passed else 'too many'}"
    if observed == most:
        margin = ""
    return ToleranceResult(
        id=f"{measure}.all",
        measure=measure,
        phase="all",
        required=f"<= {most}",
        observed=observed,
        observed_text=str(observed),
        margin_text=margin,
        passed=passed,
    )


def _unjudged(measure: str, phase: str, required: str, words: str) -> ToleranceResult:
    passed = False if words == NEVER else None
    return ToleranceResult(
        id=f"{measure}.{phase}",
        measure=measure,
        phase=phase,
        required=required,
        observed=None,
        observed_text=words,
        margin_text="",
        passed=passed,
    )
