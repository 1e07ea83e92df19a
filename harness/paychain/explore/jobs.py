"""One search on several cores: each job has a seed of its own, the smallest outages count.

parent ── a share of the budget, a seed ──> job, job, …   (a process each)
parent <── (result so far, is_done) ─────── job           now and then, and at the end
parent ── STOP ──────────────────────────>  job           enough found, or Ctrl-C
parent ── RECEIVED ──────────────────────>  job           its last result has arrived
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait

from paychain.explore.result import OnProgress, Outage, SearchResult
from paychain.explore.search import search
from paychain.explore.spec import SearchSpec
from paychain.payments.errors import UserError
from paychain.processes.children import ending_signals

SEEDS_APART = 1_000_003  # rounds of one job never use the seeds of another
REPORT_S = 0.5  # seconds between two results that a job sends
STOP, RECEIVED = "stop", "received"  # what the parent sends to a job
STOP_WITHIN_S = 5.0  # a job that was stopped ends with the schedule that it plays


def search_with_jobs(spec: SearchSpec, jobs: int, on_progress: OnProgress) -> SearchResult:
    """Search with so many processes; `on_progress` gets the results of all of them together.

    Ctrl-C or SIGTERM stops them all; what each had found is kept. Raises UserError when one died.
    """
    if jobs == 1:
        return search(spec, on_progress)
    context = get_context("spawn")
    results: dict[Connection, SearchResult] = {}
    running = []
    # A signal may reach every process of the group; the parent alone acts on it and stops the jobs.
    # They are started with it blocked, because during their imports they could not ignore it.
    # Meanwhile it is blocked here, too, and arrives when all are started. The resource tracker is
    # started before: starting it unblocks signals.
    resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ending_signals())
    try:
        for share in _shares(spec, jobs):
            ours, theirs = context.Pipe()
            job = context.Process(target=_run_job, args=(share, theirs), daemon=True)
            job.start()
            theirs.close()
            running.append(job)
            results[ours] = SearchResult()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        was_interrupted = _collect(results, on_progress, set(spec.rules))
    finally:
        for job in running:
            job.join(STOP_WITHIN_S)
            job.kill()
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
    results: dict[Connection, SearchResult], on_progress: OnProgress, wanted: set[str]
) -> bool:
    """Keep the latest result of each job until all are done; return whether Ctrl-C stopped them.

    `wanted`: the rules that are looked for; once each is found by some job, the others stop.
    """
    waiting = list(results)
    is_stopping = False
    was_interrupted = False
    while waiting:
        try:
            for job in wait(waiting):
                assert isinstance(job, Connection)
                results[job], is_done = job.recv()
                if is_done:
                    waiting.remove(job)
                    job.send(RECEIVED)
            whole = merged(results.values())
            on_progress(whole)
            if wanted and not is_stopping and not wanted - whole.found.keys():
                is_stopping = True
                _stop(waiting)
        except (EOFError, ConnectionError):
            raise UserError(
                "a search process died unexpectedly", hint="search with fewer jobs"
            ) from None
        except KeyboardInterrupt:
            # The first Ctrl-C lets the jobs end with what they found; a second one does not wait.
            if was_interrupted:
                raise
            was_interrupted = True
            _stop(waiting)
    return was_interrupted


def _stop(jobs: Iterable[Connection]) -> None:
    """Ask jobs to end with the schedule that they play; their last results are still to come."""
    for job in jobs:
        with suppress(ConnectionError):  # a job that died is noticed when its result is read
            job.send(STOP)


def _run_job(spec: SearchSpec, parent: Connection) -> None:
    """One job: send results now and then, and the last one at the end."""
    sent_s = time.monotonic()

    def on_progress(result: SearchResult) -> None:
        nonlocal sent_s
        if parent.poll():
            raise KeyboardInterrupt
        if time.monotonic() - sent_s >= REPORT_S:
            sent_s = time.monotonic()
            parent.send((result, False))

    parent.send((search(spec, on_progress), True))
    # A STOP may cross the last result. A process that exits with unread messages resets the pipe,
    # and the parent loses the result: so it stays until the result has arrived.
    with suppress(EOFError, OSError):  # the parent has ended
        while parent.recv() != RECEIVED:
            pass


def merged(results: Iterable[SearchResult]) -> SearchResult:
    """All results as one: of each rule the preferred outage, counts added up."""
    whole = SearchResult()
    for result in results:
        whole.schedules += result.schedules
        whole.virtual_s += result.virtual_s
        whole.took_s = max(whole.took_s, result.took_s)
        whole.was_interrupted = whole.was_interrupted or result.was_interrupted
        whole.best = whole.best or result.best
        for rule, outage in result.found.items():
            known = whole.found.get(rule)
            if known is None or preference(outage) < preference(known):
                whole.found[rule] = outage
    return whole


def preference(outage: Outage) -> tuple[int, bool, int, str]:
    """Orders outages, the preferred first: few faults, then known limits, then short faults."""
    duration_ms = sum(fault.duration_ms for fault in outage.schedule)
    return len(outage.schedule), not outage.limits, duration_ms, str(outage.schedule)
