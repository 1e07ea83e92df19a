"""One search on several cores: each job has a seed of its own, the smallest finding counts."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait

from harness.explore.search import Found, Order, Searched, Told, search
from harness.payments.errors import UserError

SEEDS_APART = 1_000_003  # rounds of one job never meet those of another
TELL_S = 0.5  # between two words of a job on how far it is
STOP, HEARD = "stop", "heard"  # what is said to a job
STOP_WITHIN_S = 5.0  # a job that was stopped ends with the schedule it plays


def search_with_jobs(order: Order, jobs: int, told: Told) -> Searched:
    """Search with so many processes. Progress is told of all of them together.

    Ctrl-C stops them all; what each had found is kept. Raises UserError when one died.
    """
    if jobs == 1:
        return search(order, told)
    context = get_context("spawn")
    parts: dict[Connection, Searched] = {}
    running = []
    # Ctrl-C goes to all processes; who conducts passes it on. Jobs are born deaf to it: while they
    # import they could not yet choose to be. Here it waits until all are born.
    resource_tracker.ensure_running()  # whose start would let Ctrl-C through again
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        for one in _shares(order, jobs):
            ours, theirs = context.Pipe()
            job = context.Process(target=_search, args=(one, theirs), daemon=True)
            job.start()
            theirs.close()
            running.append(job)
            parts[ours] = Searched()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)
    try:
        was_interrupted = _listen(parts, told, set(order.rules))
    finally:
        for job in running:
            job.join(STOP_WITHIN_S)
            job.kill()
    whole = merged(parts.values())
    whole.was_interrupted = was_interrupted
    return whole


def _shares(order: Order, jobs: int) -> list[Order]:
    """Each job's part of the budget, with a seed of its own; the first has the database."""
    most = None if order.most is None else -(-order.most // jobs)
    return [
        replace(order, seed_of_search=order.seed_of_search + SEEDS_APART * number, most=most,
                database=order.database if number == 0 else None)
        for number in range(jobs)
    ]  # fmt: skip


def _listen(parts: dict[Connection, Searched], told: Told, wanted: set[str]) -> bool:
    """Keep the last word of each job until all are done; whether Ctrl-C stopped them.

    `wanted`: the rules that are looked for; once each is found by some job, the others stop.
    """
    waiting = list(parts)
    is_over = False
    was_interrupted = False
    while waiting:
        try:
            for one in wait(waiting):
                assert isinstance(one, Connection)
                parts[one], is_done = one.recv()
                if is_done:
                    waiting.remove(one)
                    one.send(HEARD)
            whole = merged(parts.values())
            told(whole)
            if wanted and not is_over and not wanted - whole.found.keys():
                is_over = True
                _stop(waiting)
        except (EOFError, ConnectionError):
            raise UserError("a job of the search died", mend="search with fewer jobs") from None
        except KeyboardInterrupt:
            if was_interrupted:
                raise
            was_interrupted = True
            _stop(waiting)
    return was_interrupted


def _stop(jobs: Iterable[Connection]) -> None:
    """Each ends with the schedule it plays; what it has found is still to come."""
    for job in jobs:
        with suppress(ConnectionError):  # it died: that shows when it is listened to
            job.send(STOP)


def _search(order: Order, conductor: Connection) -> None:
    """One job: say how far it is now and then, and at last what it found."""
    said_s = time.monotonic()

    def told(searched: Searched) -> None:
        nonlocal said_s
        if conductor.poll():
            raise KeyboardInterrupt
        if time.monotonic() - said_s >= TELL_S:
            said_s = time.monotonic()
            conductor.send((searched, False))

    conductor.send((search(order, told), True))
    with suppress(EOFError, OSError):  # the conductor has ended
        # A process that goes with words unheard takes its own last ones with it.
        while conductor.recv() != HEARD:
            pass


def merged(parts: Iterable[Searched]) -> Searched:
    """All parts as one: of each rule the finding with the fewest faults, then one whose limits
    are known, then the shortest."""
    whole = Searched()
    for part in parts:
        whole.schedules += part.schedules
        whole.virtual_s += part.virtual_s
        whole.took_s = max(whole.took_s, part.took_s)
        whole.was_interrupted = whole.was_interrupted or part.was_interrupted
        whole.best = whole.best or part.best
        for rule, found in part.found.items():
            known = whole.found.get(rule)
            if known is None or _size(found) < _size(known):
                whole.found[rule] = found
    return whole


def _size(found: Found) -> tuple[int, bool, int, str]:
    lasts = sum(one.lasts_ms for one in found.schedule)
    return len(found.schedule), not found.limits, lasts, str(found.schedule)
