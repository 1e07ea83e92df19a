"""Account-to-account transfers: taken at the payer's bank, cleared, credited at the payee's bank.

The way out of an unknown outcome is to query it: what was cleared is final, and the money that was
held may be the payer's again by then. Only the clearing itself may undo a credit, by its rejection.
On a rail without rejections a transfer without an answer is deemed to be made, until the payee's
bank confirms the credit or returns the money.
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

    All limits but those of recalls are in seconds since the payer's bank received the order;
    `confirms_within` counts from the end of the call.
    """

    id: str
    title: str
    currency: str
    payee_answers: float
    clearing_rejects: float
    payer_learns: float
    query_after: float
    source: str
    confidence: Confidence
    no_answer: Literal["rejected", "deemed"] = "rejected"
    hold_ends: float | None = None
    queries: int | None = None
    confirms_within: float = 0.0
    confirm_requests: int = 0
    recall_days: dict[RecallReason, int] = {}

    @property
    def deems(self) -> bool:
        """Whether what has no answer is deemed to be made: its outcome comes later."""
        return self.no_answer == "deemed"

    def recall_s(self, reason: str) -> float:
        """For how many seconds after it was settled a transfer may be recalled."""
        days = {str(each): days for each, days in self.recall_days.items()}
        return days.get(reason, 0) * 86_400.0

    def __post_init__(self) -> None:
        """Hold what banks rely on: whoever is further from the payer gives up first."""
        assert self.payee_answers <= self.clearing_rejects <= self.payer_learns
        if self.hold_ends is not None:
            assert self.payee_answers < self.clearing_rejects < self.payer_learns < self.hold_ends
        # A rail either takes back what it rejects, or waits for the word of the payee's bank.
        assert self.deems == (self.hold_ends is None) == bool(self.confirms_within)
        assert self.deems == bool(self.confirm_requests)


class _Rails(msgspec.Struct, forbid_unknown_fields=True):
    rails: list[RailLimits]


@cache
def account_rails() -> dict[str, RailLimits]:
    """The rails that account-to-account transfers can be declared on, by their ids."""
    data = packaged_yaml("paychain.payments", "data/rails.yaml")
    return {rail.id: rail for rail in msgspec.convert(data, _Rails).rails}
