"""The guard of a run: a process that outlives us and ends the users' processes when we are gone."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from paychain.environment.own import groups
from paychain.processes.children import python_file
from paychain.processes.variables import without_secrets

ENDS_WITHIN_S = 5.0


class ProcessGuard:
    """Knows the process groups of users' processes; started with the first of them.

    It reads from a pipe whose other end only this process has: however this process ends, also by
    SIGKILL, the kernel closes the pipe, and the guard ends every group that is left.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def watch(self, group: int, mark: str) -> None:
        """End this group when this process has ended."""
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603  (our own file, no shell)
                python_file(Path(groups.__file__)),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=without_secrets(os.environ),
            )
        self._write(f"+{group} {mark}\n")

    def forget(self, group: int, mark: str) -> None:
        """Nothing of this group is left."""
        self._write(f"-{group} {mark}\n")

    def close(self) -> None:
        """End it, and with it every group that was not taken back."""
        if self._process is None:
            return
        with suppress(OSError):
            self._process.communicate(timeout=ENDS_WITHIN_S)
        self._process = None

    def _write(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(OSError):  # it was killed: the run continues, only less safely
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
