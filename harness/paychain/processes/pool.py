"""A few processes of this machine that do many short jobs in turn."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from paychain.payments.errors import HarnessError
from paychain.processes.jobs import RECEIVED, Job, JobError, Report
from paychain.processes.local import JobProcess


class Pool:
    """So many processes; each does one job after the other, and reports nothing before its end."""

    def __init__(self, processes: int) -> None:
        self._processes = processes

    @contextmanager
    def start(self, job: Job, arguments: Sequence[Any]) -> Iterator[RunningPool]:
        """Start the job with each argument; all processes have ended at the end."""
        running = RunningPool(job, arguments)
        try:
            running.begin(min(self._processes, len(arguments)))
            yield running
        finally:
            running.stop()


class RunningPool:
    """Jobs that wait for a process, or are done by one."""

    def __init__(self, job: Job, arguments: Sequence[Any]) -> None:
        self._job = job
        self._waiting = deque(enumerate(arguments))
        self._doing: dict[Connection, int] = {}  # the place of its argument, by process
        self._processes: list[JobProcess] = []

    def begin(self, processes: int) -> None:
        """Start so many processes with a job each."""
        for _ in range(processes):
            process = JobProcess()
            self._processes.append(process)
            self._give_next(process.connection)

    def receive(self) -> list[Report]:
        """Wait for jobs that end. Raises what one raised, and HarnessError for one that died."""
        ended = []
        for process in wait(list(self._doing)):
            assert isinstance(process, Connection)
            try:
                value, is_done = process.recv()
                # To a job that goes on, or that has failed, any message means something else.
                if is_done and not isinstance(value, JobError):
                    process.send(RECEIVED)
            except (EOFError, ConnectionError):
                raise HarnessError("a process that did a part of the work was ended") from None
            if isinstance(value, JobError):
                raise value.error
            if is_done:
                ended.append(Report(self._doing.pop(process), value, True))
                self._give_next(process)
        return ended

    def stop(self) -> None:
        """End the processes, whatever they are doing."""
        for process in self._processes:
            process.kill()
        self._processes.clear()

    def _give_next(self, process: Connection) -> None:
        if not self._waiting:
            return
        number, argument = self._waiting.popleft()
        self._doing[process] = number
        with suppress(ConnectionError):  # one that died is noticed when its value is read
            process.send_bytes(pickle.dumps((self._job, argument)))
