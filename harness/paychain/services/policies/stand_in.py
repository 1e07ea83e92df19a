"""Stand-in: how far a link may decide in place of the link that it cannot reach."""

from __future__ import annotations

from collections import Counter

from paychain.model.fallbacks.stand_in import StandInLimits
from paychain.payments.money import to_minor
from paychain.protocol.message import PaymentRequest


class StandInCount:
    """The limits of one stand-in step, and how much of them is used."""

    def __init__(self, declared: StandInLimits, currency: str) -> None:
        self._declared = declared
        self._up_to_minor = to_minor(str(declared.up_to), currency)
        self._all = 0
        self._by_card: Counter[str] = Counter()

    def refuse(self, request: PaymentRequest) -> str:
        """The limit that forbids to stand in for this request, "" when none does."""
        declared, card = self._declared, request.instrument.identity
        if request.amount_minor > self._up_to_minor:
            return "over the stand-in amount"
        if declared.most is not None and self._all >= declared.most:
            return f"stood in {self._all} times"
        if declared.per_card is not None and self._by_card[card] >= declared.per_card:
            return f"stood in {self._by_card[card]} times for the card"
        return ""

    def stood_in(self, request: PaymentRequest) -> None:
        """One more stand-in decision."""
        self._all += 1
        if self._declared.per_card is not None:
            self._by_card[request.instrument.identity] += 1
