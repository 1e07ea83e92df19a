"""Which payments of a long run stay in run.db: every one with something to tell, and a sample.

The aggregates and the totals of money always count everything; this is about single payments.
"""

from __future__ import annotations

import sqlite3
from math import ceil

from harness.analysis.fallback_kinds import FALLBACKS
from harness.payments.chance import draw
from harness.payments.outcome import HopResult

MOST_HOPS = 2_000_000  # rows; some 400 MB of run.db with all that belongs to them
LEAST_SHARE = 10  # of those, a tenth at least is for payments with nothing to tell


def choose(db: sqlite3.Connection, seed: int, most_hops: int) -> int:
    """Fill the table `kept`; one in how many payments with nothing to tell is among them.

    Who failed, who used a fallback and who met a failed hop is kept, with those in it before.
    """
    ((hops,),) = db.execute("SELECT COUNT(*) FROM hop")
    if hops <= most_hops:
        return 1
    worked = [result.value for result in HopResult if result.worked]
    kinds = [kind.value for kind in FALLBACKS]
    db.execute(
        "INSERT OR IGNORE INTO kept "
        "SELECT payment FROM txn WHERE technical UNION "
        f"SELECT payment FROM hop WHERE result NOT IN ({_marks(worked)}) UNION "
        f"SELECT payment FROM decision WHERE kind IN ({_marks(kinds)})",
        (*worked, *kinds),
    )
    ((told,),) = db.execute("SELECT COUNT(*) FROM hop WHERE payment IN (SELECT payment FROM kept)")
    one_in: int = ceil((hops - told) / max(most_hops - told, most_hops // LEAST_SHARE, 1))
    db.create_function(
        "drawn", 1, lambda payment: draw(seed, "kept", payment) * one_in < 1, deterministic=True
    )
    db.execute("INSERT OR IGNORE INTO kept SELECT payment FROM txn WHERE drawn(payment)")
    return one_in


def copy_kept(db: sqlite3.Connection, path: str, by_payment: list[str], whole: list[str]) -> None:
    """A new database with the kept payments' rows of some tables, and all rows of others."""
    db.commit()
    db.execute("ATTACH ? AS thin", (path,))
    for table in (*by_payment, *whole):
        ((made,),) = db.execute("SELECT sql FROM main.sqlite_master WHERE name = ?", (table,))
        db.execute(made.replace(f"TABLE {table} ", f"TABLE thin.{table} ", 1))
        where = ""
        if table in by_payment:
            where = "WHERE payment = '' OR payment IN (SELECT payment FROM kept)"
        db.execute(f"INSERT INTO thin.{table} SELECT * FROM main.{table} {where}")
    db.commit()
    db.execute("DETACH thin")


def _marks(values: list[str]) -> str:
    return ", ".join("?" * len(values))
