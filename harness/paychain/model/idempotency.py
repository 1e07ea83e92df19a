"""How a link treats repeated requests, as declared."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from paychain.declaration.quantity import Duration
from paychain.declaration.schema import Declared

IdempotencyModel = Literal[
    "none",
    "keyed",
    "stripe-v1",
    "stripe-v2",
    "checkout",
    "square",
    "ppro",
    "whop",
    "adyen",
    "ietf",
    "braintree",
    "paypal",
]


class Idempotency(Declared):
    """Which provider's model a link follows; `window` overrides how long a key is known.

    A link forgets a payment, too, when nothing has come for it for that long, and for twice the
    longest wait that the chain declares; beside own services it forgets none.

    Short form: `idempotency: stripe-v1`. Source: docs/domain.md §2.3.
    """

    model: IdempotencyModel = "keyed"
    window: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"model": value} if isinstance(value, str) else value
