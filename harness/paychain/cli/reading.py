"""Around what reads runs: their files may be damaged, or were edited by somebody."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paychain.payments.errors import HarnessError, UserError, sentence_of


@contextmanager
def reading(*runs: Path) -> Iterator[None]:
    """Raises UserError for whatever their files hold that no run of ours has written."""
    try:
        yield
    except (UserError, HarnessError, OSError, MemoryError):
        raise
    except Exception as error:
        named = ", ".join(map(str, runs))
        is_sqlite = isinstance(error, sqlite3.Error)
        said = str(error) if is_sqlite else sentence_of(error)
        raise UserError(
            f"{named} cannot be read as a run: {said}",
            hint="its files are damaged or were changed; run it again",
        ) from error
