"""Queries that SQLite answers faster than Python could by reading the rows one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import ceil
from operator import itemgetter
from typing import NamedTuple

from paychain.analysis.measures.success_series import CELL_NS
from paychain.analysis.store.fallback_uses import WORKED
from paychain.analysis.store.fingerprints import Fingerprint
from paychain.analysis.store.shapes import hop_of, is_of_warm_up
from paychain.analysis.store.store import RunStore
from paychain.payments.journal import DecisionKind, MovementKind
from paychain.payments.outcome import HopResult, Outcome
from paychain.payments.rules.own_traces import SIGNED_NS
from paychain.payments.rules.traces import MOVES

# Hops and decisions that count: not those of payments of the warm-up, whenever they happened.
_MEASURED = "payment NOT IN (SELECT payment FROM txn WHERE warm_up)"

# What became of a reversal at one link; of several links the last of these stands.
_REVERSAL = (
    DecisionKind.REVERSAL_ACKNOWLEDGED,
    DecisionKind.REVERSAL_SENT,
    DecisionKind.REVERSAL_ABANDONED,
)
_SPANS = 200  # in one query: SQLite's default limit to the depth of an expression is 1,000
_Hop = tuple[str, str, str, int]  # caller, operation, callee and route
Cell = tuple[int, int, int]
"""One hundredth of a second: its number since the epoch, events in it, how many succeeded."""


class WarmUpHop(NamedTuple):
    """A hop of a payment that was made during warm-up; `result` is a HopResult."""

    caller: str
    operation: str
    callee: str
    route: int
    result: str
    took_ns: int


class PaidRow(NamedTuple):
    """What measures ask of each payment: the columns of its `PaymentRecord` with these names."""

    intended_ns: int
    started_ns: int
    ended_ns: int
    outcome: str
    technical: bool
    amount_minor: int
    warm_up: bool


def paid(store: RunStore) -> Iterator[PaidRow]:
    """Every recorded payment, without the columns that only its timeline needs."""
    columns = ", ".join(PaidRow._fields)
    yield from map(PaidRow._make, store.select(f"SELECT {columns} FROM txn", ()))


def paid_between(store: RunStore, spans: Sequence[tuple[int, int]]) -> Iterator[PaidRow]:
    """The payments that were to start in one of these spans (ns), from first to before the last.

    The spans are in order and do not overlap.
    """
    columns = ", ".join(PaidRow._fields)
    for batch in _joined(spans):
        within = " OR ".join(["intended_ns >= ? AND intended_ns < ?"] * len(batch))
        values = [moment for span in batch for moment in span]
        sql = f"SELECT {columns} FROM txn WHERE {within}"
        yield from map(PaidRow._make, store.select(sql, values))


def _joined(spans: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Spans that meet made one, some at a time: each batch costs a pass over all payments."""
    joined: list[tuple[int, int]] = []
    for first, last in spans:
        if joined and joined[-1][1] == first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    for place in range(0, len(joined), _SPANS):
        yield joined[place : place + _SPANS]


def started_before(store: RunStore, until_s: float) -> int:
    """How many payments really started before a moment, warm-up included."""
    ((number,),) = store.select("SELECT COUNT(*) FROM txn WHERE started_ns / 1e9 < ?", (until_s,))
    return int(number)


def intended_before(store: RunStore, until_s: float) -> int:
    """How many payments were to start before a moment, warm-up included."""
    ((number,),) = store.select("SELECT COUNT(*) FROM txn WHERE intended_ns / 1e9 < ?", (until_s,))
    return int(number)


def first_answer_ns(store: RunStore) -> int | None:
    """When a customer first saw that a payment is approved or declined; None for never."""
    ((at_ns,),) = store.select("SELECT MIN(ended_ns) FROM txn WHERE NOT technical", ())
    return int(at_ns) if at_ns is not None else None


def success_cells(store: RunStore) -> Iterator[Cell]:
    """Payments by their intended start; succeeded: finally answered to the customer."""
    yield from store.select(
        "SELECT intended_ns / ?, COUNT(*), SUM(NOT technical) FROM txn GROUP BY 1", (CELL_NS,)
    )


