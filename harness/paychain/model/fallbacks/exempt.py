"""`exempt`: the payment continues without authentication."""

from __future__ import annotations

from decimal import Decimal

from paychain.model.fallbacks.step import AmountLimit, GoOn
from paychain.payments.journal import DecisionKind


class Exempt(GoOn):
    """Go on without authentication and say so (an exemption, a regulatory risk)."""

    decision = DecisionKind.EXEMPT
    operations = frozenset({"authenticate"})
    risk = "approved without {lacking}"
    marks = "is_exempt"

    exempt: AmountLimit

    @property
    def largest(self) -> Decimal:
        """Its limit."""
        return self.exempt.up_to

    @property
    def words(self) -> str:
        """`exempt up to 50.00`."""
        return f"exempt up to {self.exempt.up_to}"
