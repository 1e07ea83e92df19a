"""run.db: everything a run recorded, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from paychain.analysis.store.aggregates import AGGREGATES, Aggregates, Total
from paychain.analysis.store.facts import RunFacts
from paychain.analysis.store.fingerprints import Fingerprints
from paychain.analysis.store.shapes import SHAPED, TABLE, WITH_PARTY, Shapes
from paychain.analysis.store.thinning import MAX_HOPS, choose, copy_kept
from paychain.model.experiment import Times
from paychain.payments.errors import UserError
from paychain.payments.exchanges import Exchange, ReceivedRequest
from paychain.payments.journal import (
    Decision,
    DecisionKind,
    EngineEvent,
    FaultSwitch,
    HopRecord,
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
    Stall: "stall",
    Exchange: "exchange",
    ReceivedRequest: "received",
}
_BESIDE = (Exchange, ReceivedRequest)  # of one payment, and no part of its story
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
    Exchange: "payment",
    ReceivedRequest: "payment",
}
assert tuple(_STORY) == SHAPED
_FACTS, _KEPT_ONE_IN = "facts", "kept_one_in"  # rows of the table `meta`
Row = TypeVar("Row", bound=Record)
VERSION = 3  # of the tables' columns: one more whenever a record gets a field
PAGE_BYTES = 16_384  # fewer, longer reads: judging a million payments takes 8 % less time
CACHE_KB = 100_000  # of pages; indexes are sorted in as much


class Story(NamedTuple):
    """All that is recorded of one payment: hops as they started and ended, the rest as recorded."""

    payment: str
    customer: PaymentRecord | None  # None: nothing is known of the customer's side
    hops: list[HopRecord]
    movements: list[Movement]
    decisions: list[Decision]


class RunStore:
    """One run's database: a column per field of a record, and numbers for its shape and parties.

    Lists are JSON.

    Two ways to read it in bounded memory, however long the run was: `rows` gives one kind of
    record at a time, and `stories` gives one payment at a time, with all its records::

        for story in store.stories():
            judge(story.customer, story.hops, story.movements, story.decisions)
    """

    def __init__(self, connection: sqlite3.Connection, *, is_read_only: bool = False) -> None:
        self._db = connection
        self._is_read_only = is_read_only
        # Nothing is added to a finished run: without an index, SQLite sorts for each query.
        self._is_indexed = is_read_only
        self._aggregates = Aggregates(connection)
        self._shapes = Shapes(connection)
        self._fingerprints: Fingerprints | None = None
        connection.execute("CREATE TEMP TABLE kept (payment PRIMARY KEY) WITHOUT ROWID")

    @classmethod
    def create(cls, path: Path) -> RunStore:
        """A new, empty store."""
        connection = sqlite3.connect(path)
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode=WAL")
        # A process that dies loses nothing by this; only a power cut could, and spools are at hand.
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KB}")
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT)")
        for kind, table in _TABLES.items():
            numbers = ("shape",) if kind in SHAPED else ()
            if kind in WITH_PARTY:
                numbers = (*numbers, "party")
            columns = ", ".join((*numbers, *map(_quoted, kind.__struct_fields__)))
            connection.execute(f"CREATE TABLE {table} ({columns})")
        store = cls(connection)
        store._aggregates.create()
        store._shapes.create()
        connection.commit()
        return store

    @classmethod
    def open(cls, path: Path) -> RunStore:
        """A finished run's store, read only.

        Raises sqlite3.OperationalError when it is none, UserError when another version wrote it.
        """
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        ((version,),) = connection.execute("PRAGMA user_version")
        if version != VERSION:
            connection.close()
            what = f"{path} has format {version}, this paychain reads format {VERSION}"
            raise UserError(what, hint="open it with the version that ran it, or run it again")
        return cls(connection, is_read_only=True)

    @property
    def path(self) -> Path | None:
        """The file; None when the store is in memory."""
        ((path,),) = self._db.execute("SELECT file FROM pragma_database_list WHERE name = 'main'")
        return Path(path) if path else None

    @property
    def folder(self) -> Path | None:
        """The run directory; None when the store is not in a file."""
        return self.path.parent if self.path is not None else None

    def ingest(self, records: Iterable[Record]) -> None:
        """Add records, and count them in the aggregates."""
        self._fingerprints = None
        rows: dict[type[Any], list[Record]] = defaultdict(list)
        for record in records:
            rows[type(record)].append(record)
        for kind, batch in rows.items():
            plain = msgspec.to_builtins(batch)  # a record as plain values is [tag, field, …]
            if kind in SHAPED:
                for row, shape in zip(plain, self._shapes.of(kind, batch), strict=True):
                    row[0] = shape
                if kind in WITH_PARTY:
                    for row, party in zip(plain, self._shapes.parties_of(batch), strict=True):
                        row.insert(1, party)
            else:
                plain = [
                    [json.dumps(v) if isinstance(v, list) else v for v in row[1:]] for row in plain
                ]
            marks = ", ".join("?" * len(plain[0]))
            self._db.executemany(f"INSERT INTO {_TABLES[kind]} VALUES ({marks})", plain)
            self._aggregates.count(kind, batch)
        if rows:
            self._db.commit()

    def totals(self, kind: type[Row]) -> Iterator[Total]:
        """What records of one kind add up to, per second: counts, amounts, latencies."""
        if not self._is_read_only:
            self._aggregates.write()
        return self._aggregates.totals(kind)

    def rows(self, kind: type[Row]) -> Iterator[Row]:
        """All records of one kind, in the order in which they came."""
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
            f"SELECT {_as_json(kind)} FROM {_TABLES[kind]} {which}", values
        ):
            yield decode(text)

    def stories(self) -> Iterator[Story]:
        """Every payment with its records, one at a time, in the order of their ids.

        Payments for which a link booked something without a record of the customer are included.
        The first call builds the indexes, so it belongs after the drain.
        """
        return self._merged("payment != ''")

    def broken(self) -> Iterator[Story]:
        """Like `stories`, only of the payments that failed technically."""
        return self._merged("payment IN (SELECT payment FROM txn WHERE technical)")

    def _merged(self, which: str) -> Iterator[Story]:
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
            customer, hops, movements, decisions = parts
            yield Story(payment, customer[0] if customer else None, hops, movements, decisions)

    def story(self, payment: str) -> Story:
        """All that is recorded of one payment; empty when there is no such payment."""
        self.index()
        nothing: tuple[str, Any] = (payment, [])
        parts = [next(self._grouped(kind, "payment = ?", payment), nothing)[1] for kind in _STORY]
        customer, hops, movements, decisions = parts
        return Story(payment, customer[0] if customer else None, hops, movements, decisions)

    def _grouped(self, kind: type[Any], which: str, *values: str) -> Iterator[tuple[str, Any]]:
        """A payment's records of one kind at a time; built as JSON by SQLite, which is faster."""
        # mypy does not accept a variable as a type argument.
        decode = msgspec.json.Decoder(list[kind], strict=False).decode  # type: ignore[valid-type]  # see above
        for payment, text in self._db.execute(
            f"SELECT payment, json_group_array({_as_json(kind)}) FROM {_TABLES[kind]} "
            f"WHERE {which} GROUP BY payment ORDER BY payment",
            values,
        ):
            yield payment, decode(text)

    def keep(self, payment: str) -> None:
        """Keep a payment when the run is thinned: it has a finding."""
        self._db.execute("INSERT OR IGNORE INTO kept VALUES (?)", (payment,))

    def close_thinned(self, seed: int, most_hops: int = MAX_HOPS) -> None:
        """Close the store and keep a long run's file small: notable payments, a sample of the rest.

        For when all is judged. `kept_one_in` says how many the sample stands for.
        """
        self._aggregates.write()
        ((hops,),) = self._db.execute("SELECT COUNT(*) FROM hop")
        one_in = 1
        if hops > most_hops:
            self.index()
            one_in = choose(self._db, seed, hops, most_hops)
        self._write_fact(_KEPT_ONE_IN, one_in)
        path = self.path
        if one_in == 1 or path is None:
            self.close()
            return
        thin = path.with_suffix(".thin")
        by_payment = [_TABLES[kind] for kind in (*_STORY, *_BESIDE)]
        whole = [table for table in _TABLES.values() if table not in by_payment]
        copy_kept(self._db, str(thin), by_payment, ["meta", TABLE, *whole, *AGGREGATES])
        self.close()
        thin.replace(path)

    def fingerprints(self) -> Fingerprints:
        """Which payments went alike. The first call passes over all records: after the drain."""
        if self._fingerprints is None:
            self.index()
            self._fingerprints = Fingerprints(self._db)
        return self._fingerprints

    def index(self) -> None:
        """Index records by payment; costs a pass over all of them: call it after the drain."""
        if self._is_indexed:
            return
        for kind, columns in _INDEXED.items():
            table = _TABLES[kind]
            self._db.execute(f"CREATE INDEX IF NOT EXISTS {table}_payment ON {table} ({columns})")
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
        """Set a column of such a table. `values`: each with the number of its row."""
        self._db.executemany(f"UPDATE {table} SET {name} = ? WHERE rowid = ?", values)

    def begin(self, times: Times) -> None:
        """The load begins: records are added up by seconds and phases from here on.

        Before the first payment is ingested.
        """
        self._aggregates.begin(times.load_start_s, times.before_start_s)

    def write_facts(self, facts: RunFacts) -> None:
        """Keep what the run knows of itself."""
        self._write_fact(_FACTS, msgspec.to_builtins(facts))

    def facts(self) -> RunFacts:
        """What the run knows of itself. Raises UserError when it did not finish."""
        facts = self._fact(_FACTS)
        if facts is None:
            raise UserError(f"{self.path} is from a run that did not finish")
        return msgspec.convert(facts, RunFacts)

    @property
    def kept_one_in(self) -> int:
        """Of unremarkable payments, how many each kept one stands for."""
        return int(self._fact(_KEPT_ONE_IN) or 1)

    def _write_fact(self, key: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))
        self._db.commit()

    def _fact(self, key: str) -> Any:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row is not None else None

    def settle(self) -> None:
        """Write everything to the one file, and empty the log beside it."""
        self._aggregates.write()
        self._db.commit()
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Leave one file."""
        self.settle()
        self._db.execute("PRAGMA journal_mode=DELETE")
        self._db.close()


def _as_json(kind: type[Any]) -> str:
    """SQL for a record as the JSON that msgspec reads it from."""
    fields = (
        "json(targets)" if name == "targets" else _quoted(name) for name in kind.__struct_fields__
    )
    return f"json_array('{kind.__struct_config__.tag}', {', '.join(fields)})"


def _quoted(name: str) -> str:
    """A field as the name of a column: `order` is a word of SQL, too."""
    return f"[{name}]"
