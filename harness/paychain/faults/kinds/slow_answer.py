"""`slow_answer`: the link answers late."""

from __future__ import annotations

from paychain.declaration.quantity import Duration
from paychain.faults.effects import jittered
from paychain.faults.kind import Facts, RequestFaultKind, Search


class SlowAnswer(RequestFaultKind):
    """The link does the work and delays its answer."""

    facts = Facts(
        meaning="works, answers late",
        switch=({"delay": "2s", "share": "100%"},),
        search=Search(rank=3, magnitude="delay", on_calls=True),
    )

    delay: Duration
    jitter: Duration = 0.0

    def delay_after_s(self, chance: float) -> float:
        """The delay in seconds, its jitter drawn by a `chance` in [0, 1)."""
        return jittered(self.delay, self.jitter, chance)
