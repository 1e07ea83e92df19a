"""`slice`: bytes arrive in small pieces."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paychain.declaration.quantity import ByteCount, Duration
from paychain.faults.kind import Facts, HopFaultKind
from paychain.faults.toxic_spec import ToxicSpec, whole_microseconds


class Slice(HopFaultKind):
    """Bytes arrive in small pieces."""

    facts = Facts(
        meaning="bytes arrive in pieces",
        switch=({"size": "16B", "delay": "10ms", "share": "100%"},),
        search=None,
    )

    size: Annotated[ByteCount, Field(gt=0)]
    delay: Duration = 0.0

    def toxics(self) -> list[ToxicSpec]:
        """One slicer, on the way back to the caller."""
        attributes = {
            "average_size": self.size,
            "size_variation": 0,
            "delay": whole_microseconds("delay", self.delay),
        }
        return [ToxicSpec("slicer", "downstream", attributes)]
