"""Account-to-account transfers: held at the payer's bank, cleared, credited at the payee's bank.

The way out of an unknown outcome is to query it: what was cleared is final, and the money that was
held may be the payer's again by then. Only the clearing itself may undo a credit, by its rejection.
Source: data/rails.yaml has each rail's limits with their source and confidence.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import msgspec

from paychain.payments.codes import Confidence
from paychain.payments.journal import Verb
from paychain.payments.packaged import packaged_yaml
from paychain.payments.rails.rail import Rail

RecallReason = Literal["duplicate", "technical", "fraud"]

ACCOUNT = Rail(
    name="account", makes={"transfer": Verb.MOVE, "recall": Verb.RETURN}, on_unknown=("query",)
)


class RailLimits(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What one rail demands, an entry of data/rails.yaml, which explains the fields.

    All limits but those of recalls are in seconds since the payer's bank received the order.
    """

    id: str
    title: str
    currency: str
    payee_answers: float
    clearing_rejects: float
    payer_learns: float
    hold_ends: float
    recall_days: dict[RecallReason, int]
    source: str
    confidence: Confidence

    def recall_s(self, reason: str) -> float:
        """For how many seconds after it was settled a transfer may be recalled."""
        days = {str(each): days for each, days in self.recall_days.items()}
        return days.get(reason, 0) * 86_400.0

    def __post_init__(self) -> None:
        """Hold what banks rely on: whoever is further from the payer gives up first."""
        assert self.payee_answers < self.clearing_rejects < self.payer_learns < self.hold_ends


class _Rails(msgspec.Struct, forbid_unknown_fields=True):
    rails: list[RailLimits]


@cache
def account_rails() -> dict[str, RailLimits]:
    """The rails that account-to-account transfers can be declared on, by their ids."""
    data = packaged_yaml("paychain.payments", "data/rails.yaml")
    return {rail.id: rail for rail in msgspec.convert(data, _Rails).rails}
