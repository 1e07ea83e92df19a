"""`late_answer`: the link starts its work late."""

from __future__ import annotations

from paychain.declaration.quantity import Duration
from paychain.faults.effects import jittered
from paychain.faults.kind import Facts, RequestFaultKind, Search


class LateAnswer(RequestFaultKind):
    """The link delays its work, so that a reversal may overtake the request."""

    facts = Facts(
        meaning="starts its work late",
        switch=({"delay": "3s", "share": "50%"},),
        search=Search(rank=9, magnitude="delay", on_calls=True),
    )

    delay: Duration
    jitter: Duration = 0.0

    def delay_before_s(self, chance: float) -> float:
        """The delay in seconds, its jitter drawn by a `chance` in [0, 1)."""
        return jittered(self.delay, self.jitter, chance)
