"""What the observed requests of one payment show together, payment by payment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from paychain.analysis.attribution.keys import captured_again, refunded_again, repeated_without_key
from paychain.analysis.attribution.observed import ObservedRequest, by_payment
from paychain.analysis.attribution.own_run import OwnRun
from paychain.analysis.attribution.uncaptured import missed_captures
from paychain.analysis.store.store import RunStore
from paychain.payments.journal import Decision

Shown = Callable[[RunStore, str, Sequence[ObservedRequest]], Iterable[Decision]]
# What is looked for is a function and a line in one of these; of requests of no payment, "",
# nothing is booked.
OF_ANY: tuple[Shown, ...] = (repeated_without_key,)
OF_PAYMENT: tuple[Shown, ...] = (captured_again, refunded_again, missed_captures)


def shown_by_requests(run: OwnRun) -> None:
    """Whatever the requests of one payment show together is a decision of their service."""
    for payment, requests in by_payment(run.store):
        for shown in (*OF_ANY, *OF_PAYMENT) if payment else OF_ANY:
            # A list: what is being read must not grow meanwhile.
            run.store.ingest(list(shown(run.store, payment, requests)))
