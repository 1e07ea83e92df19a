"""`last_known`: the payment continues with the call's last answer."""

from __future__ import annotations

from typing import ClassVar

from paychain.declaration.quantity import Span, seconds_text
from paychain.model.fallbacks.step import GoOn
from paychain.payments.journal import DecisionKind

_DIGITS = 6  # of a declared time: all that it was written with


class LastKnown(GoOn):
    """Go on with the last answer that the call brought, if it is not older than this.

    It is kept in memory: a link that has just started knows none.
    """

    decision = DecisionKind.LAST_KNOWN
    operations = frozenset({"serve", "quote"})
    risk = "approved on the last known answer of {lacking}"
    lasts: ClassVar[bool] = False

    last_known: Span

    @property
    def words(self) -> str:
        """`last known answer for 60 s`."""
        return f"last known answer for {seconds_text(self.last_known, digits=_DIGITS)}"