def success_before(store: RunStore, first_ns: int) -> tuple[int, int]:
    """Payments that were over before the first fault, warm-up excluded, and how many succeeded."""
    ((offered, succeeded),) = store.select(
        "SELECT COUNT(*), COALESCE(SUM(NOT technical), 0) FROM txn "
        "WHERE NOT warm_up AND intended_ns < ? AND ended_ns <= ?",
        (first_ns, first_ns),
    )
    return offered, succeeded


def primary_cells(
    store: RunStore, link: str, operation: str, fallbacks: Iterable[str]
) -> Iterator[Cell]:
    """Uses of a call that were served: succeeded are those over the primary, not a fallback."""
    yield from store.select(
        "SELECT ended_ns / ?, COUNT(*), COUNT(*) FROM hop WHERE caller = ? AND operation = ? "
        f"AND route = 0 AND result IN ({WORKED}) GROUP BY 1",
        (CELL_NS, link, operation),
    )
    marks, kinds = _listed(fallbacks)
    yield from store.select(
        "SELECT at_ns / ?, COUNT(*), 0 FROM decision WHERE link = ? AND operation = ? "
        f"AND payment != '' AND kind IN ({marks}) GROUP BY 1",
        (CELL_NS, link, operation, *kinds),
    )


def calls_with(store: RunStore, kinds: Iterable[str]) -> list[tuple[str, str]]:
    """The calls for which a payment met a decision of some kinds: link and operation, in order."""
    marks, listed = _listed(kinds)
    found = store.select(
        f"SELECT DISTINCT link, operation FROM decision WHERE payment != '' AND kind IN ({marks})",
        listed,
    )
    return sorted(found)


def approved_by(store: RunStore, kinds: Iterable[str]) -> Iterator[tuple[str, str, str, int, int]]:
    """Link, operation and kind of fallback, with approved payments that used it and their amount.

    A payment counts once for each fallback it used. Amounts are minor units.
    """
    store.index()
    marks, listed = _listed(kinds)
    yield from store.select(
        "SELECT link, operation, kind, COUNT(*), SUM(amount_minor) FROM ("
        f"SELECT DISTINCT payment, link, operation, kind FROM decision WHERE kind IN ({marks})"
        ") AS used CROSS JOIN txn ON txn.payment = used.payment "
        "WHERE NOT txn.warm_up AND txn.outcome = ? GROUP BY link, operation, kind",
        (*listed, Outcome.APPROVED.value),
    )


def approved_and_held(store: RunStore, links: Iterable[str]) -> tuple[int, int]:
    """How many approved payments some links held money for, and never captured nor released.

    Warm-up excluded. What was held at one link and released is not left when another one captured.
    """
    store.index()
    marks, listed = _listed(links)
    approved = "SELECT payment FROM txn WHERE NOT warm_up AND outcome = ?"
    at_links = f"payment IN ({approved}) AND link IN ({marks})"
    ((held, left),) = store.select(
        "SELECT COUNT(DISTINCT payment), COUNT(DISTINCT CASE WHEN stands AND payment NOT IN ("
        f" SELECT payment FROM movement WHERE kind = ? AND link IN ({marks})) THEN payment END) "
        "FROM (SELECT payment, SUM(kind = ?) = 0 AS stands FROM movement "
        f"WHERE {at_links} GROUP BY payment, link, reference HAVING SUM(kind = ?))",
        (
            MovementKind.CAPTURED.value,
            *listed,
            MovementKind.VOIDED.value,
            Outcome.APPROVED.value,
            *listed,
            MovementKind.AUTHORISED.value,
        ),
    )
    return int(held), int(left)


def declined_alone(store: RunStore, service: str, behind: Iterable[str]) -> list[str]:
    """Payments that a service asked for and then declined although none of the links behind did.

    Nobody approved one, either: money that is held after a decline is a finding of its own. Warm-up
    excluded, in the order of their ids.
    """
    store.index()
    asked = "SELECT payment FROM hop WHERE caller = ?"
    marks, listed = _listed(behind)
    declined = f"SELECT payment FROM hop WHERE callee IN ({marks}) AND result = ?"
    found = store.select(
        "SELECT payment FROM txn WHERE NOT warm_up AND outcome = ? "
        f"AND payment IN ({asked}) AND payment NOT IN ({declined}) "
        f"AND payment NOT IN ({asked} AND operation = 'authorise' AND result = ?) "
        "ORDER BY payment",
        (
            Outcome.DECLINED.value,
            service,
            *listed,
            HopResult.DECLINED.value,
            service,
            HopResult.APPROVED.value,
        ),
    )
    return [payment for (payment,) in found]


