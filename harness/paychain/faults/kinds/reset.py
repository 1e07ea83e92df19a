"""`reset`: connections are reset."""

from __future__ import annotations

from paychain.declaration.quantity import Duration
from paychain.faults.kind import Facts, HopFaultKind, Limitation, Search
from paychain.faults.toxic_spec import ToxicSpec, whole_milliseconds

# A Toxiproxy server answers nothing while a reset of its own waits: longer looks like a wedge.
MAX_TOXIPROXY_RESET_S = 1.0


class Reset(HopFaultKind):
    """The connection is reset when data arrives, after a delay."""

    facts = Facts(
        meaning="connections are reset",
        switch=({"after": "0s", "share": "50%"},),
        search=Search(rank=8, magnitude="after"),
    )
    fails_calls = True

    after: Duration = 0.0

    def toxics(self) -> list[ToxicSpec]:
        """One on the way back to the caller."""
        after = whole_milliseconds("after", self.after)
        return [ToxicSpec("reset_peer", "downstream", {"timeout": after})]

    def toxiproxy_limitation(self) -> Limitation | None:
        """A long wait blocks a Toxiproxy server."""
        if self.after <= MAX_TOXIPROXY_RESET_S:
            return None
        what = f"Toxiproxy is blocked while a reset waits {self.after:g} s"
        return what, f"write at most {MAX_TOXIPROXY_RESET_S:g}s"
