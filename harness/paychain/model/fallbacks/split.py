"""`split`: one of several links is asked, by weight."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.declaration.text import KeyPath
from paychain.model.fallbacks.step import Failover

MAX_TARGETS = 20
Weight = Annotated[int, Field(ge=1, le=1_000)]


class Split(Failover):
    """Send the same operation to one of several links, drawn by weight for each payment."""

    split: Annotated[dict[str, Weight], Field(min_length=2, max_length=MAX_TARGETS)]

    @property
    def words(self) -> str:
        """`or one of processor-b, processor-c`."""
        return f"or one of {', '.join(self.split)}"

    def named(self) -> list[tuple[str, KeyPath]]:
        """In declared order."""
        return [(name, ("split", name)) for name in self.split]
