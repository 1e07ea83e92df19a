"""run.db: everything a run recorded, in one SQLite file. And the spools it is filled from."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from harness.analysis.histogram import Histogram
from harness.analysis.rows import SCHEMA, Rows
from harness.payments.journal import (
    Decision,
    FaultSwitch,
    HopRecord,
    Movement,
    PaymentRecord,
    Record,
)

Row = TypeVar("Row", PaymentRecord, HopRecord, Movement, Decision, FaultSwitch)
Row_ = TypeVar("Row_")
READ_BYTES = 16_000_000  # of a spool at once, so that a long run does not fill the memory
_TABLES: dict[type[Any], str] = {
    PaymentRecord: "txn",
    HopRecord: "hop",
    Movement: "movement",
    Decision: "decision",
    FaultSwitch: "switch",
}
_INSERTS = {
    kind: f"INSERT INTO {table} VALUES ({', '.join('?' * len(kind.__struct_fields__))})"  # noqa: S608
    for kind, table in _TABLES.items()
}
_NS = 1_000_000_000
_Key = tuple[int, int, int, int]  # second, hop, result, route


class RunStore:
    """One run's database. Every record is kept, and hops are also counted as they come in."""

    def __init__(self, connection: sqlite3.Connection, *, is_new: bool) -> None:
        self._db = connection
        self._is_new = is_new
        self._rows = Rows(connection)
        self._histograms: dict[_Key, Histogram] = defaultdict(Histogram)

    @classmethod
    def create(cls, path: Path) -> RunStore:
        """A new, empty store. Raises sqlite3.OperationalError when the path holds one already."""
        # The thread that drains the spools need not be the one that judges; never both at once.
        connection = sqlite3.connect(path, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        # A power cut may lose a run: it is repeated. A killed process loses nothing.
        connection.execute("PRAGMA synchronous=OFF")
        connection.executescript(SCHEMA)
        return cls(connection, is_new=True)

    @classmethod
    def open(cls, path: Path) -> RunStore:
        """A finished run's store, read only. Raises sqlite3.Error when there is none."""
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        return cls(connection, is_new=False)

    def ingest(self, records: Iterable[Record]) -> None:
        """Add records, all or none of them."""
        rows: dict[type[Any], list[tuple[Any, ...]]] = defaultdict(list)
        for record in records:
            rows[type(record)].append(self._rows.row(record))
            if type(record) is HopRecord:
                self._count(record, touched := rows_touched(rows))
        if not rows:
            return
        with self._db:
            for kind, some in rows.items():
                if kind in _INSERTS:
                    self._db.executemany(_INSERTS[kind], some)
            self._rows.names.save()
            self._rows.payments.save()
