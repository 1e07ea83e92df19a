"""The rules about what is in the files of a run, whatever its records are."""

from __future__ import annotations

from pathlib import Path

from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.analysis.measures.measures import MoneyRule
from paychain.analysis.money.leaks import files_in, no_card_number_in_a_file


@measure("files to search")
def to_search(run: MeasuredRun) -> list[Path]:
    """Every file of a run, whose records are in run.db or its log; none of a run in memory.

    Measured before other processes read run.db: they would keep the log from being emptied.
    """
    folder = run.store.folder
    if folder is None:
        return []
    run.store.settle()
    return files_in(folder)


@measure("files")
def files(run: MeasuredRun) -> list[MoneyRule]:
    """Every rule about files; none of a run that is in memory."""
    folder = run.store.folder
    if folder is None:
        return []
    return [no_card_number_in_a_file(folder, run[to_search], run.store.reading)]
