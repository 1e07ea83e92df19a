"""Which payments used which fallbacks, as SQLite finds it.

A process that counts a part of a run imports this, and little else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from paychain.analysis.store.fingerprints import LAST, Bound, Select
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import HopResult

WORKED = ", ".join(f"'{result.value}'" for result in HopResult if result.worked)


class FallbackUse(NamedTuple):
    """One payment that used one fallback, how often, and how it ended. Amounts are minor units.

    `first_ns`: its first use. `is_served`: the fallback's own call worked.
    """

    link: str
    operation: str
    kind: str
    target: str
    activations: int
    first_ns: int
    intended_ns: int
    ended_ns: int
    is_technical: bool
    amount_minor: int
    is_served: bool


def fallback_uses(
    select: Select, kinds: Sequence[str], after: Bound = "", upto: Bound = LAST
) -> Iterator[FallbackUse]:
    """Every payment with every fallback of `kinds` it used, warm-up excluded.

    Of the payments after one, up to another; of all of them by default.

    Served: a hop to the fallback's target worked that began after the decision, and the target got
    the payment with its authentication. What was accepted to be delivered later is served by a
    delivery that is not declined: the customer was promised it. A fallback without a target served
    the payment when the customer was finally answered. The records are indexed by payment before.
    """
    marks = ", ".join("?" * len(kinds))
    # Where all are asked for, SQLite is not to look each of them up in the index.
    is_part = after != "" or upto != LAST
    within = "payment > ? AND payment <= ?" if is_part else "payment != ''"
    values = (after, upto) if is_part else ()
    yield from map(
        FallbackUse._make,
        select(
            "SELECT link, operation, kind, target, n, first_ns, intended_ns, ended_ns, technical, "
            "amount_minor, CASE target WHEN '' THEN NOT technical ELSE EXISTS ("
            " SELECT 1 FROM hop WHERE hop.payment = used.payment AND hop.caller = used.link"
            " AND hop.operation = used.operation AND hop.callee = used.target"
            f" AND hop.started_ns >= used.first_ns AND hop.result IN ({WORKED})"
            f" AND (used.kind <> '{DecisionKind.QUEUE}' OR hop.result <> '{HopResult.DECLINED}')"
            ") AND NOT EXISTS ("
            " SELECT 1 FROM decision AS lost WHERE lost.payment = used.payment"
            f" AND lost.kind = '{DecisionKind.AUTHENTICATION_LOST}' AND lost.link = used.link"
            " AND lost.operation = used.operation AND lost.target = used.target) END "
            "FROM (SELECT payment, link, operation, kind, target, COUNT(*) AS n,"
            f" MIN(at_ns) AS first_ns FROM decision WHERE {within} AND kind IN ({marks})"
            " GROUP BY payment, link, operation, kind, target) AS used "
            "CROSS JOIN txn ON txn.payment = used.payment WHERE NOT txn.warm_up",
            (*values, *kinds),
        ),
    )
