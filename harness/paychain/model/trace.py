"""Trace numbers: what a caller tells its requests apart by where there are no idempotency keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.declaration.schema import Declared


class Trace(Declared):
    """The callee recognises a repeat by its trace number, which the caller counts (ISO 8583, DE11).

    The counter wraps around after the last number with this many digits. The time at which a
    request was first sent (DE7) distinguishes two requests with the same number; without it
    (`with_time: false`) the second is treated as a repeat of the first for as long as the callee
    remembers the first. That mistake is common, so it can be declared and tested.
    """

    digits: Annotated[
        int, Field(ge=1, le=12, description="Digits of the number: six in ISO 8583.")
    ] = 6
    with_time: Annotated[
        bool, Field(description="Whether the time of the first try is part of the identification.")
    ] = True

    @property
    def numbers(self) -> int:
        """How many requests have distinct numbers before the counter wraps around."""
        return int(10**self.digits)
