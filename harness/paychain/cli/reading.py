"""Around what reads runs: their files may be damaged, or were edited by somebody."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from paychain.cli.say import OUR_BUG
from paychain.payments.errors import HarnessError, UserError, sentence_of


@contextmanager
def reading(*runs: Path) -> Iterator[None]:
    """Around what reads runs, or a folder of runs.

    Raises UserError for whatever their files hold that no run of ours has written, and HarnessError
    where they are as they were written: then it is not their fault.
    """
    try:
        yield
    except PermissionError as error:
        hint = "its owner may read and change it"
        raise UserError(sentence_of(error), hint=hint) from error
    except (UserError, HarnessError, OSError, MemoryError):
        raise
    except Exception as error:
        named = ", ".join(map(str, runs))
        is_sqlite = isinstance(error, sqlite3.Error)
        said = str(error) if is_sqlite else sentence_of(error)
        if isinstance(error, ImportError) or _are_as_written(runs):
            reason = f"paychain failed to read {named}, although its files are unchanged: {said}"
            raise HarnessError(reason if is_sqlite else f"{reason}; {OUR_BUG}") from error
        raise UserError(
            f"{named} cannot be read as a run: {said}",
            hint="its files are damaged or were changed; run it again",
        ) from error


def _are_as_written(runs: Sequence[Path]) -> bool:
    """Whether SHA256SUMS vouches for all that is read of them; without it nothing does."""
    from paychain.report.evidence.files import SUMS
    from paychain.report.outputs import refuse_changed
    from paychain.report.result import FILE_NAME

    def is_run(folder: Path) -> bool:
        return (folder / FILE_NAME).exists() or (folder / SUMS).exists()

    try:
        for named in runs:
            found = [named] if is_run(named) else [each for each in named.iterdir() if is_run(each)]
            if not found or not all((run / SUMS).is_file() for run in found):
                return False
            for run in found:
                refuse_changed(run)
    except (UserError, OSError):
        return False
    return True
