"""`decline`: the calling link declines."""

from __future__ import annotations

from paychain.model.fallbacks.step import AnswerInstead
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, PaymentRequest


class DeclineWith(AnswerInstead):
    """Answer with a response code instead."""

    decision = DecisionKind.DECLINE

    decline: str

    @property
    def words(self) -> str:
        """`decline 91`."""
        return f"decline {self.decline}"

    def answer(self, link: str, request: PaymentRequest) -> Answer:
        """A decline of the calling link's own."""
        return Answer(Outcome.DECLINED, self.decline, link)
