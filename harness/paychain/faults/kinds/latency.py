"""`latency`: bytes are delayed."""

from __future__ import annotations

from paychain.declaration.quantity import Duration
from paychain.faults.kind import Facts, HopFaultKind, Search
from paychain.faults.stream import Stream
from paychain.faults.toxic_spec import ToxicSpec, whole_milliseconds


class Latency(HopFaultKind):
    """Every chunk of bytes is delayed."""

    facts = Facts(
        meaning="answers arrive late",
        switch=({"delay": "400ms", "jitter": "100ms", "share": "100%"},),
        search=Search(rank=4, magnitude="delay"),
    )

    delay: Duration
    jitter: Duration = 0.0
    stream: Stream = "downstream"

    def toxics(self) -> list[ToxicSpec]:
        """One latency toxic, in the direction that is delayed."""
        attributes = {
            "latency": whole_milliseconds("delay", self.delay),
            "jitter": whole_milliseconds("jitter", self.jitter),
        }
        return [ToxicSpec("latency", self.stream, attributes)]

    def stops(self, timeout_s: float) -> bool:
        """Even the shortest delay is longer than a caller waits."""
        return self.delay - self.jitter >= timeout_s
