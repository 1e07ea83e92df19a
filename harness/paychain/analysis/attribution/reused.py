"""Requests of own services under an idempotency key that belongs to another payment."""

from __future__ import annotations

from collections.abc import Iterator

from paychain.analysis.attribution.own_run import OwnRun
from paychain.analysis.store.store import RunStore
from paychain.payments.journal import Decision, DecisionKind


def reused_keys(run: OwnRun) -> None:
    """Each request under another payment's key is a decision of its service."""
    run.store.ingest(_reused_keys(run.store))


def _reused_keys(store: RunStore) -> Iterator[Decision]:
    """Requests whose key another payment has used before at the same link."""
    rows = store.select(
        "SELECT r.caller, r.link, r.payment, r.attempt, r.operation, r.started_ns, first.payment "
        "FROM received r JOIN (SELECT link, key, payment, MIN(started_ns) FROM received "
        "WHERE key != '' AND payment != '' GROUP BY link, key "
        "HAVING COUNT(DISTINCT payment) > 1) first ON first.link = r.link AND first.key = r.key "
        "WHERE r.payment != first.payment AND r.payment != '' ORDER BY r.payment, r.started_ns",
        (),
    )
    for caller, link, payment, attempt, operation, started_ns, owner in rows:
        yield Decision(
            link=caller,
            kind=DecisionKind.KEY_REUSED,
            at_ns=started_ns,
            payment=payment,
            attempt=attempt,
            operation=operation,
            target=link,
            detail=owner,
        )
