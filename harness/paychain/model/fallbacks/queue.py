"""`queue`: the request is stored and delivered later."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from paychain.declaration.quantity import Amount, Span
from paychain.declaration.schema import Declared
from paychain.model.fallbacks.step import ANY_AMOUNT, LocalStep
from paychain.model.operations import MOVES_MONEY
from paychain.payments.journal import DecisionKind


class QueueLimits(Declared):
    """How much is accepted now and delivered later, for how long it is tried, and how often."""

    up_to: Amount | None = None
    most: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    within: Span = 60.0
    pause: Span = 1.0


class Queue(LocalStep):
    """Store and forward: accept now, deliver to the declared target when it answers again."""

    decision = DecisionKind.QUEUE
    operations = MOVES_MONEY | {"notify"}
    risk = "approved before any authorisation"

    queue: QueueLimits

    @property
    def largest(self) -> Decimal:
        """Its limit for one payment."""
        return self.queue.up_to if self.queue.up_to is not None else ANY_AMOUNT

    @property
    def words(self) -> str:
        """`store up to 50.00 and deliver later, at most 1000`."""
        up_to = f" up to {self.queue.up_to}" if self.queue.up_to is not None else ""
        return f"store{up_to} and deliver later, at most {self.queue.most}"
