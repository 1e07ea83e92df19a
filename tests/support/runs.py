"""What a run reads and what it leaves: files in a folder of the test."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_until


def declare(folder: Path, **files: str) -> None:
    """Write declarations: `declare(folder, shop=shop(), quick=experiment())`."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")


def run_in(folder: Path, out: str = "runs") -> Path:
    """The folder of the only run."""
    (found,) = (folder / out).iterdir()
    return found


def result_in(run: Path) -> dict[str, Any]:
    """The result in a run's folder, as it was written."""
    return dict(json.loads((run / "result.json").read_text("utf-8")))


def result_of(folder: Path, out: str = "runs") -> dict[str, Any]:
    """The result of the only run."""
    return result_in(run_in(folder, out))


def findings(result: dict[str, Any]) -> dict[str, int]:
    """How many payments broke each money rule."""
    return {rule["rule"]: rule["findings"] for rule in result["money"]["rules"]}


def broken_rules(result: dict[str, Any]) -> set[str]:
    """The money rules that some payment broke."""
    return {name for name, payments in findings(result).items() if payments}


def load_began(folder: Path, out: str = "runs") -> bool:
    """Whether the load of a run has begun."""
    return any((folder / out).glob("*/spool/load.go"))


def is_recorded(folder: Path, query: str, out: str = "runs") -> bool:
    """Whether the run that goes on has a row for a query."""
    for path in (folder / out).glob("*/run.db"):
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(path)) as db:
            return db.execute(query).fetchone() is not None
    return False


def payments_are_under_way(folder: Path, at_least: int = 20, out: str = "runs") -> None:
    """Wait until so many payments of the run that goes on are recorded."""
    query = f"SELECT 1 FROM txn LIMIT 1 OFFSET {at_least - 1}"
    wait_until(lambda: is_recorded(folder, query, out), f"{at_least} recorded payments")
