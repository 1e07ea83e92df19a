"""`default`: the payment continues with a value built into the calling link."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.model.fallbacks.step import GoOn
from paychain.payments.journal import DecisionKind


class Default(GoOn):
    """Go on with a value of the calling link's own; it should be the safe one for money."""

    decision = DecisionKind.DEFAULT
    operations = frozenset({"serve"})
    risk = "approved on the default of {lacking}"

    default: Annotated[str, Field(min_length=1, max_length=100)]

    @property
    def words(self) -> str:
        """`default safe`."""
        return f"default {self.default}"
