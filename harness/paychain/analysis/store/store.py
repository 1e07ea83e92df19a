"""run.db: everything a run recorded, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from types import GenericAlias
from typing import Any, NamedTuple, TypeVar

import msgspec

from paychain.analysis.store import connection as connections
from paychain.analysis.store.aggregates import (
    AGGREGATED,
    AGGREGATES,
    Aggregates,
    PaymentTotal,
    Total,
)
from paychain.analysis.store.columns import as_json, quoted
from paychain.analysis.store.fingerprints import FingerprintRange, Fingerprints
from paychain.analysis.store.meta import KEPT_ONE_IN, RECORDED, TIMES, Meta
from paychain.analysis.store.shapes import SHAPED, TABLE, WITH_PARTY, Shapes
from paychain.analysis.store.thinning import MAX_HOPS, choose, copy_kept
from paychain.model.experiment import Times
from paychain.payments.errors import UserError
from paychain.payments.exchanges import HttpExchange, ReceivedRequest
from paychain.payments.journal import (
    Decision,
    DecisionKind,
    EngineEvent,
    FaultSwitch,
    HopRecord,
    LinkSwitch,
    Movement,
    MovementKind,
    PaymentRecord,
    Record,
    Stall,
)

_TABLES: dict[type[Any], str] = {
    PaymentRecord: "txn",
    HopRecord: "hop",
    Movement: "movement",
    Decision: "decision",
    FaultSwitch: "switch",
    EngineEvent: "engine_event",
    LinkSwitch: "link_switch",
    Stall: "stall",
    HttpExchange: "exchange",
    ReceivedRequest: "received",
}
_BESIDE = (HttpExchange, ReceivedRequest)  # of one payment, and no part of its story
_STORY = {  # records that belong to one payment, and the order they are read in
    PaymentRecord: "payment",
    HopRecord: "payment, started_ns, ended_ns",
    Movement: "payment",
    Decision: "payment",
}
_INDEXED = {  # with the columns that queries over whole runs need: they read the index alone
    **_STORY,
    PaymentRecord: "payment, shape, amount_minor, party",
    HopRecord: "payment, started_ns, ended_ns, shape",
    HttpExchange: "payment",
    ReceivedRequest: "payment",
}
assert tuple(_STORY) == SHAPED
Row = TypeVar("Row", bound=Record)
BATCH = 10_000  # records in memory at once
IN_MEMORY = Path(":memory:")  # SQLite's name for a database that is no file
VERSION = 8  # of the tables' columns: one more whenever they change


class RecordedPayment(NamedTuple):
    """All that is recorded of one payment: hops as they started and ended, the rest as recorded."""

    payment: str
    customer: PaymentRecord | None  # None: nothing is known of the customer's side
    hops: list[HopRecord]
    movements: list[Movement]
    decisions: list[Decision]


class RunStore(Meta):
    """One run's database: a column per field of a record, and numbers for its shape and parties.

    Lists are JSON.

    Two ways to read it in bounded memory, however long the run was: `rows` gives one kind of
    record at a time, and `stories` gives one payment at a time, with all its records::

        for story in store.stories():
            judge(story.customer, story.hops, story.movements, story.decisions)

    Somebody else may lock the file while records come in: they wait in memory until it is free.
    Every method may raise sqlite3.Error.
    """

    def __init__(self, connection: sqlite3.Connection, *, is_read_only: bool = False) -> None:
        self._connection = connection
        self._waiting: list[Record] = []  # that could not be added yet
        self._is_read_only = is_read_only
        # Nothing is added to a finished run: without an index, SQLite sorts for each query.
        self._is_indexed = is_read_only
        self._aggregates = Aggregates(connection)
        self._shapes = Shapes(connection)
        self._fingerprints: Fingerprints | None = None
        connection.execute("CREATE TEMP TABLE kept (payment PRIMARY KEY) WITHOUT ROWID")

    @classmethod
    def create(cls, path: Path) -> RunStore:
        """A new, empty store: a file, or IN_MEMORY."""
        connection = connections.create(path, VERSION)
        connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT)")
        for kind, table in _TABLES.items():
            numbers = ("shape",) if kind in SHAPED else ()
            if kind in WITH_PARTY:
                numbers = (*numbers, "party")
            columns = ", ".join((*numbers, *map(quoted, kind.__struct_fields__)))
            connection.execute(f"CREATE TABLE {table} ({columns})")
        store = cls(connection)
        store._aggregates.create()
        store._shapes.create()
        store.index()
        return store

    @classmethod
    def open(cls, path: Path) -> RunStore:
        """A finished run's store, read only.

        Raises UserError when it is none, or when another version wrote it.
        """
        return cls(connections.open_(path, VERSION, is_read_only=True), is_read_only=True)

    @classmethod
    def reopen(cls, path: Path) -> RunStore:
        """The store of a run whose process has ended, to judge it again. Raises UserError."""
        store = cls(connections.open_(path, VERSION, is_read_only=False))
        store._shapes.go_on(_TABLES[kind] for kind in WITH_PARTY)
        return store

    def check(self, folder: Path) -> None:
        """Raises UserError when the records in a run directory cannot all be read."""
        try:
            found = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            found = str(error)
        if found != "ok":
            raise UserError(f"the run.db in {folder} is damaged: {found}")
        self.facts()

    @property
    def _db(self) -> sqlite3.Connection:
        """The database, with every record in it."""
        if self._waiting:
            self._connection.execute("BEGIN IMMEDIATE")
            self._add_waiting()
        return self._connection

    def ingest(self, records: Iterable[Record]) -> None:
        """Add records, and count them in the aggregates; later when somebody locks the file."""
        self._fingerprints = None
        self._waiting += records
        if self._waiting and connections.begin_at_once(self._connection):
            self._add_waiting()

    def _add_waiting(self) -> None:
        """Add the records that wait, in the transaction that has begun."""
        records, self._waiting = self._waiting, []
        rows: dict[type[Any], list[Record]] = defaultdict(list)
        for record in records:
            rows[type(record)].append(record)
        for kind, batch in rows.items():
            for first in range(0, len(batch), BATCH):
                self._insert(kind, batch[first : first + BATCH])
            self._aggregates.count(kind, batch)
        self._db.commit()

    def _insert(self, kind: type[Any], records: Sequence[Record]) -> None:
        rows = msgspec.to_builtins(records)  # a record as plain values is [tag, field, …]
        if kind in SHAPED:
            for row, shape in zip(rows, self._shapes.numbers_of(kind, records), strict=True):
                row[0] = shape
            if kind in WITH_PARTY:
                for row, party in zip(rows, self._shapes.parties_of(records), strict=True):
                    row.insert(1, party)
        else:
            rows = [[json.dumps(v) if isinstance(v, list) else v for v in row[1:]] for row in rows]
        marks = ", ".join("?" * len(rows[0]))
        self._db.executemany(f"INSERT INTO {_TABLES[kind]} VALUES ({marks})", rows)

    def totals(self, kind: type[Row]) -> Iterator[Total]:
        """What records of one kind add up to, per second: counts, amounts, latencies."""
        if not self._is_read_only:
            self._aggregates.write()
        return self._aggregates.totals(kind)

    def payment_totals(self) -> Iterator[PaymentTotal]:
        """The totals of payments with all that is known of them, by second."""
        if not self._is_read_only:
            self._aggregates.write()
        return self._aggregates.payments()

    def rows(self, kind: type[Row]) -> Iterator[Row]:
        """All records of one kind, in the order of recording; of a thinned run, by payment."""
        return self._read(kind, "ORDER BY rowid")

    def decisions(self, kind: DecisionKind) -> Iterator[Decision]:
        """All decisions of one kind."""
        return self._read(Decision, "WHERE kind = ?", kind.value)

    def movements(self, kind: MovementKind) -> Iterator[Movement]:
        """All movements of one kind, in the order they happened."""
        return self._read(Movement, "WHERE kind = ? ORDER BY at_ns", kind.value)

    def _read(self, kind: type[Row], which: str, *values: str) -> Iterator[Row]:
        decode = msgspec.json.Decoder(kind, strict=False).decode
        for (text,) in self._db.execute(
            f"SELECT {as_json(kind)} FROM {_TABLES[kind]} {which}", values
        ):
            yield decode(text)

    def stories(self) -> Iterator[RecordedPayment]:
        """Every payment with its records, one at a time, in the order of their ids.

        Payments for which a link booked something without a record of the customer are included.
        """
        return self._merged("payment != ''")

    def broken(self) -> Iterator[RecordedPayment]:
        """Like `stories`, only of the payments that failed technically."""
        return self._merged("payment IN (SELECT payment FROM txn WHERE technical)")

    def _merged(self, which: str) -> Iterator[RecordedPayment]:
        self.index()
        sources = [self._grouped(kind, which) for kind in _STORY]
        heads = [next(source, None) for source in sources]
        while waiting := [head[0] for head in heads if head is not None]:
            payment = min(waiting)
            parts: list[list[Any]] = []
            for place, head in enumerate(heads):
                if head is not None and head[0] == payment:
                    parts.append(head[1])
                    heads[place] = next(sources[place], None)
                else:
                    parts.append([])
            yield _recorded(payment, parts)

    def story(self, payment: str) -> RecordedPayment:
        """All that is recorded of one payment; empty when there is no such payment."""
        self.index()
        nothing: tuple[str, Any] = (payment, [])
        parts = [next(self._grouped(kind, "payment = ?", payment), nothing)[1] for kind in _STORY]
        return _recorded(payment, parts)

    def _grouped(self, kind: type[Any], which: str, *values: str) -> Iterator[tuple[str, Any]]:
        """A payment's records of one kind at a time; built as JSON by SQLite, which is faster."""
        decode = msgspec.json.Decoder(GenericAlias(list, kind), strict=False).decode
        for payment, text in self._db.execute(
            f"SELECT payment, json_group_array({as_json(kind)}) FROM {_TABLES[kind]} "
            f"WHERE {which} GROUP BY payment ORDER BY payment",
            values,
        ):
            yield payment, decode(text)

    def keep(self, payment: str) -> None:
        """Keep a payment when the run is thinned: it has a finding."""
        self._db.execute("INSERT OR IGNORE INTO kept VALUES (?)", (payment,))

    def close_thinned(self, seed: int, most_hops: int = MAX_HOPS) -> None:
        """Close the store and keep a long run's file small: notable payments, a sample of the rest.

        For when all is judged. `most_hops`: about how many hops the file may keep. `kept_one_in`
        says how many the sample stands for.
        """
        self._aggregates.write()
        ((hops,),) = self._db.execute("SELECT COUNT(*) FROM hop")
        one_in = 1
        if hops > most_hops:
            self.index()
            one_in = choose(self._db, seed, hops, most_hops)
        self._write_fact(KEPT_ONE_IN, one_in)
        path = self.path
        if one_in == 1 or path is None:
            self.close()
            return
        thin = path.with_suffix(".thin")
        by_payment = [_TABLES[kind] for kind in (*_STORY, *_BESIDE)]
        whole = [table for table in _TABLES.values() if table not in by_payment]
        another = partial(connections.open_, path, VERSION, is_read_only=True)
        copy_kept(self._db, another, thin, by_payment, ["meta", TABLE, *whole, *AGGREGATES])
        self.close()
        thin.replace(path)

    def fingerprints(self, read: Sequence[FingerprintRange] = ()) -> Fingerprints:
        """Which payments went alike. The first call passes over all records: after the drain.

        `read`: all parts of them in order, where other processes have made that pass.
        """
        if self._fingerprints is None:
            self.index()
            self._db.commit()  # or it could keep other connections from reading
            another = None
            if self.path is not None:
                another = partial(connections.open_, self.path, VERSION, is_read_only=True)
            self._fingerprints = Fingerprints(self._db, another, read)
        return self._fingerprints

    def index(self) -> None:
        """Index records by payment, where that has not been done: a new store is indexed.

        Payments are recorded about in the order of their ids: that costs half a microsecond a
        record while records come in, as much as it would all at once after the drain.
        """
        if self._is_indexed:
            return
        with connections.sorting(self._db):
            for table, columns in ((_TABLES[kind], _INDEXED[kind]) for kind in _INDEXED):
                name = f"{table}_payment"
                self._db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({columns})")
        self._db.commit()
        self._is_indexed = True

    def select(self, sql: str, values: Sequence[Any]) -> Iterator[Any]:
        """Rows of a query. `sql` is our own text; every other value is bound."""
        return self._db.execute(sql, values)

    def create_table(self, name: str, columns: Sequence[str]) -> None:
        """Make a table for what is derived from the records; it is dropped with the run's rows."""
        self._db.execute(f"CREATE TEMP TABLE {name} ({', '.join(columns)})")

    def add_rows(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows to such a table."""
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)

    def set_column(self, table: str, name: str, values: Sequence[tuple[Any, int]]) -> None:
        """Set a column of a table. `values`: each with the number of its row."""
        self._db.executemany(f"UPDATE {table} SET {name} = ? WHERE rowid = ?", values)

    def begin(self, times: Times) -> None:
        """The load begins: records are added up by seconds and phases from here on.

        Before the first payment is ingested.
        """
        self._aggregates.begin(times.load_start_s, times.before_start_s)
        self._write_fact(TIMES, msgspec.to_builtins(times))

    def mark_recorded(self) -> None:
        """From here on, records are added that are made of those of the run."""
        last: dict[str, int] = {}
        for table in _TABLES.values():
            ((last[table],),) = self._db.execute(f"SELECT COALESCE(MAX(rowid), 0) FROM {table}")
        self._write_fact(RECORDED, last)

    def restore(self, times: Times) -> None:
        """Restore its state at the end of the run: remove records that were added later.

        Totals are counted anew.
        """
        for table, last in (self._fact(RECORDED) or {}).items():
            self._db.execute(f"DELETE FROM {table} WHERE rowid > ?", (last,))
        self._aggregates.clear()
        self._aggregates.begin(times.load_start_s, times.before_start_s)
        for kind in AGGREGATED:
            for batch in _batches(self.rows(kind)):
                self._aggregates.count(kind, batch)
        self.settle()

    def settle(self) -> None:
        """Write everything to the one file, and empty the log beside it."""
        database = self._db
        self._aggregates.write()
        connections.empty_log(database)

    def close(self) -> None:
        """Leave one file."""
        if self._is_read_only:
            self._connection.close()
            return
        self.settle()
        connections.close_in_one_file(self._connection, self.path)


def _recorded(payment: str, parts: Sequence[list[Any]]) -> RecordedPayment:
    """`parts`: its records, a list for each kind of `_STORY`."""
    customer, hops, movements, decisions = parts
    return RecordedPayment(payment, customer[0] if customer else None, hops, movements, decisions)


def _batches(records: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(records, BATCH)):
        yield batch
