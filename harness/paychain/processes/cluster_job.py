"""What a worker of a cluster does with a job: has a process of its own do it, and passes it on.

A search turns the clock and the network of its process into virtual ones, and a worker needs both
of its own. Its processes are kept for the next jobs: they have imported what those need.
"""

from __future__ import annotations

import pickle
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from paychain.processes.jobs import RECEIVED, REPORT_S, STOP, JobError
from paychain.processes.local import JobProcess

if TYPE_CHECKING:
    from distributed import Event, Worker

_POLL_S = 0.1


@dataclass(frozen=True)
class Task:
    """One job. `topic`: of what it sends, and of the event that stops it."""

    number: int
    topic: str
    pickled: bytes  # the job and its argument


class JobDied(Exception):
    """The process that did a job ended by itself."""


_idle: list[JobProcess] = []
_lock = threading.Lock()


def run_job(task: Task) -> bytes:
    """Do a job on the worker that calls this; return its last value, pickled.

    Raises what the job raised, JobDied when its process died.
    """
    from distributed import Event, get_client, get_worker

    worker = get_worker()
    stop = Event(task.topic, client=get_client())
    with _lock:
        process = _idle.pop() if _idle else None
    process = process or JobProcess()
    try:
        process.connection.send_bytes(task.pickled)
        value = _passed_on(process.connection, task, worker, stop)
    except BaseException as error:
        process.kill()
        if isinstance(error, EOFError | ConnectionError):
            what = f"the process of job {task.number + 1} died on worker {worker.address}"
            raise JobDied(what) from error
        raise
    with _lock:
        _idle.append(process)
    return value


def _passed_on(process: Connection, task: Task, worker: Worker, stop: Event) -> bytes:
    """Forward what the process sends up to its last value, and stop it if requested."""
    key = worker.get_current_task()

    def log(value: bytes) -> None:
        worker.log_event(task.topic, (task.number, worker.address, value))

    log(b"")
    is_stopping = False
    looked_s = time.monotonic()
    while True:
        if process.poll(_POLL_S):
            value, is_done = process.recv()
            if isinstance(value, JobError):
                raise value.error
            if is_done:
                process.send(RECEIVED)
                return pickle.dumps(value)
            log(pickle.dumps(value))
        if time.monotonic() - looked_s >= REPORT_S:
            looked_s = time.monotonic()
            if not is_stopping and stop.is_set():
                is_stopping = True
                process.send(STOP)
            if _is_released(worker, key):
                raise RuntimeError("no process waits for this job any more")


def _is_released(worker: Worker, key: Any) -> bool:
    """The client that wanted the result left or died."""
    task = worker.state.tasks.get(key)
    return task is None or task.state in ("cancelled", "released")
