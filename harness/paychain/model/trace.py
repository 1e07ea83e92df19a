"""Trace numbers: what a caller tells its requests apart by where there are no idempotency keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.declaration.schema import Declared


class Trace(Declared):
    """The callee recognises a repeat by its trace number, which the caller counts (ISO 8583, DE11).

    It starts again after the last number of so many digits. With the time at which a request was
    first sent (DE7) two of one number are told apart; without it (`with_time: false`) the second is
    taken for a repeat of the first for as long as the callee knows that: a mistake that is common,
    so it can be declared and tested.
    """

    digits: Annotated[int, Field(ge=1, le=12, description="Of the number: six in ISO 8583.")] = 6
    with_time: Annotated[
        bool, Field(description="Whether the time of the first try belongs to it.")
    ] = True

    @property
    def numbers(self) -> int:
        """How many requests have numbers of their own."""
        return int(10**self.digits)
