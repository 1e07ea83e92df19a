"""A few processes of this machine that do many short jobs in turn."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from typing import Any

from paychain.payments.errors import HarnessError
from paychain.processes.jobs import Job, Report
from paychain.processes.parent import end_with
from paychain.processes.variables import SECRETS


class Pool:
    """So many processes; each does one job after the other, and reports nothing before its end."""

    def __init__(self, processes: int) -> None:
        self._processes = processes

    @contextmanager
    def start(self, job: Job, arguments: Sequence[Any]) -> Iterator[RunningPool]:
        """Start the job with each argument; all have stopped at the end. Raises HarnessError."""
        context = get_context("spawn")
        try:
            is_over = context.Event()
        except OSError as error:
            what = f"processes have no semaphore to share: {error.strerror}"
            raise HarnessError(f"{what}; /dev/shm must exist and be writable") from error
        # It starts all of them at once, also those that would have no job.
        processes = max(1, min(self._processes, len(arguments)))
        with ProcessPoolExecutor(
            processes,
            mp_context=context,
            initializer=_begin_worker,
            initargs=(os.getpid(), is_over),
        ) as pool:
            running = RunningPool(
                {
                    pool.submit(_run, job, argument): number
                    for number, argument in enumerate(arguments)
                },
                is_over,
            )
            try:
                yield running
            except BaseException:
                # A requested end does not wait for jobs in progress.
                running.stop()
                raise
            finally:
                running.cancel()


class RunningPool:
    """Jobs that wait for a process, or are done by one."""

    def __init__(self, jobs: Mapping[Future[Any], int], is_over: Event) -> None:
        self._jobs = dict(jobs)
        self._is_over = is_over

    def receive(self) -> list[Report]:
        """Wait for jobs that end. Raises what one raised."""
        ended, _ = wait(self._jobs, return_when=FIRST_COMPLETED)
        return [Report(self._jobs.pop(each), each.result(), True) for each in ended]

    def stop(self) -> None:
        """End the processes, whatever they are doing."""
        self._is_over.set()

    def cancel(self) -> None:
        """Do none of the jobs that still wait."""
        for future in self._jobs:
            future.cancel()


def _run(job: Job, argument: Any) -> Any:
    return job(argument, lambda _: None)


def _begin_worker(parent: int, is_over: Event) -> None:
    """A worker of the pool lives no longer than the command, however that ends."""
    for name in SECRETS:
        os.environ.pop(name, None)
    end_with(parent, is_over.is_set)
