"""`slow_close`: connections close late."""

from __future__ import annotations

from paychain.declaration.quantity import Duration
from paychain.faults.kind import Facts, HopFaultKind
from paychain.faults.toxic_spec import ToxicSpec, whole_milliseconds


class SlowClose(HopFaultKind):
    """Closing a connection takes this long."""

    facts = Facts(
        meaning="connections close late",
        switch=({"delay": "1s", "share": "100%"},),
        search=None,
    )

    delay: Duration

    def toxics(self) -> list[ToxicSpec]:
        """One on the way back to the caller."""
        delay = whole_milliseconds("delay", self.delay)
        return [ToxicSpec("slow_close", "downstream", {"delay": delay})]
