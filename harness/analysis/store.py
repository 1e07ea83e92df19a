"""run.db: everything a run recorded, in one SQLite file. And the spools it is filled from."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from harness.payments.journal import (
    Decision,
    FaultSwitch,
    HopRecord,
    Movement,
    PaymentRecord,
    Record,
    decode,
)

_TABLES: dict[type[Any], str] = {
    PaymentRecord: "txn",
    HopRecord: "hop",
    Movement: "movement",
    Decision: "decision",
    FaultSwitch: "switch",
}
Row = TypeVar("Row", PaymentRecord, HopRecord, Movement, Decision, FaultSwitch)
READ_BYTES = 16_000_000


class RunStore:
    """One run's database. A column per field of a record; lists are JSON."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    def create(cls, path: Path) -> RunStore:
        """A new, empty store."""
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT)")
        for kind, table in _TABLES.items():
            columns = ", ".join(kind.__struct_fields__)
            connection.execute(f"CREATE TABLE {table} ({columns})")
        connection.commit()
        return cls(connection)

    @classmethod
    def open(cls, path: Path) -> RunStore:
        """A finished run's store, read only. Raises sqlite3.OperationalError when it is none."""
        return cls(sqlite3.connect(f"file:{path}?mode=ro", uri=True))

    def ingest(self, records: Iterable[Record]) -> None:
        """Add records."""
        rows: dict[type[Any], list[tuple[Any, ...]]] = defaultdict(list)
        for record in records:
            rows[type(record)].append(tuple(map(_plain, msgspec.structs.astuple(record))))
        for kind, some in rows.items():
            marks = ", ".join("?" * len(kind.__struct_fields__))
            self._db.executemany(f"INSERT INTO {_TABLES[kind]} VALUES ({marks})", some)  # noqa: S608
        if rows:
            self._db.commit()

    def rows(self, kind: type[Row], order: str = "rowid") -> Iterator[Row]:
        """All records of one kind. `order` is a column of ours, never a user's text."""
        tag = kind.__struct_config__.tag
        targets = kind.__struct_fields__.index("targets") if kind is FaultSwitch else None
        for row in self._db.execute(f"SELECT * FROM {_TABLES[kind]} ORDER BY {order}"):  # noqa: S608
            values: list[Any] = list(row)
            if targets is not None:
                values[targets] = json.loads(values[targets])
            yield msgspec.convert([tag, *values], kind, strict=False)

    def set_meta(self, key: str, value: Any) -> None:
        """Keep a fact about the run."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))
        self._db.commit()

    def meta(self, key: str, default: Any = None) -> Any:
        """A fact about the run."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row is not None else default

    def close(self) -> None:
        """Leave one file."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.execute("PRAGMA journal_mode=DELETE")
        self._db.close()


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value


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
