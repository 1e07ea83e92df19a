"""Which payments of a long run stay in run.db: every notable payment, and a sample of the rest.

Notable are payments that failed, used a fallback, met a failed hop, or broke a money rule. The
aggregates and the totals of money always count everything; this is about single payments.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from math import ceil
from pathlib import Path

from paychain.analysis.measures.fallback_kinds import FALLBACKS
from paychain.analysis.store.shapes import TABLE, result_of
from paychain.payments.chance import draws
from paychain.payments.outcome import HopResult

MAX_HOPS = 2_000_000  # rows; some 400 MB of run.db with all that belongs to them
LARGEST = "hop"  # of all tables
SORT_KB = 50_000  # of memory for each of two indexes that are sorted at a time
WRITE_KB = 25_000  # of pages of a database that is written
MIN_SHARE = 10  # at least a tenth of those rows is for the sample


def choose(db: sqlite3.Connection, seed: int, hops: int, most_hops: int) -> int:
    """Fill the table `kept`; returns k: one in k of the payments that are not notable is in it.

    For a run of more `hops` than the file may keep, `most_hops`, whose records are indexed by
    payment. Payments that are in the table already stay. The same seed draws the same sample.
    """
    assert hops > most_hops
    worked = [result.value for result in HopResult if result.worked]
    kinds = [kind.value for kind in FALLBACKS]
    failed = (
        (number,)
        for number, parts in db.execute(f"SELECT number, parts FROM {TABLE} WHERE kind = 'hop'")
        if not HopResult(result_of(parts)).worked
    )
    db.execute("CREATE TEMP TABLE failed (shape INTEGER PRIMARY KEY)")
    db.executemany("INSERT INTO failed VALUES (?)", failed)
    # The index has the shapes: rows are looked up only of hops that have none.
    db.execute(
        "INSERT OR IGNORE INTO kept "
        "SELECT payment FROM txn WHERE technical UNION "
        "SELECT payment FROM hop INDEXED BY hop_payment WHERE shape IN (SELECT shape FROM failed) "
        f"OR (shape IS NULL AND result NOT IN ({_marks(worked)})) UNION "
        f"SELECT payment FROM decision WHERE kind IN ({_marks(kinds)})",
        (*worked, *kinds),
    )
    ((notable,),) = db.execute(
        "SELECT COUNT(*) FROM hop WHERE payment IN (SELECT payment FROM kept)"
    )
    room = max(most_hops - notable, most_hops // MIN_SHARE, 1)
    one_in: int = ceil((hops - notable) / room)
    assert one_in >= 0
    drawn = draws(seed, "kept")
    db.create_function("drawn", 1, lambda payment: drawn(payment) * one_in < 1, deterministic=True)
    db.execute(
        "INSERT OR IGNORE INTO kept SELECT payment FROM txn INDEXED BY txn_payment "
        "WHERE payment NOT IN (SELECT payment FROM kept) AND drawn(payment) ORDER BY payment"
    )
    return one_in


def copy_kept(
    db: sqlite3.Connection,
    another: Callable[[], sqlite3.Connection],
    thin: Path,
    by_payment: Sequence[str],
    whole: Sequence[str],
) -> None:
    """Write a new database `thin`: kept payments' rows of some tables, all rows of others.

    `another` opens one more connection to the same database, from another thread: hops are copied
    beside the other tables of `by_payment`, since SQLite works without Python's lock.

    Until it takes the place of the whole database nobody needs the new one: a run that dies
    meanwhile still has the old.
    """
    db.commit()
    db.execute("PRAGMA shrink_memory")  # nothing more is read here: the copies have caches, too
    kept, part = thin.with_suffix(".kept"), thin.with_suffix(".part")
    for path in (thin, kept, part):
        path.unlink(missing_ok=True)  # of a process that ended while it thinned
    try:
        _attach_new(db, kept)
        db.execute("CREATE TABLE new.kept (payment PRIMARY KEY) WITHOUT ROWID")
        db.execute("INSERT INTO new.kept SELECT payment FROM temp.kept ORDER BY payment")
        db.commit()
        db.execute("DETACH new")
        others = [table for table in by_payment if table != LARGEST]
        with ThreadPoolExecutor(1) as thread:
            beside = thread.submit(_copy, another, kept, part, others, ())
            _copy(another, kept, thin, [LARGEST], whole)
            beside.result()
        _add(thin, part)
    except BaseException:
        thin.unlink(missing_ok=True)  # a full disk has room for the result then
        raise
    finally:
        kept.unlink(missing_ok=True)
        part.unlink(missing_ok=True)


def _copy(
    another: Callable[[], sqlite3.Connection],
    kept: Path,
    into: Path,
    by_payment: Sequence[str],
    whole: Sequence[str],
) -> None:
    with closing(another()) as db:
        db.execute(f"PRAGMA main.cache_size=-{SORT_KB}")  # indexes are sorted in as much
        db.execute("ATTACH ? AS chosen", (str(kept),))
        _attach_new(db, into)
        sql = _statements(db, "main")
        for table in (*by_payment, *whole):
            db.execute(_in_schema(sql[table], "new"))
            where = ""
            if table in by_payment:
                where = "WHERE payment = '' OR payment IN (SELECT payment FROM chosen.kept)"
            db.execute(f"INSERT INTO new.{table} SELECT * FROM main.{table} {where}")
        for table in by_payment:
            db.execute(_in_schema(sql[f"{table}_payment"], "new"))
        db.commit()


def _add(thin: Path, part: Path) -> None:
    """Add all tables of another database with their indexes."""
    with closing(sqlite3.connect(thin)) as db:
        db.execute("PRAGMA journal_mode=OFF")
        db.execute("PRAGMA synchronous=OFF")
        db.execute("ATTACH ? AS part", (str(part),))
        # Into empty tables with equal indexes SQLite copies rows and indexes as they are.
        for statement in _statements(db, "part").values():
            db.execute(_in_schema(statement, "main"))
        for (table,) in db.execute("SELECT name FROM part.sqlite_master WHERE type = 'table'"):
            db.execute(f"INSERT INTO main.{table} SELECT * FROM part.{table}")
        db.commit()


def _attach_new(db: sqlite3.Connection, path: Path) -> None:
    """Attach a new database as `new`, made as the main one is."""
    db.execute("ATTACH ? AS new", (str(path),))
    for name in ("page_size", "user_version"):
        ((value,),) = db.execute(f"PRAGMA main.{name}")
        db.execute(f"PRAGMA new.{name}={value}")
    db.execute(f"PRAGMA new.cache_size=-{WRITE_KB}")
    db.execute("PRAGMA new.journal_mode=OFF")
    db.execute("PRAGMA new.synchronous=OFF")


def _statements(db: sqlite3.Connection, schema: str) -> dict[str, str]:
    """What makes each table and index of a database, by its name; tables first."""
    return dict(
        db.execute(
            f"SELECT name, sql FROM {schema}.sqlite_master WHERE sql IS NOT NULL "
            "ORDER BY type = 'index', rowid"
        )
    )


def _in_schema(statement: str, schema: str) -> str:
    """A statement of SQLite's that makes a table or an index, for another attached database."""
    create, kind, name, rest = statement.split(" ", 3)
    return f"{create} {kind} {schema}.{name} {rest}"


def _marks(values: list[str]) -> str:
    return ", ".join("?" * len(values))
