"""`bandwidth`: a hop carries few bytes per second."""

from __future__ import annotations

from paychain.declaration.quantity import ByteRate
from paychain.faults.kind import Facts, HopFaultKind
from paychain.faults.stream import Stream
from paychain.faults.toxic_spec import ToxicSpec, Unfit

KILOBYTE = 1000  # bytes, as Toxiproxy counts


class Bandwidth(HopFaultKind):
    """The hop carries at most this many bytes per second."""

    facts = Facts(
        meaning="few bytes per second",
        switch=({"rate": "1kB/s", "share": "100%"},),
        search=None,
    )

    rate: ByteRate
    stream: Stream = "downstream"

    def toxics(self) -> list[ToxicSpec]:
        """One in the direction that is slow. Raises Unfit."""
        if self.rate % KILOBYTE:
            raise Unfit("rate is counted in whole kB/s", "write a whole number, such as 2kB/s")
        return [ToxicSpec("bandwidth", self.stream, {"rate": self.rate // KILOBYTE})]