def forged_and_taken(store: RunStore, service: str) -> tuple[int, int]:
    """Webhooks that came to a service with a wrong signature, and how many it acknowledged.

    Warm-up excluded.
    """
    store.index()
    forged = f"FROM decision d WHERE d.kind = ? AND d.target = ? AND d.{_MEASURED}"
    taken = (
        "EXISTS (SELECT 1 FROM hop h WHERE h.payment = d.payment AND h.caller = d.link "
        "AND h.callee = d.target AND h.operation = d.operation AND h.attempt = d.attempt "
        "AND h.result = ? AND d.detail LIKE '% try ' || h.try_number "
        "AND h.started_ns BETWEEN d.at_ns AND d.at_ns + ?)"
    )
    kind = DecisionKind.WEBHOOK_FORGED.value
    ((sent,),) = store.select(f"SELECT COUNT(*) {forged}", (kind, service))
    ((acknowledged,),) = store.select(
        f"SELECT COUNT(*) {forged} AND {taken}",
        (kind, service, HopResult.APPROVED.value, SIGNED_NS),
    )
    return int(sent), int(acknowledged)


def asking_beside(store: RunStore, closed: Mapping[str, Collection[str]]) -> frozenset[str]:
    """The payments of which `own_traces.asks_beside` is true."""
    found: set[str] = set()
    for service, asks in closed.items():
        store.index()
        links, moves = (", ".join("?" * len(names)) for names in (asks, MOVES))
        rows = store.select(
            "SELECT asked.payment FROM hop AS asked CROSS JOIN hop AS sent INDEXED BY hop_payment "
            "ON sent.payment = asked.payment AND sent.started_ns >= asked.started_ns "
            "AND (sent.started_ns < asked.ended_ns OR sent.started_ns = asked.started_ns) "
            f"WHERE asked.caller = ? AND asked.callee IN ({links}) AND sent.caller = asked.caller "
            f"AND sent.operation IN ({moves}) AND sent.callee NOT IN ({links})",
            (service, *asks, *MOVES, *asks),
        )
        found.update(payment for (payment,) in rows)
    return frozenset(found)


def payments_by_hop(
    store: RunStore,
) -> dict[frozenset[_Hop], int]:
    """How many payments took which set of hops, warm-up excluded.

    A hop is caller, operation, callee and route. Most payments take the same few sets of hops, so
    the answer is small.
    """
    known = store.fingerprints()
    hop_shapes: dict[str, _Hop] = {}
    warm_up: set[str] = set()
    for number, kind, parts in store.select("SELECT number, kind, parts FROM shape", ()):
        if kind == "hop":
            hop_shapes[str(number)] = hop_of(parts)
        elif kind == "txn" and is_of_warm_up(parts):
            warm_up.add(str(number))
    found: dict[frozenset[_Hop], int] = defaultdict(int)
    unsaid: set[Fingerprint] = set()
    for fingerprint, payments in known.counts():
        customer, hops = fingerprint.shapes("txn"), fingerprint.shapes("hop")
        if customer is None or hops is None:
            unsaid.add(fingerprint)
        elif hops and not warm_up.intersection(customer):
            found[frozenset(hop_shapes[hop] for hop in hops)] += payments
    # Few payments are of no customer, or beyond the limits on shapes: their hops are read.
    rest = [*known.strangers]
    if unsaid:
        rest += [payment for payment, fingerprint in known.payments() if fingerprint in unsaid]
    for payment in rest:
        rows = store.select(
            "SELECT DISTINCT caller, operation, callee, route FROM hop "
            f"WHERE payment = ? AND {_MEASURED}",
            (payment,),
        )
        if taken := frozenset(map(tuple, rows)):
            found[taken] += 1
    return found


