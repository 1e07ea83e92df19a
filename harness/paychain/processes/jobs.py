"""Jobs that run side by side, wherever that is: what each reports, and how all are stopped.

parent <── (value so far, is_done) ── job   now and then, and at the end
parent ── STOP ─────────────────────> job   enough is known, or Ctrl-C
parent ── RECEIVED ─────────────────> job   its last value has arrived

An executor says where: `Processes` a process each on this machine (local.py), `Pool` a few of them
in turn, `Cluster` the workers of a cluster. All are used alike, by `Executor` and `Running`.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, Protocol

from paychain.payments.errors import sentence_of

REPORT_S = 0.5  # seconds between two values that a job sends
STOP, RECEIVED = "stop", "received"  # what the parent sends to a job

# Gets an argument and what takes a value so far; the latter raises KeyboardInterrupt when the job
# is to end with what it has. Returns the last value. A function of a module: it is pickled by name.
Job = Callable[[Any, Callable[[Any], None]], Any]


class Report(NamedTuple):
    """What a job has so far. `job`: the place of its argument; `is_done`: nothing follows."""

    job: int
    value: Any
    is_done: bool


@dataclass(frozen=True)
class JobError:
    """What a job raised, where that cannot be raised itself."""

    error: Exception

    @classmethod
    def of(cls, error: Exception) -> JobError:
        """What was raised, or what it says where another process could not read it."""
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301  (our own)
        except Exception:  # whatever a class of others does there
            return cls(RuntimeError(sentence_of(error)))
        return cls(error)


class Running(Protocol):
    """Jobs that were started."""

    def receive(self) -> list[Report]:
        """Wait for reports of jobs that are not done. Raises what a job raised.

        An EOFError or a ConnectionError says that a job died.
        """

    def stop(self) -> None:
        """Ask the jobs to end with what they have; their last values are still to come."""


class Executor(Protocol):
    """Where jobs run."""

    def start(self, job: Job, arguments: Sequence[Any]) -> AbstractContextManager[Running]:
        """Start the job with each argument; all have stopped at the end."""


class RunningProcesses:
    """Jobs at the other ends of connections."""

    def __init__(self, jobs: Sequence[Connection]) -> None:
        self._waiting = {job: number for number, job in enumerate(jobs)}

    def receive(self) -> list[Report]:
        """Wait for reports of jobs that are not done."""
        reports = []
        for job in wait(list(self._waiting)):
            assert isinstance(job, Connection)
            value, is_done = job.recv()
            if isinstance(value, JobError):
                raise value.error
            reports.append(Report(self._waiting[job], value, is_done))
            if is_done:
                del self._waiting[job]
                job.send(RECEIVED)
        return reports

    def stop(self) -> None:
        """Ask the jobs to end with what they have."""
        for job in self._waiting:
            with suppress(ConnectionError):  # a job that died is noticed when its value is read
                job.send(STOP)


def serve(job: Job, argument: Any, parent: Connection) -> None:
    """Do one job: send values now and then, and the last one at the end."""
    sent_s = time.monotonic()

    def report(value: Any) -> None:
        nonlocal sent_s
        if parent.poll():
            raise KeyboardInterrupt
        if time.monotonic() - sent_s >= REPORT_S:
            sent_s = time.monotonic()
            parent.send((value, False))

    parent.send((job(argument, report), True))
    # A STOP may cross the last value. A process that exits with unread messages resets the pipe,
    # and the parent loses the value: so it stays until the value has arrived.
    with suppress(EOFError, OSError):  # the parent has ended
        while parent.recv() != RECEIVED:
            pass
