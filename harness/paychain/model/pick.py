"""How a call chooses among many links that do the same, and how many of them have to agree."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """`ask` of the links are asked at once, and one of `re_pick` others for each without an answer.

    `agree`: answers that a call needs. `needs`: links that a payment needs in the end, over all its
    calls. `timeout`: seconds that one link has to answer.
    """

    of: tuple[str, ...]
    ask: int
    agree: int
    re_pick: int
    timeout: float
    needs: int

    @property
    def most(self) -> int:
        """How many of the links one call asks at most."""
        return min(len(self.of), self.ask + self.re_pick)
