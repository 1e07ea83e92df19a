"""One search on several cores: each job has a seed of its own, the smallest finding counts."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

from harness.explore.search import Found, Order, Searched, Told, search

SEEDS_APART = 1_000_003  # rounds of one job never meet those of another


def search_with_jobs(order: Order, jobs: int, told: Told) -> Searched:
    """Search with so many processes. Progress is told for one; for several, of the first."""
    if jobs == 1:
        return search(order, told)
    most = None if order.most is None else -(-order.most // jobs)
    others = [
        replace(order, seed_of_search=order.seed_of_search + SEEDS_APART * number, most=most,
                database=None)
        for number in range(1, jobs)
    ]  # fmt: skip
    with ProcessPoolExecutor(jobs - 1, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_search, one) for one in others]
        first = search(replace(order, most=most), told)
        return merged([first, *(one.result() for one in running)])


def _search(order: Order) -> Searched:
    return search(order, lambda _: None)


def merged(parts: Iterable[Searched]) -> Searched:
    """All parts as one: of each rule the finding with the fewest faults, then the shortest."""
    whole = Searched()
    for part in parts:
        whole.schedules += part.schedules
        whole.virtual_s += part.virtual_s
        whole.took_s = max(whole.took_s, part.took_s)
        whole.was_interrupted = whole.was_interrupted or part.was_interrupted
        for rule, found in part.found.items():
            known = whole.found.get(rule)
            if known is None or _size(found) < _size(known):
                whole.found[rule] = found
    return whole


def _size(found: Found) -> tuple[int, int, str]:
    lasts = sum(one.lasts_ms for one in found.schedule)
    return len(found.schedule), lasts, str(found.schedule)
