"""What to change in the chain so that a broken money rule or tolerance holds.

    what the review names as its cause ─> further advice on the rule or measure ─> Remedy, at most 3
    (weaknesses.py)                       (registry.py)

A finding of a run has the weakness of the declaration as its cause that the review names: its
remedies are those of the review's findings that can lead to it, and that the payments which broke
the rule show: nothing has to wait longer where nothing was late. For a tolerance on success or time
they follow from where most payments broke, and from what the call there does not declare.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import msgspec

from paychain.advice.case import MAX_REMEDIES, Case
from paychain.advice.code import changed_code
from paychain.advice.registry import OF_MEASURES, advice_on
from paychain.advice.weaknesses import CAUSES
from paychain.analysis.analyse import Analysis
from paychain.analysis.limits import COUNTS
from paychain.analysis.measures.measures import (
    FallbackMeasure,
    MoneyMeasure,
    MoneyRule,
    ToleranceResult,
    UnknownCall,
)
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.finding_kinds import Kind
from paychain.model.loading import Loaded
from paychain.model.operations import CUSTOMER
from paychain.model.review import ReviewFinding
from paychain.model.review.calls import declared_calls
from paychain.model.review.remedy import Remedy
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import HopResult

_OF_TIME: tuple[Kind, ...] = ("call_without_policy", "timeout_inversion", "deadline_too_short")
# Weaknesses that matter only at a call which was left without an answer in time, or whose outcome
# stayed unknown for whatever reason.
_OF_TIMEOUTS: frozenset[Kind] = frozenset({"timeout_inversion", "deadline_too_short"})
_OF_UNKNOWN: frozenset[Kind] = frozenset(
    {
        "failover_on_unknown",
        "retry_without_key",
        "queue_without_key",
        "unknown_left_open",
        "query_not_offered",
        "query_given_up_early",
        "reversal_behind_breaker",
        "reversal_given_up_early",
    }
)


def with_remedies(
    analysis: Analysis,
    chain: Loaded[Chain],
    experiment: Experiment,
    review: Sequence[ReviewFinding],
) -> Analysis:
    """The analysis of a run with what to change, at each rule and tolerance that it broke.

    `review`: what the review found of the chain and the experiment together.
    """
    money: MoneyMeasure = analysis.measured["money"]
    case = Case(
        chain=chain,
        review=review,
        experiment=experiment,
        given_up=analysis.given_up,
        used=_used(analysis.measured["fallbacks"], chain.model),
        breaks=analysis.measured["breaks"],
        last_s=analysis.measured["recovery"].last_s,
    )
    rules = [rule_with_remedies(rule, case) for rule in money.rules]
    return replace(
        analysis,
        tolerances=[tolerance_with_remedies(each, case, rules) for each in analysis.tolerances],
        measured={**analysis.measured, "money": msgspec.structs.replace(money, rules=rules)},
    )


def _used(fallbacks: Sequence[FallbackMeasure], chain: Chain) -> dict[str, set[str]]:
    """By kind, the calls that used a fallback of it; those of own services may have."""
    own = chain.own_services()
    claimed = {call.subject for call in declared_calls(chain) if call.link in own}
    found = {kind.value: set(claimed) for kind in (DecisionKind.RETRY, DecisionKind.HEDGE)}
    for fallback in fallbacks:
        found.setdefault(fallback.kind, set()).add(fallback.call)
    return found


def rule_with_remedies(rule: MoneyRule, case: Case) -> MoneyRule:
    """A broken money rule with what to change; a kept one as it is."""
    if rule.passed is not False:
        return rule
    hedged = _hedged(case.chain.model)
    seen = [finding for finding in case.causes if _is_seen(finding, rule.unknown, hedged)]
    found = _of_causes(rule.rule, seen)
    for advise in (*advice_on(rule.rule), changed_code):
        found = advise(rule, case, found)
    return msgspec.structs.replace(rule, remedies=found[:MAX_REMEDIES])


def _hedged(chain: Chain) -> set[str]:
    """The forwards whose other gateway is asked while the first one may still answer."""
    return {
        declared.subject
        for declared in declared_calls(chain)
        if declared.operation == "forward"
        and declared.call.hedge is not None
        and declared.call.hedge.to is not None
    }


def _is_seen(
    finding: ReviewFinding, unknown: Sequence[UnknownCall], hedged: Collection[str]
) -> bool:
    """Whether payments that broke a rule show a weakness, as far as their calls could."""
    # The loser of a hedge answers, too: no outcome is unknown.
    if finding.kind == "failover_on_unknown" and finding.at in hedged:
        return True
    at = [call for call in unknown if finding.at in (call.call, call.caller)]
    if finding.kind in _OF_TIMEOUTS:
        return any(call.result == HopResult.TIMEOUT for call in at)
    return bool(at) if finding.kind in _OF_UNKNOWN else True


def tolerance_with_remedies(
    tolerance: ToleranceResult, case: Case, rules: Sequence[MoneyRule] = ()
) -> ToleranceResult:
    """A broken tolerance with what to change; a kept one as it is.

    `rules`: the money rules with their remedies. A limit for the findings of one has the same.
    """
    if tolerance.passed is not False:
        return tolerance
    measure = tolerance.measure
    for rule in rules:
        if rule.rule == COUNTS.get(measure):
            of_rule = [msgspec.structs.replace(each, of=measure) for each in rule.remedies]
            return msgspec.structs.replace(tolerance, remedies=of_rule)
    causes, breaks = case.causes, case.breaks
    # Longer timeouts change nothing where most payments broke without one, or before any call.
    if breaks and (breaks[0].failure != HopResult.TIMEOUT or breaks[0].caller == CUSTOMER):
        causes = [finding for finding in causes if finding.kind not in _OF_TIME]
    found = _of_causes(measure, causes)
    if not found and measure in OF_MEASURES:
        found = OF_MEASURES[measure](tolerance, case)
    return msgspec.structs.replace(tolerance, remedies=found)


def _of_causes(name: str, review: Sequence[ReviewFinding]) -> list[Remedy]:
    """The remedies of the review's findings that can lead to it, accepted ones included."""
    causes = CAUSES.get(name, ())
    found: dict[str, Remedy] = {}
    for kind in causes:
        for finding in review:
            remedy = finding.remedy
            # What can only be accepted would not make a finding of a run go away.
            if finding.kind != kind or remedy is None or remedy.action == "add":
                continue
            # Two weaknesses may have one remedy: the likelier one names it.
            found.setdefault(
                str(remedy),
                msgspec.structs.replace(remedy, of=name),
            )
    return list(found.values())[:MAX_REMEDIES]
