"""Jobs in processes of this machine, which know nothing of the program that starts them.

Those of multiprocessing import the main module of the process that starts them, maybe a user's
script that runs whatever it does once more.
"""

from __future__ import annotations

import os
import pickle
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from typing import Any

from paychain.processes.children import python_module
from paychain.processes.jobs import Job, RunningProcesses
from paychain.processes.variables import child_environment, without_secrets

PROGRAM = "paychain.processes.job_process"


class JobProcess:
    """A process that does one job after the other."""

    def __init__(self) -> None:
        self.connection, theirs = Pipe()
        self._process = subprocess.Popen(  # noqa: S603  (our own command, no shell)
            python_module(PROGRAM, str(theirs.fileno()), str(os.getpid())),
            stdin=subprocess.DEVNULL,
            env=without_secrets(child_environment()),
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
        theirs.close()

    @property
    def pid(self) -> int:
        """The process' number."""
        return self._process.pid

    def kill(self) -> None:
        """End it whatever it does."""
        self._process.kill()
        self._process.wait()
        self.connection.close()


class Processes:
    """A process for each job. It has a session of its own: Ctrl-C reaches its starter alone."""

    @contextmanager
    def start(self, job: Job, arguments: Sequence[Any]) -> Iterator[RunningProcesses]:
        """Start the job with each argument; all have stopped at the end."""
        processes: list[JobProcess] = []
        try:
            for argument in arguments:
                process = JobProcess()
                processes.append(process)
                with suppress(ConnectionError):  # one that died is noticed when its value is read
                    process.connection.send_bytes(pickle.dumps((job, argument)))
            yield RunningProcesses([process.connection for process in processes])
        finally:
            for process in processes:
                process.kill()
