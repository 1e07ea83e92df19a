"""Cards: money is held first and taken later. Source: docs/domain.md §1.1 and §1.9."""

from __future__ import annotations

from paychain.payments.journal import Verb
from paychain.payments.rails.rail import Rail

CARD = Rail(
    name="card",
    makes={
        "authorise": Verb.HOLD,
        "void": Verb.RELEASE,
        "capture": Verb.MOVE,
        "refund": Verb.RETURN,
    },
    on_unknown=("reverse", "query", "resend"),
)
