"""The rules about what is in the files of a run, whatever its records are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from paychain.analysis.measures.measure import MeasuredRun, measure
from paychain.analysis.measures.measures import MoneyRule
from paychain.analysis.money.leaks import files_in, no_card_number_in_a_file


@measure("files")
def files(run: MeasuredRun) -> list[MoneyRule]:
    """Every rule about files; none of a run that is in memory. The records are indexed meanwhile.

    Searching is Python's work and indexing SQLite's, which does without Python's lock: the two take
    as long as the longer one. Searched is what was there before the indexes, which only repeat it.
    """
    store = run.store
    folder = store.folder
    if folder is None:
        return []
    store.settle()
    found = files_in(folder)
    with ThreadPoolExecutor(1) as thread:
        rule = thread.submit(no_card_number_in_a_file, folder, found)
        store.index()
        return [rule.result()]
