"""Calls that approve before anybody has decided."""

from __future__ import annotations

from paychain.advice.case import MAX_REMEDIES, Case
from paychain.analysis.measures.measures import MoneyRule
from paychain.model.fallbacks.queue import Queue
from paychain.model.review.calls import declared_calls
from paychain.model.review.remedy import Edit, Remedy


def without_queues(rule: MoneyRule, case: Case, found: list[Remedy]) -> list[Remedy]:
    """No call stores what it approves: a limit would only make the loss smaller.

    What is declined when it is delivered has no money either, however long that is tried: it comes
    before remedies that there is no room for.
    """
    queues = [
        case.remedy(
            Edit(declared.at("fallback", number), action="remove"),
            of=rule.rule,
            at=declared.subject,
        )
        for declared in declared_calls(case.chain.model)
        for number, step in enumerate(declared.call.fallback)
        if isinstance(step, Queue)
    ][:MAX_REMEDIES]
    return [*found[: MAX_REMEDIES - len(queues)], *queues]
