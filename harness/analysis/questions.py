"""Questions that run.db answers faster than its rows could be read one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from harness.analysis.course import CELL_NS
from harness.analysis.shapes import hop_of
from harness.analysis.store import RunStore
from harness.payments.outcome import HopResult, Outcome

_WORKED = ", ".join(f"'{result.value}'" for result in HopResult if result.worked)

Cell = tuple[int, int, int]
"""One hundredth of a second: its number, how many things came up, how many went well."""


class FallbackUse(NamedTuple):
    """One payment that used one fallback, how often, and what came of it."""

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


def success_cells(store: RunStore) -> Iterator[Cell]:
    """Payments by their intended start, and how many of them were finally answered."""
    yield from store.select(
        "SELECT intended_ns / ?, COUNT(*), SUM(NOT technical) FROM txn GROUP BY 1", (CELL_NS,)
    )


def success_before(store: RunStore, first_ns: int) -> tuple[int, int]:
    """Payments that were over before the first fault, warm-up excluded; how many were answered."""
    ((offered, succeeded),) = store.select(
        "SELECT COUNT(*), COALESCE(SUM(NOT technical), 0) FROM txn "
        "WHERE NOT warm_up AND intended_ns < ? AND ended_ns <= ?",
        (first_ns, first_ns),
    )
    return offered, succeeded


def primary_cells(
    store: RunStore, link: str, operation: str, fallbacks: Iterable[str]
) -> Iterator[Cell]:
    """Payments that a call served: over its primary (well), or over one of the fallbacks."""
    yield from store.select(
        "SELECT ended_ns / ?, COUNT(*), COUNT(*) FROM hop WHERE caller = ? AND operation = ? "
        f"AND route = 0 AND result IN ({_WORKED}) GROUP BY 1",
        (CELL_NS, link, operation),
    )
    marks, kinds = _listed(fallbacks)
    yield from store.select(
        "SELECT at_ns / ?, COUNT(*), 0 FROM decision WHERE link = ? AND operation = ? "
        f"AND payment != '' AND kind IN ({marks}) GROUP BY 1",
        (CELL_NS, link, operation, *kinds),
    )


def fallback_uses(store: RunStore, kinds: Iterable[str]) -> Iterator[FallbackUse]:
    """Every payment with every fallback it used, warm-up excluded.

    Served: a hop to the fallback's target worked that began after the decision; a fallback without
    a target served when the customer was finally answered.
    """
    store.index()
    marks, listed = _listed(kinds)
    for row in store.select(
        "SELECT link, operation, kind, target, n, first_ns, intended_ns, ended_ns, technical, "
        "amount_minor, CASE target WHEN '' THEN NOT technical ELSE EXISTS ("
        " SELECT 1 FROM hop WHERE hop.payment = used.payment AND hop.caller = used.link"
        " AND hop.operation = used.operation AND hop.callee = used.target"
        f" AND hop.started_ns >= used.first_ns AND hop.result IN ({_WORKED})) END "
        "FROM (SELECT payment, link, operation, kind, target, COUNT(*) AS n,"
        f" MIN(at_ns) AS first_ns FROM decision WHERE payment != '' AND kind IN ({marks})"
        " GROUP BY payment, link, operation, kind, target) AS used "
        "CROSS JOIN txn ON txn.payment = used.payment WHERE NOT txn.warm_up",
        listed,
    ):
        yield FallbackUse(*row)


def approved_by(store: RunStore, kinds: Iterable[str]) -> Iterator[tuple[str, str, str, int, int]]:
    """Link, operation and fallback, with how many payments it led to an approval, and of what
    amount; a payment counts once for each."""
    store.index()
    marks, listed = _listed(kinds)
    yield from store.select(
        "SELECT link, operation, kind, COUNT(*), SUM(amount_minor) FROM ("
        f"SELECT DISTINCT payment, link, operation, kind FROM decision WHERE kind IN ({marks})"
        ") AS used CROSS JOIN txn ON txn.payment = used.payment "
        "WHERE NOT txn.warm_up AND txn.outcome = ? GROUP BY link, operation, kind",
        (*listed, Outcome.APPROVED.value),
    )


def payments_by_hop(
    store: RunStore, from_ns: int
) -> dict[frozenset[tuple[str, str, str, int]], int]:
    """How many payments went over which hops from a moment on, hop by caller, operation, callee
    and route. Most payments go over the same few sets of hops, so the answer is small."""
    store.index()
    found: dict[frozenset[tuple[str, str, str, int]], int] = defaultdict(int)
    shapes = {
        str(number): hop_of(parts)
        for number, parts in store.select("SELECT number, parts FROM shape WHERE kind = 'hop'", ())
    }
    for hops, n in store.select(
        "SELECT hops, COUNT(*) FROM (SELECT GROUP_CONCAT(COALESCE(shape, "
        "json_array(caller, operation, callee, route)), '\n') AS hops FROM hop "
        "WHERE started_ns >= ? GROUP BY payment) GROUP BY hops",
        (from_ns,),
    ):
        keys = hops.split("\n")
        found[frozenset(shapes.get(hop) or hop_of(hop) for hop in keys)] += n
    return found


def last_event_ns(store: RunStore) -> int | None:
    """When the last payment was final: answered, and nothing more booked or decided for it."""
    ((last,),) = store.select(
        "SELECT MAX(last) FROM (SELECT MAX(ended_ns) AS last FROM txn UNION ALL "
        "SELECT MAX(at_ns) FROM movement UNION ALL "
        "SELECT MAX(at_ns) FROM decision WHERE payment != '')",
        (),
    )
    return int(last) if last is not None else None


def _listed(kinds: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    values = tuple(str(kind) for kind in kinds)
    return ", ".join("?" * len(values)), values
