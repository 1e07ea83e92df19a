"""`refuse`: new connections are refused."""

from __future__ import annotations

from paychain.faults.kind import Facts, HopFaultKind
from paychain.faults.toxic_spec import ToxicSpec


class Refuse(HopFaultKind):
    """New connections are refused; open ones keep working (embedded engine only)."""

    facts = Facts(
        meaning="new connections are refused",
        switch=({"share": "100%"},),
        search=None,
    )
    fails_calls = True

    def toxics(self) -> list[ToxicSpec]:
        """An extension of the embedded engine."""
        return [ToxicSpec("refuse", "downstream", {})]

    def stops(self, timeout_s: float) -> bool:
        """What is connected stays so."""
        return False

    @property
    def refuses_all(self) -> bool:
        """With a smaller share the proxy listens, and resets that part of the connections."""
        return self.share >= 1
