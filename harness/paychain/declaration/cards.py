"""Which cards a fault or a fallback is for: by scheme and by card range."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from paychain.declaration.schema import Declared

_RANGE = re.compile(r"([0-9]{1,11})(?:\s*-\s*([0-9]{1,11}))?")
Scheme = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


def card_range(value: Any) -> str:
    """`4000-4099` or `424242`: first digits of card numbers, both ends of equal length.

    Raises ValueError with a message `what; hint`.
    """
    match = _RANGE.fullmatch(str(value))
    if match is None or isinstance(value, bool):
        raise ValueError(f"'{value}' is not a card range; write first digits such as 4000-4099")
    first, last = match[1], match[2] or match[1]
    if len(first) != len(last) or first > last:
        what = f"'{value}' is not a card range"
        raise ValueError(f"{what}; write both ends with the same number of digits, lower end first")
    return f"{first}-{last}"


CardRange = Annotated[
    str,
    BeforeValidator(card_range),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["4000-4099"]}),
]


class Cards(Declared):
    """The cards of these schemes and, when ranges are given, of one of these ranges."""

    schemes: list[Scheme] = []
    ranges: list[CardRange] = []

    def has(self, number: str, scheme: str) -> bool:
        """Whether a card is one of these cards."""
        if self.schemes and scheme not in self.schemes:
            return False
        return not self.ranges or any(_is_in(card_range, number) for card_range in self.ranges)


def _is_in(card_range: str, number: str) -> bool:
    first, last = card_range.split("-")
    return first <= number[: len(first)] <= last
