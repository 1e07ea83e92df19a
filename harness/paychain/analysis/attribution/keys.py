"""How an own service uses idempotency keys: one for two payments, or none on a repeat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paychain.analysis.attribution.hops import operation_of, result_of
from paychain.analysis.attribution.observed import ObservedRequest
from paychain.analysis.store.store import RunStore
from paychain.model.operations import MONEY
from paychain.payments.journal import Decision, DecisionKind


def repeated_without_key(payment: str, requests: Sequence[ObservedRequest]) -> Iterator[Decision]:
    """Requests of one payment that were sent to a link again without a key.

    The link cannot know them for repeats: had the first one been executed, so would the second.
    What was answered for good is not repeated by another request.
    """
    last: dict[tuple[str, str, str], ObservedRequest] = {}
    for request in requests:
        operation = operation_of(request)
        if operation not in MONEY:
            continue
        call = (request.caller, request.callee, operation)
        before = last.get(call)
        last[call] = request
        # Of a request that no link has seen, a key may be anywhere in its body.
        if before is None or request.received is None or before.received is None:
            continue
        if request.key or before.key or result_of(before)[0].worked:
            continue
        yield Decision(
            link=request.caller,
            kind=DecisionKind.REPEATED_WITHOUT_KEY,
            at_ns=request.started_ns,
            payment=payment,
            attempt=request.received.attempt,
            operation=operation,
            target=request.callee,
            detail="",
        )


def reused_keys(store: RunStore) -> Iterator[Decision]:
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
