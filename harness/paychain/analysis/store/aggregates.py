"""Totals of a run, second by second: counted while records come in, kept when rows are thinned.

Seconds count from the start of the load. A hop and a decision belong to the second in which they
started, a payment to that of its intended start, a movement to that in which it was booked. What
started before warm-up was over is marked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from paychain.analysis.measures.histogram import Histogram
from paychain.payments.journal import Decision, HopRecord, Movement, PaymentRecord

SECOND_NS = 1_000_000_000
LATE_S = 5  # a second is written when records are this much newer; later ones add another row
_KEYS: dict[type[Any], tuple[str, tuple[str, ...]]] = {
    PaymentRecord: ("agg_payment", ("warm_up", "outcome", "technical")),
    HopRecord: ("agg_hop", ("warm_up", "caller", "operation", "callee", "route", "result")),
    Movement: ("agg_movement", ("link", "kind", "currency")),
    Decision: ("agg_decision", ("link", "operation", "kind", "target")),
}
AGGREGATED = tuple(_KEYS)
AGGREGATES = [table for table, _ in _KEYS.values()]
_VALUES = ("n", "amount_minor", "latencies")


class Total(NamedTuple):
    """How many records were alike in one second, with their amounts and latencies.

    `alike` has the columns of the table's key, see _KEYS; amounts are minor units.
    """

    second: int
    alike: tuple[Any, ...]
    n: int
    amount_minor: int
    latencies_ns: Histogram


class _Cell:
    __slots__ = ("amount_minor", "latencies_ns", "n")

    def __init__(self) -> None:
        self.n = self.amount_minor = 0
        self.latencies_ns = Histogram()


class Aggregates:
    """Totals of the last few seconds in memory, and of all before them in the run's database."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._start_ns = self._measured_ns = 0
        self._newest = 0
        self._cells: dict[type[Any], dict[tuple[Any, ...], _Cell]] = {kind: {} for kind in _KEYS}

    def create(self) -> None:
        """Create the tables, empty."""
        for table, columns in _KEYS.values():
            self._db.execute(f"CREATE TABLE {table} ({', '.join(('second', *columns, *_VALUES))})")

    def clear(self) -> None:
        """Forget everything that was counted."""
        for kind, (table, _) in _KEYS.items():
            self._db.execute(f"DELETE FROM {table}")
            self._cells[kind].clear()
        self._newest = 0

    def begin(self, load_start_s: float, before_start_s: float) -> None:
        """Set when the load starts and when its warm-up is over: before the first record."""
        was = (self._start_ns, self._measured_ns)
        self._start_ns, self._measured_ns = int(load_start_s * 1e9), int(before_start_s * 1e9)
        assert not self._newest or was == (self._start_ns, self._measured_ns)

    def count(self, kind: type[Any], records: Sequence[Any]) -> None:
        """Count records of one kind. Costs about a microsecond each."""
        if kind is HopRecord:
            self._count_hops(records)
        elif kind is PaymentRecord:
            for payment in records:
                cell = self._cell(
                    kind,
                    payment.intended_ns,
                    (payment.warm_up, payment.outcome, payment.technical),
                )
                cell.amount_minor += payment.amount_minor
                cell.latencies_ns.add(payment.ended_ns - payment.intended_ns)
        elif kind is Movement:
            for movement in records:
                cell = self._cell(
                    kind, movement.at_ns, (movement.link, movement.kind, movement.currency)
                )
                cell.amount_minor += movement.amount_minor
        elif kind is Decision:
            for decision in records:
                self._cell(
                    kind,
                    decision.at_ns,
                    (decision.link, decision.operation, decision.kind, decision.target),
                )
        self._write_old()

    def totals(self, kind: type[Any]) -> Iterator[Total]:
        """Every total of one kind, by second; records that came late are a total of their own."""
        table, columns = _KEYS[kind]
        for second, *alike, n, amount_minor, latencies in self._db.execute(
            f"SELECT * FROM {table} ORDER BY second"
        ):
            assert len(alike) == len(columns)
            latencies_ns = Histogram.unpacked(latencies)
            # Movements and decisions have no latency; payments and hops have one each.
            assert latencies_ns.total in (0, n)
            yield Total(second, tuple(alike), n, amount_minor, latencies_ns)

    def write(self, before: int | None = None) -> None:
        """Write what is in memory: all of it, or only the seconds before `before`."""
        for kind, cells in self._cells.items():
            over = [key for key in cells if before is None or key[0] < before]
            table, columns = _KEYS[kind]
            marks = ", ".join("?" * (1 + len(columns) + len(_VALUES)))
            self._db.executemany(
                f"INSERT INTO {table} VALUES ({marks})",
                [
                    (*key, cell.n, cell.amount_minor, cell.latencies_ns.packed())
                    for key in over
                    for cell in (cells.pop(key),)
                ],
            )

    def _count_hops(self, hops: Sequence[HopRecord]) -> None:
        """Count hops as `_cell` does, but inline: they are most of all records."""
        start, measured, cells = self._start_ns, self._measured_ns, self._cells[HopRecord]
        for hop in hops:
            at_ns = hop.started_ns
            key = (
                (at_ns - start) // SECOND_NS,
                at_ns < measured,
                hop.caller,
                hop.operation,
                hop.callee,
                hop.route,
                hop.result,
            )
            cell = cells.get(key)
            if cell is None:
                cell = self._new(cells, key)
            cell.n += 1
            cell.latencies_ns.add(hop.ended_ns - at_ns)

    def _cell(self, kind: type[Any], at_ns: int, alike: tuple[Any, ...]) -> _Cell:
        """The cell of a record, one record richer."""
        key = ((at_ns - self._start_ns) // SECOND_NS, *alike)
        cells = self._cells[kind]
        cell = cells.get(key) or self._new(cells, key)
        cell.n += 1
        return cell

    def _new(self, cells: dict[tuple[Any, ...], _Cell], key: tuple[Any, ...]) -> _Cell:
        self._newest = max(self._newest, key[0])
        cell = cells[key] = _Cell()
        return cell

    def _write_old(self) -> None:
        """Keep only a few seconds in memory."""
        for cells in self._cells.values():
            # Cells are in the order of their first record, so the first is about the oldest.
            first = next(iter(cells), None)
            if first is not None and first[0] < self._newest - 2 * LATE_S:
                self.write(self._newest - LATE_S)
                return
