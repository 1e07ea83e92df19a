"""Which decisions are fallbacks: one line for each. The measures know no kind by name."""

from __future__ import annotations

from dataclasses import dataclass

from harness.payments.journal import DecisionKind

_LACKING = {
    "screen": "fraud screening", "authenticate": "authentication", "tokenise": "tokenisation"
}  # fmt: skip


@dataclass(frozen=True)
class FallbackKind:
    """What the measures have to know of a kind of fallback."""

    stands_in: bool  # it takes the primary's place, so that there is a way back to the primary
    risk: str = ""  # what an approval by it lacks; {lacking} is what the call would have given

    def risk_of(self, operation: str) -> str:
        """The risk in words: `approved without authentication`."""
        return self.risk.format(lacking=_LACKING.get(operation, operation))


FALLBACKS: dict[DecisionKind, FallbackKind] = {
    DecisionKind.RETRY: FallbackKind(stands_in=False),
    DecisionKind.HEDGE: FallbackKind(stands_in=False),
    DecisionKind.FAILOVER: FallbackKind(stands_in=True),
    DecisionKind.SKIP: FallbackKind(stands_in=True, risk="approved without {lacking}"),
    DecisionKind.EXEMPT: FallbackKind(stands_in=True, risk="approved without {lacking}"),
    DecisionKind.STAND_IN: FallbackKind(stands_in=True, risk="approved by stand-in"),
    DecisionKind.QUEUE: FallbackKind(stands_in=True, risk="approved before it was authorised"),
    DecisionKind.DECLINE: FallbackKind(stands_in=True),
}
STANDBYS = frozenset(kind for kind, facts in FALLBACKS.items() if facts.stands_in)
GOES_ON = frozenset(kind for kind, facts in FALLBACKS.items() if facts.risk)  # without the call
