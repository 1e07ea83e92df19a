"""`to`: another link is asked."""

from __future__ import annotations

from paychain.declaration.text import KeyPath
from paychain.model.fallbacks.step import Failover


class FailoverTo(Failover):
    """Send the same operation to another link; `cards`: only for these."""

    to: str

    @property
    def words(self) -> str:
        """The step in words: `or processor-b`."""
        return f"or {self.to}" + (" for some cards" if self.cards is not None else "")

    def named(self) -> list[tuple[str, KeyPath]]:
        """The only link."""
        return [(self.to, ("to",))]
