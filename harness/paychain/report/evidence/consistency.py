"""Whether the verdict of a result follows from its checks: a result that was edited does not."""

from __future__ import annotations

from paychain.analysis.measures.measures import Verdict
from paychain.report.result import Result


def contradiction(result: Result) -> str:
    """Why the verdict cannot be that of the checks, in words; "" when it can.

    A pass needs that every check passed and that nothing was left open; a failure needs a broken
    check or an own service that ended by itself. What makes a run inconclusive is in its reasons.
    """
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
