"""Which advice there is beside the review's: by money rule, and by measure with a limit.

What the review names as a weakness of the declaration is in `weaknesses.py`, and what the code of
an own service should do in `code.py`, both by the rule's name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from paychain.advice.case import MeasureAdvice, RuleAdvice
from paychain.advice.drained import drained_sooner
from paychain.advice.probed import probed_sooner
from paychain.advice.queues import without_queues
from paychain.advice.unknowns import claims_cleared_up, customers_asking, reversals_on_disk
from paychain.advice.way_round import way_round
from paychain.payments.rules import OF_UNKNOWN

_LEFT_UNKNOWN = (*OF_UNKNOWN, "unknowns_resolved")
# What advises on which rules, in this order: what comes first is shown, where there is no room for
# all.
OF_RULES: tuple[tuple[RuleAdvice, Collection[str]], ...] = (
    (reversals_on_disk, _LEFT_UNKNOWN),
    (claims_cleared_up, _LEFT_UNKNOWN),
    (customers_asking, _LEFT_UNKNOWN),
    (without_queues, ("no_approval_without_money",)),
)
# Where no weakness explains a broken limit.
OF_MEASURES: Mapping[str, MeasureAdvice] = {
    "technical_success": way_round,
    "approval_rate": way_round,
    "failover": way_round,
    "detection": way_round,
    "recovery": way_round,
    "failback": probed_sooner,
    "drain": drained_sooner,
}


def advice_on(rule: str) -> list[RuleAdvice]:
    """All advice on a broken money rule, in its order."""
    return [advise for advise, rules in OF_RULES if rule in rules]
