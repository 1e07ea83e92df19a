"""From measures to a verdict: tolerances and money rules, in plain sentences.

tolerances()         each declared limit against its measure   → passed, failed, unjudged
excused()            limits that only the stalls of the machine broke → unjudged
harness_problems()   was it the experiment that was declared?
untried()            faults that affected nothing
verdict()            problems → inconclusive · broken → fail · unjudged → inconclusive · pass
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from paychain.analysis.measures.fallback_kinds import FALLBACKS
from paychain.analysis.measures.measures import (
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
from paychain.analysis.measures.phases import PHASE_PHRASES, tolerance_name
from paychain.analysis.measures.punctuality import Punctuality
from paychain.analysis.measures.success_series import (
    NEVER,
    TOO_FEW,
    NotYet,
    Observation,
    longest,
)
from paychain.declaration.quantity import count, seconds_text
from paychain.model.experiment import Experiment, Times
from paychain.model.tolerance import Limit, ShareByPhase, TimeByPhase
from paychain.payments.journal import ASIDE, DecisionKind
from paychain.payments.money import written

LAG_LIMIT_MS = 250.0  # with later arrivals (p99) the load is not the declared one
# Tolerances that count the findings of a money rule.
COUNTS = {
    "double_charges": "no_double_charge",
    "orphaned_authorisations": "no_orphaned_authorisation",
}
NOT_FINAL = "the run ended before the last answer and reversal arrived"
_AT_MOST = ("<=", "<")  # comparisons that a larger value cannot satisfy once a smaller one does not


def not_final(money: Money) -> str:
    """Why rules, or those about what is left in the end, are not judged."""
    if money.unjudged:
        return money.unjudged
    if not money.undecided:
        return NOT_FINAL
    return f"{count(money.undecided, 'payment')} still in progress when the drain ended"


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What the tolerances are judged by. `phases` are by kind, without those of single faults.

    `waited_s`: from the end of the load to the end of the drain, None when it did not get there.
    `spared_s`: how much shorter every time would have been at best, without stalls of the machine.
    """

    phases: Mapping[str, Phase]
    recovery: Recovery
    fallbacks: Sequence[FallbackMeasure]
    hops: Sequence[HopMeasure]
    money: Money
    waited_s: float | None = None
    spared_s: float = 0.0


def tolerances(experiment: Experiment, seen: Observed) -> list[ToleranceResult]:
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


def excused(
    observed: Sequence[ToleranceResult], at_best: Sequence[ToleranceResult]
) -> list[ToleranceResult]:
    """The results, in which limits that only stalls of the machine broke are not judged.

    `at_best`: the same limits, judged as if every call that a stall affected had worked at once.
    What is broken even then is the chain's doing.
    """
    assert [result.id for result in observed] == [result.id for result in at_best]
    judged = []
    for result, best in zip(observed, at_best, strict=True):
        if result.passed is False and best.passed is not False:
            words = f"{result.observed_text}, {best.observed_text} without what stalls affected"
            judged.append(msgspec.structs.replace(result, passed=None, observed_text=words))
        else:
            judged.append(result)
    return judged


def harness_problems(
    planned: int, punctuality: Punctuality, faults: Sequence[FaultRun], times: Times
) -> Iterator[str]:
    """Why a run is not the experiment that was declared, in sentences: it is inconclusive then.

    `planned`: payments to offer, of a stopped run until it was stopped. `faults`: as declared.
    """
    lag_ms = punctuality.p99_ms
    if lag_ms is not None and lag_ms > LAG_LIMIT_MS:
        lasts_s = times.load_end_s - times.load_start_s
        yield (
            f"the load fell behind its schedule by {lag_ms:.0f} ms (p99, limit "
            f"{LAG_LIMIT_MS:.0f} ms): {punctuality.rate_reached:.1f} payments/s reached, "
            f"{planned / lasts_s:.1f} planned"
        )
    if planned != punctuality.recorded:
        yield f"{planned} payments planned, {punctuality.recorded} recorded"
    # A load that ended early did not get to its later faults.
    yield from (
        f"fault {fault.id} never took effect"
        for fault in faults
        if fault.applied_s is None and fault.planned_s < times.load_end_s
    )


