"""Which advice there is beside the review's: by money rule, and by measure with a limit.

What the review names as a weakness of the declaration is in `weaknesses.py`, and what the code of
an own service should do in `code.py`, both by the rule's name.
"""

from __future__ import annotations

from collections.abc import Mapping

from paychain.advice.case import MeasureAdvice, RuleAdvice
from paychain.advice.drained import drained_sooner
from paychain.advice.probed import probed_sooner
from paychain.advice.queues import without_queues
from paychain.advice.unknowns import claims_cleared_up, customers_asking, reversals_on_disk
from paychain.advice.way_round import way_round
from paychain.payments.rules import OF_UNKNOWN

_CLEAR_UP: tuple[RuleAdvice, ...] = (reversals_on_disk, claims_cleared_up, customers_asking)
# In this order: what comes first is shown, where there is no room for all.
OF_RULES: Mapping[str, tuple[RuleAdvice, ...]] = {
    **dict.fromkeys((*OF_UNKNOWN, "unknowns_resolved"), _CLEAR_UP),
    "no_approval_without_money": (without_queues,),
}
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
