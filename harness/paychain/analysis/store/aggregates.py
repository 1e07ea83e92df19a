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
PAYMENTS = "agg_payment"
_KEYS: dict[type[Any], tuple[str, tuple[str, ...]]] = {
    PaymentRecord: (PAYMENTS, ("warm_up", "outcome", "technical")),
    HopRecord: ("agg_hop", ("warm_up", "caller", "operation", "callee", "route", "result")),
    Movement: ("agg_movement", ("link", "kind", "currency")),
    Decision: ("agg_decision", ("link", "operation", "kind", "target")),
}
AGGREGATED = tuple(_KEYS)
AGGREGATES = [table for table, _ in _KEYS.values()]
_VALUES = ("n", "amount_minor", "latencies")
_OF_PAYMENTS = ("lags", "longest_ns", "longest_lag_ns", "first_end_ns", "last_end_ns")


class Total(NamedTuple):
    """How many records were alike in one second, with their amounts and latencies.

    `alike` has the columns of the table's key, see _KEYS; amounts are minor units.
    """

    second: int
    alike: tuple[Any, ...]
    n: int
    amount_minor: int
    latencies_ns: Histogram


class PaymentTotal(NamedTuple):
    """A second's payments that were alike: how late they were started, and when they ended, too.

    `longest_ns` and `longest_lag_ns` are 0 at the least.
    """

    total: Total
    lags_ns: Histogram
    longest_ns: int
    longest_lag_ns: int
    first_end_ns: int
    last_end_ns: int


class _Cell:
    __slots__ = ("amount_minor", "latencies_ns", "n")

    def __init__(self) -> None:
        self.n = self.amount_minor = 0
        self.latencies_ns = Histogram()

    def values(self) -> tuple[Any, ...]:
        """What a row has after its key."""
        return self.n, self.amount_minor, self.latencies_ns.packed()


class _PaymentCell(_Cell):
    __slots__ = ("first_end_ns", "lags_ns", "last_end_ns", "longest_lag_ns", "longest_ns")

    def __init__(self) -> None:
        super().__init__()
        self.lags_ns = Histogram()
        self.longest_ns = self.longest_lag_ns = 0
        self.first_end_ns: int | None = None
        self.last_end_ns: int | None = None

    def add(self, payment: PaymentRecord) -> None:
        """Count a payment."""
        self.n += 1
        self.amount_minor += payment.amount_minor
        ended_ns = payment.ended_ns
        latency_ns = ended_ns - payment.intended_ns
        lag_ns = payment.started_ns - payment.intended_ns
        self.latencies_ns.add(latency_ns)
        self.lags_ns.add(lag_ns)
        if latency_ns > self.longest_ns:
            self.longest_ns = latency_ns
        if lag_ns > self.longest_lag_ns:
            self.longest_lag_ns = lag_ns
        if self.first_end_ns is None or ended_ns < self.first_end_ns:
            self.first_end_ns = ended_ns
        if self.last_end_ns is None or ended_ns > self.last_end_ns:
            self.last_end_ns = ended_ns

    def values(self) -> tuple[Any, ...]:
        """What a row has after its key."""
        longest = (self.longest_ns, self.longest_lag_ns)
        ends = (self.first_end_ns, self.last_end_ns)
        return (*super().values(), self.lags_ns.packed(), *longest, *ends)


class Aggregates:
    """Totals of the last few seconds in memory, and of all before them in the run's database."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._start_ns = self._measured_ns = 0
        self._newest = 0
        self._payments: dict[tuple[Any, ...], _PaymentCell] = {}
        self._cells: dict[type[Any], Any] = {kind: {} for kind in _KEYS}
        self._cells[PaymentRecord] = self._payments

    def create(self) -> None:
        """Create the tables, empty."""
        for table, columns in _KEYS.values():
            values = _VALUES if table != PAYMENTS else (*_VALUES, *_OF_PAYMENTS)
            self._db.execute(f"CREATE TABLE {table} ({', '.join(('second', *columns, *values))})")

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
            self._count_payments(records)
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
            f"SELECT second, {', '.join((*columns, *_VALUES))} FROM {table} ORDER BY second, rowid"
        ):
            assert len(alike) == len(columns)
            latencies_ns = Histogram.unpacked(latencies)
            # Movements and decisions have no latency; payments and hops have one each.
            assert latencies_ns.total in (0, n)
            yield Total(second, tuple(alike), n, amount_minor, latencies_ns)

    def payments(self) -> Iterator[PaymentTotal]:
        """The totals of payments with all that is known of them, by second."""
        values = ", ".join(_OF_PAYMENTS)
        rows = self._db.execute(f"SELECT {values} FROM {PAYMENTS} ORDER BY second, rowid")
        for total, (lags, *others) in zip(self.totals(PaymentRecord), rows, strict=True):
            yield PaymentTotal(total, Histogram.unpacked(lags), *others)

    def write(self, before: int | None = None) -> None:
        """Write what is in memory: all of it, or only the seconds before `before`."""
        for kind, cells in self._cells.items():
            over = [key for key in cells if before is None or key[0] < before]
            table, _ = _KEYS[kind]
            rows = [(*key, *cells.pop(key).values()) for key in over]
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                self._db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)

    def _count_payments(self, payments: Sequence[PaymentRecord]) -> None:
        cells = self._payments
        for payment in payments:
            second = (payment.intended_ns - self._start_ns) // SECOND_NS
            key = (second, payment.warm_up, payment.outcome, payment.technical)
            cell = cells.get(key)
            if cell is None:
                self._newest = max(self._newest, second)
                cell = cells[key] = _PaymentCell()
            cell.add(payment)

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
        cells: dict[tuple[Any, ...], _Cell] = self._cells[kind]
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
