"""`skip`: the payment continues without the call's answer."""

from __future__ import annotations

from decimal import Decimal

from paychain.declaration.quantity import Amount
from paychain.declaration.schema import Declared
from paychain.model.fallbacks.step import ANY_AMOUNT, GoOn
from paychain.payments.journal import DecisionKind


class SkipLimits(Declared):
    """Go on without the answer only for payments up to an amount in the chain's currency."""

    up_to: Amount | None = None


class Skip(GoOn):
    """Go on without the call's answer."""

    decision = DecisionKind.SKIP
    operations = frozenset({"forward", "serve", "tokenise", "screen", "authenticate", "notify"})
    risk = "approved without {lacking}"

    skip: SkipLimits

    @property
    def largest(self) -> Decimal:
        """Its limit."""
        return self.skip.up_to if self.skip.up_to is not None else ANY_AMOUNT

    @property
    def words(self) -> str:
        """`skip up to 50.00`."""
        return "skip" if self.skip.up_to is None else f"skip up to {self.skip.up_to}"
