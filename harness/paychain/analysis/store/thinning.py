"""Which payments of a long run stay in run.db: every notable payment, and a sample of the rest.

Notable are payments that failed, used a fallback, met a failed hop, or broke a money rule. The
aggregates and the totals of money always count everything; this is about single payments.
"""

from __future__ import annotations

import sqlite3
from math import ceil

from paychain.analysis.measures.fallback_kinds import FALLBACKS
from paychain.analysis.store.shapes import TABLE, result_of
from paychain.payments.chance import draws
from paychain.payments.outcome import HopResult

MAX_HOPS = 2_000_000  # rows; some 400 MB of run.db with all that belongs to them
MIN_SHARE = 10  # at least a tenth of those rows is for the sample


def choose(db: sqlite3.Connection, seed: int, hops: int, most_hops: int) -> int:
    """Fill the table `kept`; returns k: one in k of the payments that are not notable is in it.

    For a run of more `hops` than that, whose records are indexed by payment. Payments that are in
    the table already stay. The same seed draws the same sample.
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
        "WHERE drawn(payment) ORDER BY payment"
    )
    return one_in


def copy_kept(db: sqlite3.Connection, path: str, by_payment: list[str], whole: list[str]) -> None:
    """Write a new database at `path`: kept payments' rows of some tables, all rows of others."""
    db.commit()
    db.execute("ATTACH ? AS thin", (path,))
    # Until it takes the place of the whole database nobody needs the new one: a run that dies
    # meanwhile still has the old.
    for name in ("page_size", "cache_size", "user_version"):
        ((value,),) = db.execute(f"PRAGMA main.{name}")
        db.execute(f"PRAGMA thin.{name}={value}")
    db.execute("PRAGMA thin.journal_mode=OFF")
    db.execute("PRAGMA thin.synchronous=OFF")
    by_name = dict(db.execute("SELECT name, sql FROM main.sqlite_master WHERE sql IS NOT NULL"))
    for table in (*by_payment, *whole):
        db.execute(by_name[table].replace(f"TABLE {table} ", f"TABLE thin.{table} ", 1))
        where = ""
        if table in by_payment:
            where = "WHERE payment = '' OR payment IN (SELECT payment FROM kept)"
        db.execute(f"INSERT INTO thin.{table} SELECT * FROM main.{table} {where}")
    for table in by_payment:
        index = f"{table}_payment"
        db.execute(by_name[index].replace(f"INDEX {index} ", f"INDEX thin.{index} ", 1))
    db.commit()
    db.execute("DETACH thin")


def _marks(values: list[str]) -> str:
    return ", ".join("?" * len(values))
