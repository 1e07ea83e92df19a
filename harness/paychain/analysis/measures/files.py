"""The rules about what is in the files of a run, whatever its records are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.analysis.measures.measures import MoneyRule
from paychain.analysis.money.leaks import files_in, no_card_number_in_a_file


@measure("files to search")
def to_search(run: MeasuredRun) -> Mapping[Path, int]:
    """Every file of a run with its bytes, all records among them; none of a run in memory.

    While somebody else reads run.db, records may not all be written to it: measured before that.
    """
    folder = run.store.folder
    if folder is None:
        return {}
    run.store.settle()
    return files_in(folder)


@measure("files")
def files(run: MeasuredRun) -> list[MoneyRule]:
    """Every rule about files; none of a run that is in memory."""
    folder = run.store.folder
    return [no_card_number_in_a_file(folder, run[to_search])] if folder is not None else []
