"""`blackhole`: connections stay open and carry nothing."""

from __future__ import annotations

from typing import Literal

from paychain.faults.kind import Facts, HopFaultKind, Search
from paychain.faults.toxic_spec import ToxicSpec


class Blackhole(HopFaultKind):
    """Connections stay open, and nothing gets through in either direction.

    `new`: only connections made during the fault; older ones work (embedded engine only).
    """

    facts = Facts(
        meaning="nothing gets through",
        switch=({"connections": "all", "share": "100%"},),
        search=Search(rank=7),
    )
    fails_calls = True

    connections: Literal["all", "new"] = "all"

    def toxics(self) -> list[ToxicSpec]:
        """Timeouts that never end, or an extension for new connections."""
        if self.connections == "new":
            return [ToxicSpec("blackhole", "downstream", {})]
        # Chance is drawn per toxic: with two, more connections than the share would meet one of
        # them. Where no request gets through, no answer comes back either.
        streams = ("upstream", "downstream") if self.share >= 1 else ("upstream",)
        return [ToxicSpec("timeout", stream, {"timeout": 0}) for stream in streams]

    def stops(self, timeout_s: float) -> bool:
        """With `new`, what is connected stays so."""
        return self.connections == "all"

    @property
    def extent(self) -> str:
        """A blackhole of all connections needs no extension."""
        return " of new connections only"
