"""Calls whose queues gave up what they had stored."""

from __future__ import annotations

from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.analysis.store.queries import calls_with
from paychain.model.fallbacks.queue import Queue
from paychain.payments.journal import DecisionKind


@measure("given up")
def given_up(run: MeasuredRun) -> frozenset[str]:
    """Their names, `link.operation`."""
    chain = run.chain
    calls = (call for link in chain.links for call in chain.calls_of(link).values())
    if not any(isinstance(step, Queue) for call in calls for step in call.fallback):
        return frozenset()
    return frozenset(map(".".join, calls_with(run.store, [DecisionKind.QUEUE_EXPIRED])))
