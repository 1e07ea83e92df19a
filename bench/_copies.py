"""Copies of recorded payments, made by SQLite: a hundred million records in minutes.

A run's processes and its store take as long for ten million payments as for ten times a million,
about half an hour; what is measured is how they are judged. So a part of them is recorded as
always, and each is followed by copies of itself a millisecond apart, under ids of their own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from paychain.analysis.measures.histogram import Histogram
from paychain.analysis.store.aggregates import AGGREGATES, PAYMENTS
from paychain.analysis.store.columns import quoted

APART_NS = 1_000_000
TABLES = ("txn", "hop", "movement", "decision")
_NAME = "printf('p%07d', CAST(substr(payment, 2) AS INTEGER) + :copy)"
_NUMBER = "printf('%012x', CAST(substr(payment, 2) AS INTEGER) + :copy)"
# Whatever names a payment, in the columns of all four tables.
_COPIED = {
    "payment": _NAME,
    "span": f"{_NUMBER} || substr(span, 13)",
    "parent": f"CASE parent WHEN '' THEN '' ELSE {_NUMBER} || substr(parent, 13) END",
    "reference": f"{_NAME} || substr(reference, 9)",
}


class Copies:
    """Adds copies of what was stored since the last call; `of_each`: payments in place of one."""

    def __init__(self, path: Path, of_each: int) -> None:
        self._path = path
        self._of_each = of_each
        self._last = dict.fromkeys(TABLES, 0)

    def add(self) -> int:
        """Copy the rows that are new; how many copies there are of them."""
        if self._of_each == 1:
            return 0
        added = 0
        with closing(sqlite3.connect(self._path)) as db, db:
            db.execute("PRAGMA synchronous=OFF")
            db.execute("PRAGMA cache_size=-100000")
            for table in TABLES:
                columns = ", ".join(_columns(db, table))
                within = {"after": self._last[table], "upto": _newest(db, table)}
                for copy in range(1, self._of_each):
                    added += db.execute(
                        f"INSERT INTO {table} SELECT {columns} FROM {table} "
                        "WHERE rowid > :after AND rowid <= :upto",
                        {**within, "copy": copy, "later_ns": copy * APART_NS},
                    ).rowcount
                self._last[table] = _newest(db, table)
        return added

    def count(self) -> None:
        """Count the copies in the totals by second, once all of them are written.

        A copy counts in the second of what it was copied from: for payments and hops that is its
        own, as long as a second is a multiple of the copies; of movements it may be the one before.
        """
        with closing(sqlite3.connect(self._path)) as db, db:
            db.create_function("times", 1, self._times)
            for table in AGGREGATES:
                db.execute(
                    f"UPDATE {table} SET n = n * :by, amount_minor = amount_minor * :by, "
                    "latencies = times(latencies)",
                    {"by": self._of_each},
                )
            db.execute(
                f"UPDATE {PAYMENTS} SET lags = times(lags), last_end_ns = last_end_ns + ?",
                ((self._of_each - 1) * APART_NS,),
            )

    def _times(self, packed: bytes) -> bytes:
        counts = Histogram.unpacked(packed).counts
        return Histogram(
            {bucket: number * self._of_each for bucket, number in counts.items()}
        ).packed()


def _newest(db: sqlite3.Connection, table: str) -> int:
    """The last row of a table; 0 where it has none."""
    ((row,),) = db.execute(f"SELECT COALESCE(MAX(rowid), 0) FROM {table}")
    return int(row)


def _columns(db: sqlite3.Connection, table: str) -> Iterator[str]:
    for _, name, *_ in db.execute(f"PRAGMA table_info({table})"):
        if name.endswith("_ns"):
            yield f"{quoted(name)} + :later_ns"
        else:
            yield _COPIED.get(name, quoted(name))
