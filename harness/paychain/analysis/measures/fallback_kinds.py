"""Which decisions are fallbacks, derived from the steps a chain may declare."""

from __future__ import annotations

from dataclasses import dataclass

from paychain.model.fallbacks import STEPS
from paychain.payments.journal import DecisionKind


@dataclass(frozen=True)
class FallbackKind:
    """What the measures have to know of a kind of fallback."""

    stands_in: bool  # it takes the primary's place, so that there is a way back to the primary
    risk: str = ""  # what an approval by it lacks; {lacking} is what the call would have given

    def risk_of(self, lacking: str) -> str:
        """The risk in words: `approved without authentication`."""
        return self.risk.format(lacking=lacking)


# Sending again, there or to another of many nodes, is the call's own policy; every other fallback
# is a step that a chain declares.
FALLBACKS: dict[DecisionKind, FallbackKind] = {
    DecisionKind.RETRY: FallbackKind(stands_in=False),
    DecisionKind.HEDGE: FallbackKind(stands_in=False),
    DecisionKind.RE_PICKED: FallbackKind(stands_in=False),
    **{step.decision: FallbackKind(stands_in=True, risk=step.risk) for step in STEPS.values()},
}
STANDBYS = frozenset(kind for kind, facts in FALLBACKS.items() if facts.stands_in)
GOES_ON = frozenset(kind for kind, facts in FALLBACKS.items() if facts.risk)  # without the call
