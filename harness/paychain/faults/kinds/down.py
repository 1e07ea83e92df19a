"""`down`: the callee is unreachable."""

from __future__ import annotations

from paychain.faults.kind import Facts, HopFaultKind, Search
from paychain.faults.toxic_spec import ToxicSpec


class Down(HopFaultKind):
    """The callee is unreachable: new connections are refused, open ones close.

    With a share, that part of the connections is reset before anything gets through.
    """

    facts = Facts(
        meaning="connections are refused, and open ones close",
        switch=({"share": "100%"},),
        search=Search(rank=1),
    )
    fails_calls = True

    def toxics(self) -> list[ToxicSpec]:
        """None for the whole of it: the proxy is stopped."""
        if self.share >= 1:
            return []
        # A part of the connections is cut before anything gets through, new ones and old ones.
        return [ToxicSpec("reset_peer", "upstream", {"timeout": 0})]
