"""A way round what broke most payments."""

from __future__ import annotations

from paychain.advice.case import Case
from paychain.advice.standby import second_target
from paychain.advice.unknowns import asked_again
from paychain.analysis.measures.measures import ToleranceResult
from paychain.model.fallbacks.step import Failover
from paychain.model.review.remedy import Edit, Remedy

_BREAKER = {"failure_rate": "50%", "window": "10s", "minimum_calls": 20, "open_for": "5s"}


def way_round(tolerance: ToleranceResult, case: Case) -> list[Remedy]:
    """Where most payments broke: a breaker for a standby that is there, a standby otherwise."""
    if not case.breaks:
        return []
    group, chain = case.breaks[0], case.chain.model
    calls = chain.links[group.caller].calls if group.caller in chain.links else {}
    call = calls.get(group.operation)
    if call is None:  # on the way to the chain, where nobody but the customer can try again
        return asked_again(tolerance.measure, case)
    changes: list[Edit] = []
    if not any(isinstance(step, Failover) for step in call.fallback):
        changes = second_target(case.chain, group.caller, group.operation)
    elif call.breaker is None and group.caller not in chain.own_services():
        at = ("links", group.caller, "calls", group.operation)
        changes = [Edit((*at, "breaker"), _BREAKER)]
    where = f"{group.caller}.{group.operation}"
    return [case.remedy(change, of=tolerance.measure, at=where) for change in changes]
