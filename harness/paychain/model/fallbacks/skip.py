"""`skip`: the payment goes on without the call's answer."""

from __future__ import annotations

from paychain.model.fallbacks.step import GoOn, Limit
from paychain.payments.journal import DecisionKind


class Skip(GoOn):
    """Go on without the call's answer."""

    decision = DecisionKind.SKIP
    operations = frozenset({"forward", "screen", "authenticate", "tokenise", "notify"})
    risk = "approved without {lacking}"

    skip: Limit

    @property
    def limit(self) -> Limit:
        """Up to which amount."""
        return self.skip

    @property
    def words(self) -> str:
        """`skip up to 50.00`."""
        return f"skip up to {self.skip.up_to}"