def late_warm_up_hops(store: RunStore, from_ns: int) -> Iterator[WarmUpHop]:
    """Hops of warm-up payments that started when the warm-up was over: their captures, say.

    The totals per second count these, since a hop alone does not say whose it is.
    """
    store.index()
    yield from map(
        WarmUpHop._make,
        store.select(
            "SELECT caller, operation, callee, route, result, hop.ended_ns - hop.started_ns "
            "FROM (SELECT DISTINCT payment FROM txn WHERE warm_up) AS paid "
            "CROSS JOIN hop ON hop.payment = paid.payment WHERE hop.started_ns >= ?",
            (from_ns,),
        ),
    )


def reversal_ends(store: RunStore) -> Iterator[DecisionKind]:
    """How far each reversal came, warm-up excluded: sent, acknowledged or abandoned.

    A reversal is one authorisation's, over however many links it is passed on: it is acknowledged
    once each of them was answered, and abandoned when one of them gave it up.
    """
    store.index()
    marks, listed = _listed(_REVERSAL)
    rows = store.select(
        "SELECT payment, link, target, detail, kind FROM decision "
        f"WHERE kind IN ({marks}) AND {_MEASURED} ORDER BY payment, at_ns, rowid",
        listed,
    )
    for _, of_payment in groupby(rows, itemgetter(0)):
        ends: defaultdict[str, dict[tuple[str, str], DecisionKind]] = defaultdict(dict)
        for _, link, target, detail, kind in of_payment:
            # What one link sent again after it gave up counts as it ended then.
            ends[detail.partition(" after ")[0]][link, target] = DecisionKind(kind)
        for of_links in ends.values():
            yield max(of_links.values(), key=_REVERSAL.index)


def calls_of(store: RunStore, payment: str) -> Iterator[tuple[tuple[str, str], int]]:
    """The calls of a payment: caller and operation, and how many executions were sent."""
    for caller, operation, sent in store.select(
        "SELECT caller, operation, SUM(result != ?) FROM hop WHERE payment = ? GROUP BY 1, 2",
        (HopResult.NOT_TRIED.value, payment),
    ):
        yield (caller, operation), sent


def breaker_events(store: RunStore) -> Iterator[tuple[tuple[str, str, str], str, int]]:
    """Every change of a breaker in order: its link, operation and target, what, and when (ns)."""
    kinds = (
        DecisionKind.BREAKER_OPENED,
        DecisionKind.BREAKER_HALF_OPEN,
        DecisionKind.BREAKER_CLOSED,
    )
    marks, listed = _listed(kinds)
    for link, operation, target, kind, at_ns in store.select(
        "SELECT link, operation, target, kind, at_ns FROM decision "
        f"WHERE kind IN ({marks}) ORDER BY at_ns",
        listed,
    ):
        yield (link, operation, target), kind, at_ns


def last_event_ns(store: RunStore) -> int | None:
    """When the last payment was final: answered, and nothing more booked or decided for it."""
    ((last,),) = store.select(
        "SELECT MAX(last) FROM (SELECT MAX(ended_ns) AS last FROM txn UNION ALL "
        "SELECT MAX(at_ns) FROM movement UNION ALL "
        "SELECT MAX(at_ns) FROM decision WHERE payment != '')",
        (),
    )
    return int(last) if last is not None else None


def last_done(store: RunStore, since_s: float) -> dict[str, float]:
    """Until which second each link still did what follows a payment: `gateway capture`, say.

    Seconds since the run's epoch, rounded down to whole ones of the load, the latest first. Only
    what was certainly done after `since_s`: the second in which that lies does not count.
    """
    start_s = store.start_ns / 1e9
    first = ceil(round(since_s - start_s, 3))  # a float may be a little above a whole second
    rows = store.select(
        "SELECT link, operation, MAX(second) FROM agg_decision "
        "WHERE second >= ? AND operation != '' GROUP BY link, operation ORDER BY 3 DESC, 1, 2",
        (first,),
    )
    return {f"{link} {operation}": start_s + second for link, operation, second in rows}


def _listed(kinds: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    values = tuple(str(kind) for kind in kinds)
    return ", ".join("?" * len(values)), values
