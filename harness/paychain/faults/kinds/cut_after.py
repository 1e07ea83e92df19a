"""`cut_after`: answers are cut off."""

from __future__ import annotations

from paychain.declaration.quantity import ByteCount
from paychain.faults.kind import Facts, HopFaultKind
from paychain.faults.toxic_spec import ToxicSpec

MIN_ANSWER_BYTES = 100  # no answer is as short


class CutAfter(HopFaultKind):
    """The connection closes after this many bytes of an answer."""

    facts = Facts(
        meaning="answers are cut off",
        switch=({"after": "80B", "share": "100%"},),
        search=None,
    )

    after: ByteCount

    def toxics(self) -> list[ToxicSpec]:
        """One on the way back to the caller."""
        return [ToxicSpec("limit_data", "downstream", {"bytes": self.after})]

    def stops(self, timeout_s: float) -> bool:
        """No answer is so short that it gets through whole."""
        return self.after < MIN_ANSWER_BYTES
