"""Breakers that stay open for too long to give their first target back in time."""

from __future__ import annotations

from paychain.advice.case import MAX_REMEDIES, Case
from paychain.analysis.measures.measures import ToleranceResult
from paychain.model.review.calls import declared_calls
from paychain.model.review.remedy import Edit, Remedy, duration_text


def probed_sooner(tolerance: ToleranceResult, case: Case) -> list[Remedy]:
    """A breaker probes its first target within half of the limit."""
    limit_s = case.bound(tolerance.measure)
    found = []
    for declared in declared_calls(case.chain.model):
        breaker, call = declared.call.breaker, declared.call
        if breaker is None or len(call.routes) == 1 or 2 * breaker.open_for <= limit_s:
            continue
        change = Edit(declared.at("breaker", "open_for"), duration_text(limit_s / 2))
        found.append(case.remedy(change, of=tolerance.measure, at=declared.subject))
    return found[:MAX_REMEDIES]
