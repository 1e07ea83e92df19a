"""`stand_in`: the calling link decides itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from paychain.declaration.quantity import Amount
from paychain.declaration.schema import Declared
from paychain.model.fallbacks.step import LocalStep
from paychain.model.operations import REVERSIBLE
from paychain.payments.journal import DecisionKind


class StandInLimits(Declared):
    """How far a link may approve in place of the one that decides.

    `most` and `per_card` count stand-in approvals of this link since its start. Stand-in is never
    an automatic approval. Source: docs/domain.md §1.7.
    """

    up_to: Amount
    per_card: Annotated[int, Field(ge=1, le=100_000)] | None = None
    most: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class StandIn(LocalStep):
    """The link that makes the call decides itself, within limits, and advises later."""

    decision = DecisionKind.STAND_IN
    operations = REVERSIBLE
    risk = "approved by stand-in"

    stand_in: StandInLimits

    @property
    def largest(self) -> Decimal:
        """Its limit for one payment."""
        return self.stand_in.up_to

    @property
    def words(self) -> str:
        """`stand in up to 50.00`."""
        return f"stand in up to {self.stand_in.up_to}"
