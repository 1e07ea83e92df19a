"""Payments that were approved with something missing: without authentication, say."""

from __future__ import annotations

from collections import defaultdict

from paychain.analysis.measures.fallback_kinds import FALLBACKS
from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.analysis.measures.measures import Risk
from paychain.analysis.measures.payments import phases
from paychain.analysis.store.queries import approved_by
from paychain.model.third_parties import lacking
from paychain.payments.journal import DecisionKind

# Risks of approvals that do not come from a fallback.
_OTHERS = {
    DecisionKind.AUTHENTICATION_LOST: FALLBACKS[DecisionKind.SKIP].risk_of("authentication"),
    DecisionKind.REPEATED_WITHOUT_KEY: "approved after a repeat without an idempotency key",
}


@measure("risks")
def risks(run: MeasuredRun) -> list[Risk]:
    """Approvals by fallbacks that go on without a call; one that lacks two things counts in both.

    So do approvals of a link where the authentication was not valid, and those for which an own
    service sent a request again that its provider could not know for a repeat. Warm-up excluded.
    """
    (approved,) = (phase.approved for phase in run[phases] if phase.kind == "all")
    found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    risky = [kind for kind, facts in FALLBACKS.items() if facts.risk]
    risky += _OTHERS
    for link, operation, kind, payments, amount in approved_by(run.store, risky):
        facts = FALLBACKS.get(DecisionKind(kind))
        other = _OTHERS.get(DecisionKind(kind), "")
        lacks = lacking(run.chain, link, operation)
        text = facts.risk_of(lacks) if facts is not None else other
        cell = found[f"{link}.{operation}", text]
        cell[0] += payments
        cell[1] += amount
    return [
        Risk(
            text=text,
            call=call,
            payments=payments,
            amount=amount,
            share=payments / approved if approved else None,
        )
        for (call, text), (payments, amount) in sorted(found.items())
    ]
