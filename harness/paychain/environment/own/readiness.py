"""Whether an own service is ready: asked at its own port, never through a proxy of the run.

A fault at the start of a run would otherwise hide the service, or a frozen hop start it late.
"""

from __future__ import annotations

import http.client
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paychain.environment.own.variables import Address, Addresses
from paychain.model.service import Ready
from paychain.processes.connecting import connect
from paychain.processes.deadlines import TimedConnection

POLL_S = 0.1  # between two looks at a service that starts
TRY_S = 1.0  # one request of a service that is just starting
QUICK_TRY_S = 0.1  # during a run, whose faults must be on time
COMMAND_S = 10.0  # one readiness command
READY_STATUS = range(200, 400)


@dataclass(frozen=True, kw_only=True)
class ReadySign:
    """What is looked for. `log`: the service's output, of which the first `written` are older."""

    ready: Ready
    addresses: Addresses
    log: Path
    written: int
    folder: Path
    environment: Mapping[str, str]

    @property
    def words(self) -> str:
        """What is waited for: `GET http://127.0.0.1:8080/health`."""
        host, port = self.addresses.own
        if self.ready.http is not None:
            return f"GET http://{host}:{port}{self.ready.http}"
        if self.ready.log is not None:
            return f"'{self.ready.log}' in its output"
        if self.ready.command is not None:
            return f"`{' '.join(self._command)}`"
        return f"a connection to {host}:{port}"

    def wait(self, within_s: float) -> str:
        """Wait until it is there; what is missing in the end, "" when nothing is."""
        until_s = time.monotonic() + within_s
        while (missing := self.missing()) and time.monotonic() < until_s:
            time.sleep(POLL_S)
        return missing

    @property
    def _command(self) -> list[str]:
        return [self.addresses.filled(word) for word in self.ready.command or ()]

    def missing(self, *, waits: bool = True) -> str:
        """Why the service is not ready yet, in a few words; "" when it is.

        `waits`: a look may take seconds. While a run goes on it may not, and an open port takes the
        place of a command.
        """
        within_s = TRY_S if waits else QUICK_TRY_S
        if self.ready.http is not None:
            return _by_http(self.addresses.own, self.ready.http, within_s)
        if self.ready.log is not None:
            return _by_log(self.log, self.written, self.ready.log)
        if self.ready.command is not None and waits:
            return _by_command(self._command, self.folder, self.environment)
        return _by_port(self.addresses.own, within_s)


def _by_port(address: Address, within_s: float) -> str:
    try:
        connect(*address, within_s).close()
    except OSError as error:
        return _reason(error)
    return ""


def _by_http(address: Address, path: str, within_s: float) -> str:
    connection = TimedConnection(*address, timeout=within_s)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return _reason(error)
    finally:
        connection.close()
    return "" if status in READY_STATUS else f"status {status}"


def _by_log(log: Path, written: int, text: str) -> str:
    with log.open("rb") as file:
        file.seek(written)
        return "" if text.encode() in file.read() else "no such line yet"


def _by_command(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603  (the user's own command, no shell)
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not done within {COMMAND_S:g} s"
    except OSError as error:
        return _reason(error)
    return "" if done.returncode == 0 else f"exit code {done.returncode}"


def _reason(error: Exception) -> str:
    """`connection refused`."""
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, http.client.RemoteDisconnected):
        return "closed without an answer"
    if isinstance(error, http.client.HTTPException):
        return "no HTTP answer"
    words = error.strerror if isinstance(error, OSError) else ""
    return (words or type(error).__name__).lower()
