"""What to change in the chain so that a broken money rule or tolerance holds.

A finding of a run has the weakness of the declaration as its cause that the review names: its
remedies are those of the review's findings that can lead to it, and that the payments which broke
the rule show: nothing has to wait longer where nothing was late. For a tolerance on success or time
they follow from where most payments broke, and from what the call there does not declare.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import msgspec

from paychain.analysis.limits import COUNTS
from paychain.analysis.measures.measures import (
    Break,
    MoneyRule,
    ToleranceResult,
    UnknownCall,
)
from paychain.model.chain import Chain
from paychain.model.customer import CustomerRetry
from paychain.model.fallbacks.queue import Queue
from paychain.model.fallbacks.step import Failover
from paychain.model.finding_kinds import Kind
from paychain.model.loading import Loaded
from paychain.model.operations import CUSTOMER
from paychain.model.review import ReviewFinding, remedy_in
from paychain.model.review.calls import declared_calls
from paychain.model.review.keys import customer_retry_without_key
from paychain.model.review.paths import longest_work_s
from paychain.model.review.remedy import Edit, Remedy, duration_text, duration_within
from paychain.model.review.reversals import is_reversed
from paychain.payments.outcome import HopResult
from paychain.payments.rules import OF_UNKNOWN
from paychain.runs.code_remedies import remedies_in_code
from paychain.runs.drained import drained_sooner
from paychain.runs.standby import second_target
from paychain.runs.weaknesses import CAUSES

MAX_REMEDIES = 3  # of one finding: more are a list of everything that could be better
_OF_TIME: tuple[Kind, ...] = ("call_without_policy", "timeout_inversion", "deadline_too_short")
_NEEDS_A_WAY_ROUND = ("technical_success", "approval_rate", "failover", "detection", "recovery")
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
_LEFT_BY_UNKNOWN = (*OF_UNKNOWN, "unknowns_resolved")
_BREAKER = {"failure_rate": "50%", "window": "10s", "minimum_calls": 20, "open_for": "5s"}


def rule_with_remedies(
    rule: MoneyRule,
    review: Sequence[ReviewFinding],
    chain: Loaded[Chain],
    crashed: Collection[str] = (),
    not_of_code: Collection[str] = (),
) -> MoneyRule:
    """A broken money rule with what to change; a kept one as it is.

    `crashed`: the links that the experiment crashed. `not_of_code`: the rules that it breaks
    whatever the code of an own service does.
    """
    if rule.passed is not False:
        return rule
    hedged = _hedged(chain.model)
    seen = [finding for finding in review if _is_seen(finding, rule.unknown, hedged)]
    remedies = _of_causes(rule.rule, seen)
    more: list[Remedy] = []
    if rule.rule in _LEFT_BY_UNKNOWN:
        more = [*_reversals_on_disk(rule.rule, chain, crashed), *_of_code(rule, chain)]
        if any(unknown.caller == CUSTOMER for unknown in rule.unknown):
            more += _asked_again(rule.rule, chain)
    known = {remedy.at for remedy in remedies}
    remedies += [each for each in more if each.at not in known]
    if rule.rule == "no_approval_without_money":
        # What is declined when it is delivered has no money either, however long that is tried.
        queues = _without_queues(rule.rule, chain)[:MAX_REMEDIES]
        remedies = [*remedies[: MAX_REMEDIES - len(queues)], *queues]
    if not remedies and rule.rule not in not_of_code:
        remedies = remedies_in_code(rule.rule, chain)
    return msgspec.structs.replace(rule, remedies=remedies[:MAX_REMEDIES])


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


def _reversals_on_disk(rule: str, chain: Loaded[Chain], crashed: Collection[str]) -> list[Remedy]:
    """Links that lost the reversals in their memory when they crashed."""
    reversing = {
        declared.link
        for declared in declared_calls(chain.model)
        if is_reversed(declared) or declared.call.compensates
    }
    found = []
    for name in sorted(reversing.intersection(crashed)):
        if chain.model.links[name].outbox == "disk":
            continue
        on_disk = Edit(("links", name, "outbox"), "disk")
        found.append(_of_run(remedy_in(chain, on_disk), rule, name))
    return found


def _asked_again(rule: str, chain: Loaded[Chain]) -> list[Remedy]:
    """Customers who ask again for what they were not told, where that cannot pay a second time."""
    customer = chain.model.customer
    is_own = not chain.model.own_services().keys().isdisjoint(chain.model.entries)
    if is_own or customer.retry is not None or customer.leaves is not None:
        return []
    after = _latest_retry(chain.model)
    if after is None:
        return []
    retry = CustomerRetry.model_validate({"after": after})
    asking = customer.model_copy(update={"retry": retry})
    if any(customer_retry_without_key(chain.model.model_copy(update={"customer": asking}))):
        return []
    change = Edit(("customer", "retry"), {"after": after})
    return [_of_run(remedy_in(chain, change), rule, CUSTOMER)]


def _latest_retry(chain: Chain) -> str | None:
    """When to ask again: as many outages as possible are over, and any answer is still in time.

    None where no moment is both: what is asked before half of the deadline is asked once more after
    it, and that try, which is the last one, would be cut short.
    """
    longest_s = max(longest_work_s(chain, entry) for entry in chain.entries)
    if longest_s > chain.deadline / 2:
        return None
    return duration_within(chain.deadline - longest_s)


def _without_queues(rule: str, chain: Loaded[Chain]) -> list[Remedy]:
    """Calls that approve before anybody has decided: a limit would only make the loss smaller."""
    return [
        _of_run(
            remedy_in(chain, Edit(declared.at("fallback", number), action="remove")),
            rule,
            declared.subject,
        )
        for declared in declared_calls(chain.model)
        for number, step in enumerate(declared.call.fallback)
        if isinstance(step, Queue)
    ]


def _of_code(rule: MoneyRule, chain: Loaded[Chain]) -> list[Remedy]:
    """Own services whose code left an outcome unknown, and do not even claim to clear it up."""
    own, found = chain.model.own_services(), dict[str, Remedy]()
    for unknown in rule.unknown:
        if unknown.caller not in own or unknown.operation != "authorise":
            continue
        call = chain.model.links[unknown.caller].calls.get("authorise")
        claims = call.claims if call is not None else None
        if call is None or (claims is not None and claims.on_unknown not in (None, "give_up")):
            continue
        at = ("links", unknown.caller, "calls", "authorise", "claims", "on_unknown")
        remedy = remedy_in(chain, Edit(at, "reverse"))
        found.setdefault(unknown.call, _of_run(remedy, rule.rule, unknown.call))
    return list(found.values())


def tolerance_with_remedies(
    tolerance: ToleranceResult,
    rules: Sequence[MoneyRule],
    review: Sequence[ReviewFinding],
    breaks: Sequence[Break],
    chain: Loaded[Chain],
    last_s: Mapping[str, float] = MappingProxyType({}),
    bound: float = math.inf,
) -> ToleranceResult:
    """A broken tolerance with what to change; a kept one as it is.

    `rules`: the money rules with their remedies. A limit for the findings of one has the same.
    `last_s`: what links still did after the load, see `Recovery`. `bound`: of the limit, a time in
    seconds.
    """
    if tolerance.passed is not False:
        return tolerance
    for rule in rules:
        if rule.rule == COUNTS.get(tolerance.measure):
            of_rule = [
                msgspec.structs.replace(each, of=tolerance.measure) for each in rule.remedies
            ]
            return msgspec.structs.replace(tolerance, remedies=of_rule)
    # Longer timeouts change nothing where most payments broke without one, or before any call.
    if breaks and (breaks[0].failure != HopResult.TIMEOUT or breaks[0].caller == CUSTOMER):
        review = [finding for finding in review if finding.kind not in _OF_TIME]
    remedies = _of_causes(tolerance.measure, review)
    if not remedies and breaks and tolerance.measure in _NEEDS_A_WAY_ROUND:
        remedies = _way_round(tolerance.measure, breaks[0], chain)
    if tolerance.measure == "failback":
        remedies = _probed_sooner(tolerance.measure, bound, chain)
    if tolerance.measure == "drain":
        remedies = [
            _of_run(remedy_in(chain, change), "drain", where)
            for where, change in drained_sooner(chain.model, bound, last_s)
        ][:MAX_REMEDIES]
    return msgspec.structs.replace(tolerance, remedies=remedies)


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


def _probed_sooner(measure: str, limit_s: float, chain: Loaded[Chain]) -> list[Remedy]:
    """Breakers that stay open for too long to give their first target back in time."""
    found = []
    for declared in declared_calls(chain.model):
        breaker, call = declared.call.breaker, declared.call
        if breaker is None or len(call.routes) == 1 or 2 * breaker.open_for <= limit_s:
            continue
        change = Edit(declared.at("breaker", "open_for"), duration_text(limit_s / 2))
        found.append(_of_run(remedy_in(chain, change), measure, declared.subject))
    return found[:MAX_REMEDIES]


def _of_run(remedy: Remedy, measure: str, at: str) -> Remedy:
    return msgspec.structs.replace(remedy, of=measure, at=at)


def _way_round(measure: str, group: Break, chain: Loaded[Chain]) -> list[Remedy]:
    """Where most payments broke: a breaker for a standby that is there, a standby otherwise."""
    calls = chain.model.links[group.caller].calls if group.caller in chain.model.links else {}
    call = next((call for name, call in calls.items() if name == group.operation), None)
    if call is None:  # on the way to the chain, where nobody but the customer can try again
        return _asked_again(measure, chain)
    changes: list[Edit] = []
    if not any(isinstance(step, Failover) for step in call.fallback):
        changes = second_target(chain, group.caller, group.operation)
    elif call.breaker is None and group.caller not in chain.model.own_services():
        at = ("links", group.caller, "calls", group.operation)
        changes = [Edit((*at, "breaker"), _BREAKER)]
    where = f"{group.caller}.{group.operation}"
    return [_of_run(remedy_in(chain, change), measure, where) for change in changes]
