"""One search in several parts at once: each has a seed of its own, the smallest outages count.

The parts are jobs of an executor: processes of this machine, or workers of a cluster.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from paychain.explore.minimise import size
from paychain.explore.result import OnProgress, SearchResult, SmallestOutage
from paychain.explore.search import search
from paychain.explore.spec import SearchSpec
from paychain.payments.errors import PartLost, UserError
from paychain.processes.jobs import Executor, Running
from paychain.processes.local import Processes

SEEDS_APART = 1_000_003  # rounds of one job never use the seeds of another


def search_with_jobs(
    spec: SearchSpec, jobs: int, on_progress: OnProgress, executor: Executor | None = None
) -> SearchResult:
    """Search with several jobs; `on_progress` gets the combined results of all of them.

    `executor`: where they run; None: on this machine, one job in this process, several in a process
    each. What is found depends on the number of jobs and on the seed, and not on where they run.
    Only on this machine examples of earlier searches are tried first (`spec.database`).

    Ctrl-C or SIGTERM stops them all; what each had found is kept. Raises PartLost when one died,
    UserError when an own service did what virtual time has no room for.
    """
    whole = _search(spec, jobs, on_progress, executor)
    if whole.refused:
        raise UserError(whole.refused)
    return whole


def _search(
    spec: SearchSpec, jobs: int, on_progress: OnProgress, executor: Executor | None
) -> SearchResult:
    if spec.max_schedules is not None:
        jobs = max(1, min(jobs, spec.max_schedules))  # each has at least one schedule
    if executor is None and jobs == 1:
        return search(spec, on_progress)
    shares = _shares(spec if executor is None else replace(spec, database=None), jobs)
    results = {number: SearchResult() for number in range(jobs)}
    with (executor or Processes()).start(search, shares) as running:
        was_interrupted = _collect(running, results, on_progress, set(spec.rules))
    whole = merged(results.values())
    whole.was_interrupted = was_interrupted
    return whole


def _shares(spec: SearchSpec, jobs: int) -> list[SearchSpec]:
    """Each job's part of the budget, with a seed of its own; the first has the database."""
    max_schedules = None if spec.max_schedules is None else -(-spec.max_schedules // jobs)
    return [
        replace(
            spec,
            seed_of_search=spec.seed_of_search + SEEDS_APART * number,
            max_schedules=max_schedules,
            database=spec.database if number == 0 else None,
        )
        for number in range(jobs)
    ]


def _collect(
    running: Running,
    results: dict[int, SearchResult],
    on_progress: OnProgress,
    wanted: set[str],
) -> bool:
    """Keep the latest result of each job until all are done; return whether Ctrl-C stopped them.

    `wanted`: the rules that are looked for; once each is found by some job, the others stop.
    """
    waiting = set(results)
    is_stopping = False
    was_interrupted = False
    while waiting:
        try:
            for report in running.receive():
                results[report.job] = report.value
                if report.is_done:
                    waiting.remove(report.job)
            whole = merged(results.values())
            on_progress(whole)
            is_done = bool(whole.refused) or (wanted and not wanted - whole.found.keys())
            if is_done and not is_stopping:
                is_stopping = True
                running.stop()
        except (EOFError, ConnectionError):
            raise PartLost(
                "a search process died unexpectedly", hint="search with fewer jobs"
            ) from None
        except KeyboardInterrupt:
            # The first Ctrl-C lets the jobs end with what they found; a second one does not wait.
            if was_interrupted:
                raise
            was_interrupted = True
            running.stop()
    return was_interrupted


def merged(results: Iterable[SearchResult]) -> SearchResult:
    """All results as one: of each rule the preferred outage, counts added up."""
    whole = SearchResult()
    for result in results:
        whole.schedules += result.schedules
        whole.virtual_s += result.virtual_s
        whole.took_s = max(whole.took_s, result.took_s)
        whole.was_interrupted = whole.was_interrupted or result.was_interrupted
        whole.best = whole.best or result.best
        whole.refused = whole.refused or result.refused
        for rule, outage in result.found.items():
            known = whole.found.get(rule)
            if known is None or preference(outage) < preference(known):
                whole.found[rule] = outage
    return whole


def preference(outage: SmallestOutage) -> tuple[int, int, int, int, int, str]:
    """Orders outages, the preferred first: by `size`, as one search does.

    Of outages that differ in nothing but how long they last, one with known limits comes first: the
    search for the other one was stopped before.
    """
    faults, returns, ranks, lasts_ms = size(outage.schedule)
    is_unfinished = not outage.limits
    return faults, returns, ranks, int(is_unfinished), lasts_ms, str(outage.schedule)
