"""How a link treats repeated requests, as declared."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from harness.model.quantity import Duration
from harness.model.schema import Declared

IdempotencyModel = Literal[
    "none", "keyed", "stripe-v1", "stripe-v2", "checkout", "ppro", "whop", "adyen", "ietf"
]


class Idempotency(Declared):
    """Which provider's model a link follows; `window` overrides how long a key is known.

    Short: `idempotency: stripe-v1`.
    """

    model: IdempotencyModel = "keyed"
    window: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"model": value} if isinstance(value, str) else value
