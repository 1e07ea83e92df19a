"""Whether the verdict of a result follows from its checks: a result that was edited does not."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import TypeAdapter, ValidationError

from paychain.analysis.limits import COUNTS
from paychain.analysis.measures.measures import ToleranceResult, Verdict
from paychain.model.tolerance import Limit, NumberLimit, ShareLimit, TimeLimit
from paychain.report.result import Result

_SHARES = ("technical_success", "approval_rate", "completed")
_NUMBERS = ("amplification", *COUNTS)


def contradiction(result: Result) -> str:
    """Why the verdict cannot be that of the checks, or a check that of its figures; "" when it can.

    A pass needs that every check passed and that nothing was left open; a failure needs a broken
    check or an own service that ended by itself. What makes a run inconclusive is in its reasons.
    """
    for edited in _edited(result):
        return edited
    failed = [tolerance.id for tolerance in result.tolerances if tolerance.passed is False]
    failed += [rule.rule for rule in result.money.rules if rule.passed is False]
    unjudged = [tolerance.id for tolerance in result.tolerances if tolerance.passed is None]
    unjudged += [rule.rule for rule in result.money.rules if rule.undecided]
    ended = [service.name for service in result.services if service.failures]
    match result.verdict:
        case Verdict.PASS:
            if failed or ended:
                return f"it passed, but failed: {', '.join([*failed, *ended])}"
            if unjudged:
                return f"it passed, but was not judged by: {', '.join(unjudged)}"
            if result.stopped is not None:
                return "it passed, but was stopped"
        case Verdict.FAIL:
            if not failed and not ended:
                return "it failed, but every check passed"
        case Verdict.INCONCLUSIVE:
            if not result.reasons:
                return "it is inconclusive without a reason"
    return ""


def _edited(result: Result) -> Iterator[str]:
    """Checks that are not what their own figures say, in words."""
    for tolerance in result.tolerances:
        if tolerance.passed is None:
            continue
        if tolerance.observed is None:
            # A failure may be that something never happened; a pass needs something observed.
            if tolerance.passed:
                yield f"{tolerance.id} passed without anything observed"
            continue
        limit = _limit(tolerance)
        if limit is None:
            yield f"{tolerance.id} requires '{tolerance.required}', which is not a limit"
        elif limit.holds(tolerance.observed) is not tolerance.passed:
            word = "passed" if tolerance.passed else "failed"
            yield f"{tolerance.id} {word}, but observed {tolerance.observed_text}"
    findings = {rule.rule: rule.findings for rule in result.money.rules}
    for measure, name in COUNTS.items():
        for tolerance in result.tolerances:
            counted = tolerance.observed if tolerance.measure == measure else None
            if counted is not None and counted != findings.get(name):
                yield f"{tolerance.id} counts {counted:g}, its rule {findings.get(name)}"
    for rule in result.money.rules:
        if not rule.findings and (rule.payments or rule.amount):
            yield f"{rule.rule} is broken by no payment, but lists some"


def _limit(tolerance: ToleranceResult) -> Limit | None:
    """The limit as it was declared; None for a text that is none."""
    kind = TimeLimit
    if tolerance.measure in _SHARES:
        kind = ShareLimit
    elif tolerance.measure in _NUMBERS:
        kind = NumberLimit
    try:
        limit: Limit = TypeAdapter(kind).validate_python(tolerance.required)
    except ValidationError:
        return None
    return limit
