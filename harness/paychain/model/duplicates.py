"""A duplicate window as a link declares it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from paychain.declaration.quantity import Span
from paychain.declaration.schema import Declared
from paychain.payments.codes import DUPLICATE


class Duplicates(Declared):
    """Refuse a payment that agrees with an earlier one `by` these values, `within` a time.

    Whatever its key: a heuristic of providers beside idempotency keys. An earlier one that was
    declined or reversed does not count.
    """

    by: Annotated[
        list[Literal["card", "amount", "merchant"]],
        Field(min_length=1, description="The values in which two payments must agree."),
    ] = ["card", "amount"]
    within: Annotated[Span, Field(description="How long a payment is remembered.")]
    code: Annotated[str, Field(description="The response code of the refusal.")] = DUPLICATE
