"""run.db: everything a run recorded, in one SQLite file. And the spools it is filled from."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from harness.analysis.aggregates import AGGREGATES, Aggregates, Total
from harness.analysis.shapes import SHAPED, TABLE, Shapes
from harness.analysis.thinning import MOST_HOPS, choose, copy_kept
from harness.payments.journal import (
    Decision,
    EngineEvent,
    FaultSwitch,
    HopRecord,
    Movement,
    PaymentRecord,
    Record,
    Standstill,
    decode,
)
from harness.payments.outcome import HopResult

_TABLES: dict[type[Any], str] = {
    PaymentRecord: "txn",
    HopRecord: "hop",
    Movement: "movement",
    Decision: "decision",
    FaultSwitch: "switch",
    EngineEvent: "engine_event",
    Standstill: "standstill",
}
_STORY = {  # records that belong to one payment, and the order they are told in
    PaymentRecord: "payment",
    HopRecord: "payment, started_ns, ended_ns",
    Movement: "payment",
    Decision: "payment",
}
_INDEXED = {  # with what whole runs are asked for: such a question reads the index alone
    **_STORY,
    PaymentRecord: "payment, shape, amount_minor",
    HopRecord: "payment, started_ns, ended_ns, shape",
}
assert tuple(_STORY) == SHAPED
Row = TypeVar(
    "Row", PaymentRecord, HopRecord, Movement, Decision, FaultSwitch, EngineEvent, Standstill
)
PAGE_BYTES = 16_384  # fewer, longer reads: a twelfth less time to judge a million payments
CACHE_KB = 100_000  # of pages; indexes are sorted in as much
READ_BYTES = 1_000_000  # of a spool at once: some 8,000 records


class Story(NamedTuple):
    """All that is recorded of one payment: hops as they started and ended, the rest as recorded."""

    payment: str
    customer: PaymentRecord | None  # None: nothing is known of the customer's side
    hops: list[HopRecord]
    movements: list[Movement]
    decisions: list[Decision]


class RunStore:
    """One run's database. A column per field of a record, and one for its shape; lists are JSON.

    Two ways to read it in bounded memory, however long the run was: `rows` gives one kind of
    record at a time, and `stories` gives one payment at a time, with all its records::

        for story in store.stories():
            judge(story.customer, story.hops, story.movements, story.decisions)
    """

    def __init__(self, connection: sqlite3.Connection, *, is_read_only: bool = False) -> None:
        self._db = connection
        self._is_read_only = is_read_only
        self._aggregates = Aggregates(connection)
        self._shapes = Shapes(connection)
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
        connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT)")
        for kind, table in _TABLES.items():
            shape = ("shape",) if kind in SHAPED else ()
            columns = ", ".join((*shape, *kind.__struct_fields__))
            connection.execute(f"CREATE TABLE {table} ({columns})")
        store = cls(connection)
        store._aggregates.create()
        store._shapes.create()
        connection.commit()
        return store

    @classmethod
    def open(cls, path: Path) -> RunStore:
        """A finished run's store, read only. Raises sqlite3.OperationalError when it is none."""
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
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
        rows: dict[type[Any], list[Record]] = defaultdict(list)
        for record in records:
            rows[type(record)].append(record)
        for kind, some in rows.items():
            plain = msgspec.to_builtins(some)  # a record as plain values is [tag, field, …]
            if kind in SHAPED:
                for row, shape in zip(plain, self._shapes.of(kind, some), strict=True):
                    row[0] = shape
            else:
                plain = [[json.dumps(v) if isinstance(v, list) else v for v in row[1:]]
                         for row in plain]  # fmt: skip
            marks = ", ".join("?" * len(plain[0]))
            self._db.executemany(f"INSERT INTO {_TABLES[kind]} VALUES ({marks})", plain)
            self._aggregates.count(kind, some)
        if rows:
            self._db.commit()

    def totals(self, kind: type[Row]) -> Iterator[Total]:
        """What records of one kind add up to, per second: counts, amounts, latencies."""
        if not self._is_read_only:
            self._aggregates.write()
        return self._aggregates.totals(kind)

    def rows(self, kind: type[Row], order: str = "rowid") -> Iterator[Row]:
        """All records of one kind. `order` is a column of ours, never a user's text."""
        decode = msgspec.json.Decoder(kind, strict=False).decode
        for (text,) in self._db.execute(
            f"SELECT {_as_json(kind)} FROM {_TABLES[kind]} ORDER BY {order}"
        ):
            yield decode(text)

    def refusals(self) -> Iterator[tuple[str, int]]:
        """Every attempt that was refused: the hop, as its proxy is called, and when."""
        yield from self._db.execute(
            "SELECT caller || '.' || operation || '.' || callee, ended_ns FROM hop "
            "WHERE result = 'refused'"
        )

    def failed_calls(self) -> Iterator[tuple[str, int, int, str]]:
        """Every attempt that did not work: its caller, when it began and ended, its result."""
        worked = ", ".join(f"'{one.value}'" for one in HopResult if one.worked)
        yield from self._db.execute(
            f"SELECT caller, started_ns, ended_ns, result FROM hop WHERE result NOT IN ({worked})"
        )

    def stories(self) -> Iterator[Story]:
        """Every payment with its records, one at a time, in the order of their ids.

        A payment that the customer's side has no record of comes, too, when a link booked
        something for it. The first call builds the indexes, so it belongs after the drain.
        """
        return self._merged("payment != ''")

    def broken(self) -> Iterator[Story]:
        """As `stories`, of the payments that failed technically."""
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
        """All that is recorded of one payment; nothing at all when there is no such payment."""
        self.index()
        nothing: tuple[str, Any] = (payment, [])
        parts = [next(self._grouped(kind, "payment = ?", payment), nothing)[1] for kind in _STORY]
        customer, hops, movements, decisions = parts
        return Story(payment, customer[0] if customer else None, hops, movements, decisions)

    def _grouped(self, kind: type[Any], which: str, *values: str) -> Iterator[tuple[str, Any]]:
        """A payment's records of one kind at a time; built as JSON by SQLite, which is faster."""
        # The kind is known only here: mypy takes no variable in a type.
        decode = msgspec.json.Decoder(list[kind], strict=False).decode  # type: ignore[valid-type]
        for payment, text in self._db.execute(
            f"SELECT payment, json_group_array({_as_json(kind)}) FROM {_TABLES[kind]} "
            f"WHERE {which} GROUP BY payment ORDER BY payment",
            values,
        ):
            yield payment, decode(text)

    def keep(self, payment: str) -> None:
        """Keep a payment whatever is thinned out: it has something to tell, such as a finding."""
        self._db.execute("INSERT OR IGNORE INTO kept VALUES (?)", (payment,))

    def thin(self, seed: int, most_hops: int = MOST_HOPS) -> None:
        """Keep a long run's file small: all payments with something to tell, a sample of the rest.

        For when all is judged. The fact `kept_one_in` says how many the sample stands for.
        """
        self._aggregates.write()
        one_in = choose(self._db, seed, most_hops)
        self.set_meta("kept_one_in", one_in)
        path = self.path
        if one_in == 1 or path is None:
            return
        thin = path.with_suffix(".thin")
        by_payment = [_TABLES[kind] for kind in _STORY]
        whole = [table for table in _TABLES.values() if table not in by_payment]
        copy_kept(self._db, str(thin), by_payment, ["meta", TABLE, *whole, *AGGREGATES])
        self.close()
        thin.replace(path)
        self.__init__(sqlite3.connect(path))  # type: ignore[misc]  # opened anew
        self.index()

    def index(self) -> None:
        """Make a payment's records quick to find; costs a pass over all, so after the drain."""
        if self._is_read_only:
            return  # its stories are sorted each time, unless it was indexed before
        for kind, columns in _INDEXED.items():
            table = _TABLES[kind]
            self._db.execute(f"CREATE INDEX IF NOT EXISTS {table}_payment ON {table} ({columns})")
        self._db.commit()

    def select(self, sql: str, values: Sequence[Any]) -> Iterator[Any]:
        """Rows of a question of ours; every value that is not ours is bound."""
        return self._db.execute(sql, values)

    def set_meta(self, key: str, value: Any) -> None:
        """Keep a fact about the run. Its `timeline` has to be known before its first payment."""
        if key == "timeline":
            self._aggregates.begin(value["load_start_s"], value["before_start_s"])
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))
        self._db.commit()

    def meta(self, key: str, default: Any = None) -> Any:
        """A fact about the run."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row is not None else default

    def close(self) -> None:
        """Leave one file."""
        self._aggregates.write()
        self._db.commit()
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.execute("PRAGMA journal_mode=DELETE")
        self._db.close()


def _as_json(kind: type[Any]) -> str:
    """SQL for a record as the JSON that msgspec reads it from."""
    fields = ("json(targets)" if name == "targets" else name for name in kind.__struct_fields__)
    return f"json_array('{kind.__struct_config__.tag}', {', '.join(fields)})"


class SpoolReader:
    """Follows a spool file that another process appends to."""

    def __init__(self, path: Path) -> None:
        self.error = ""
        self._path = path
        self._position = 0

    def read(self) -> list[Record]:
        """Records that came since the last call; a half-written one waits for the next."""
        if self.error or not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._position)
            data = file.read(READ_BYTES)
        try:
            records, used = decode(data)
        except msgspec.MsgspecError as error:
            self.error = f"{self._path.name}: {error}"
            return []
        self._position += used
        return records
