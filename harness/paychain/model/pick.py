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
    def words(self) -> str:
        """`asks 3 of 20 and up to 4 more, 2 agree`: for the drawn chain."""
        more = f" and up to {self.most - self.ask} more" if self.most > self.ask else ""
        agree = f", {self.agree} agree" if self.agree > 1 else ""
        return f"asks {self.ask} of {len(self.of)}{more}{agree}"

    @property
    def most(self) -> int:
        """How many of the links one call asks at most."""
        return min(len(self.of), self.ask + self.re_pick)