def untried(faults: Sequence[FaultRun]) -> Iterator[str]:
    """Faults that affected nothing although the experiment does not expect that, in sentences."""
    for fault in faults:
        if fault.was_missed and not fault.may_miss:
            yield (
                f"fault {fault.id} affected no traffic: its effect on the chain was not exercised "
                "(may_miss: true on the fault accepts that)"
            )


def notes(faults: Sequence[FaultRun]) -> list[str]:
    """What a reader must know although it does not decide the verdict."""
    return [
        f"fault {fault.id} affected no traffic, as it may"
        for fault in faults
        if fault.was_missed and fault.may_miss
    ]


def verdict(
    results: Sequence[ToleranceResult],
    money: Money,
    problems: Sequence[str],
    currency: str,
    stopped: Stopped | None = None,
    open_questions: Sequence[str] = (),
    failures: Sequence[str] = (),
) -> tuple[Verdict, list[str]]:
    """The verdict and its reasons, worst first. `problems` are the harness' own.

    `failures` are those of own services: one that ends by itself fails the run.

    A run that was stopped never passes: it fails by what it broke until then; otherwise it is
    inconclusive, since what it would have broken later is unknown. `open_questions`, such as faults
    that affected nothing, forbid a pass as well.
    """
    why = [stopped.sentence] if stopped is not None else []
    undecided = []
    if money.undecided:
        payments = count(money.undecided, "payment")
        undecided.append(
            f"{payments} not decided: still in progress when the drain ended (settles_within)"
        )
    broken = [
        f"{rule.title.lower()}: broken by {count(rule.findings, 'payment')}, "
        f"{written(rule.amount, currency)}"
        for rule in money.rules
        if rule.findings
    ]
    failed = [
        f"{tolerance_name(result)} was {result.observed_text} (required {result.required})"
        for result in results
        if result.passed is False and result.measure not in COUNTS
    ]
    unjudged = [
        f"{tolerance_name(result)} could not be judged: {result.observed_text}"
        for result in results
        if result.passed is None
    ]
    # The order is the law: the chain is never blamed for the harness, money and tolerances that
    # are broken stay broken whatever else could not be judged.
    if problems:
        return Verdict.INCONCLUSIVE, [*problems, *failures, *why, *broken, *failed]
    left_open = [*open_questions, *undecided, *unjudged]
    if failures or broken or failed:
        return Verdict.FAIL, [*failures, *why, *broken, *failed, *left_open]
    if why or left_open:
        return Verdict.INCONCLUSIVE, [*why, *left_open]
    return Verdict.PASS, []


def _moments(seen: Observed) -> dict[str, Observation]:
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
    return ToleranceResult(
        id=f"{measure}.{phase}",
        measure=measure,
        phase=phase,
        required=limit.text,
        observed=observed,
        observed_text=f"{observed * 100:.1f} %",
        margin_text=margin,
        passed=passed,
    )


def _completed(limit: Limit, money: Money) -> ToleranceResult:
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
    return ToleranceResult(
        id=f"{measure}.{phase}",
        measure=measure,
        phase=phase,
        required=limit.text,
        observed=observed,
        observed_text=seconds_text(observed),
        margin_text=margin,
        passed=passed,
    )


def _number(measure: str, limit: Limit, observed: float | None) -> ToleranceResult:
    if observed is None:
        return _unjudged(measure, "all", limit.text, TOO_FEW)
    passed = limit.holds(observed)
    margin = f"{abs(limit.bound - observed):.2f} {'to spare' if passed else 'over'}"
    return ToleranceResult(
        id=f"{measure}.all",
        measure=measure,
        phase="all",
        required=limit.text,
        observed=observed,
        observed_text=f"{observed:.2f}",
        margin_text=margin,
        passed=passed,
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
