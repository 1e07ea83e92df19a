"""Of which payment of an order a request is, where a service names only the order to its providers.

A customer whose payment was declined pays the order again. What the service begins from then on is
for that payment, although all that it tells a provider is the order, whose id is that of its first
payment:

    customer   p1 ── declined        p1r2 ── approved
    service      authorise 1 (p1)      authorise 2 (p1, too) ─> of p1r2

A service that names p1r2 in such a request to a provider means p1 there when it says p1. A request
that is p1r2's by its trace names it, too, unless its own words say p1: they name the order.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, groupby
from operator import itemgetter
from typing import NamedTuple

from paychain.analysis.attribution.own_run import OwnRun
from paychain.analysis.store.store import RunStore
from paychain.model.operations import CUSTOMER
from paychain.payments.outcome import Outcome

_SEVERAL = (
    "SELECT [order], payment, started_ns, ended_ns, outcome FROM txn WHERE [order] IN "
    "(SELECT [order] FROM txn WHERE [order] != '' GROUP BY 1 HAVING COUNT(*) > 1) "
    "ORDER BY [order], started_ns"
)
# A payment's own trace says for certain whose a request is, and so does a service that names the
# later payment in a request of the same kind to the same link. What is found by an object or card
# and amount names none.
_BEGUN = (
    "SELECT attempt FROM received WHERE payment = ? GROUP BY attempt "
    "HAVING MIN(started_ns) >= ? AND NOT MAX([by] = 'trace' OR (link, operation) IN "
    "(SELECT link, operation FROM received WHERE payment = ? "
    "AND ([by] IN ('reference', 'key', 'other text') OR ([by] = 'trace' AND stated != ?))"
    ")) ORDER BY attempt"
)
_ATTEMPTS = "SELECT DISTINCT attempt FROM received WHERE payment = ?"
_OF_ATTEMPT = ("received", "hop", "movement", "decision")  # tables whose rows belong to one


class _Paid(NamedTuple):
    """A payment of an order that has several."""

    order: str
    payment: str
    started_ns: int
    ended_ns: int
    outcome: str


def take_over(run: OwnRun) -> None:
    """Each payment has what was begun for it in the name of a declined one of its order."""
    store = run.store
    for before, after in list(_after_declines(store)):
        values = before.payment, after.started_ns, after.payment, before.order
        begun = list(store.select(_BEGUN, values))
        taken = {attempt for (attempt,) in store.select(_ATTEMPTS, (after.payment,))}
        for (attempt,) in begun:
            number = max(taken) + 1 if attempt in taken else attempt
            taken.add(number)
            for table in _OF_ATTEMPT:
                of_links = f"AND caller != '{CUSTOMER}'" if table == "hop" else ""
                rows = store.select(
                    f"SELECT rowid FROM {table} WHERE payment = ? AND attempt = ? {of_links}",
                    (before.payment, attempt),
                )
                moved = [row for (row,) in rows]
                store.set_column(table, "payment", [(after.payment, row) for row in moved])
                store.set_column(table, "attempt", [(number, row) for row in moved])


def _after_declines(store: RunStore) -> Iterator[tuple[_Paid, _Paid]]:
    """Declined first payments, each with those of its order that began later, the last one first.

    Who names another payment than the first one does not name the order.
    """
    paid = map(_Paid._make, store.select(_SEVERAL, ()))
    for _, payments in groupby(paid, itemgetter(0)):
        for after, before in combinations(reversed(list(payments)), 2):
            is_first = before.payment == before.order
            is_declined = before.outcome == Outcome.DECLINED
            if is_first and is_declined and before.ended_ns <= after.started_ns:
                yield before, after
