"""Recorded arrivals: a CSV file with a column `at_s`, seconds since the start of the load."""

from __future__ import annotations

import csv
from pathlib import Path

from harness.payments.errors import UserError

COLUMN = "at_s"
MOST_BYTES = 100_000_000
MOST_ARRIVALS = 2_000_000


def read_replay(path: Path) -> tuple[float, ...]:
    """The arrivals in ascending order. Raises UserError with the line of the first mistake."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path} is larger than {MOST_BYTES // 1_000_000} MB")
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if COLUMN not in (rows.fieldnames or ()):
                raise UserError(f"{path}:1: no column '{COLUMN}'", mend=f"name one '{COLUMN}'")
            times = [_seconds(row[COLUMN], path, rows.line_num) for row in rows]
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no CSV file: {error}") from error
    if len(times) > MOST_ARRIVALS:
        raise UserError(f"{path} has more than {MOST_ARRIVALS:,} arrivals")
    return tuple(sorted(times))


def _seconds(text: str | None, path: Path, line: int) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UserError(f"{path}:{line}: '{text}' is not a time in seconds", mend="such as 12.345")
    return value
