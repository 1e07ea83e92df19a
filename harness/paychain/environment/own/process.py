"""One own service as a process: started, watched, frozen, killed, started again, stopped.

    before ─ start ─ wait until ready ─┬─ kill, start again (crash) ─┬─ signal ─ deadline ─ kill
                                       └─ freeze, thaw ──────────────┘

Whatever is done to it is done to its whole process group: its command may be a wrapper.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from paychain.environment.own import groups
from paychain.environment.own.guarding import ProcessGuard
from paychain.environment.own.listening import instead
from paychain.environment.own.not_started import NotStarted
from paychain.environment.own.readiness import POLL_S, ReadySign
from paychain.environment.own.variables import Addresses
from paychain.model.service import OwnService
from paychain.processes.children import python_module, reap
from paychain.processes.scratch import is_scratch
from paychain.processes.shown_lines import shown_lines

STOP_POLL_S = 0.05
BEFORE_WITHIN_S = 600.0  # one command: a database takes minutes to load, not hours
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")  # and cursor movements: ECMA-48 §5.4
TAIL_BYTES = 64_000  # holds the last lines of any sane length


@dataclass(frozen=True, kw_only=True)
class ServiceEnvironment:
    """What one service is started in: its folder, its variables, where its output goes."""

    addresses: Addresses
    environment: Mapping[str, str]
    folder: Path
    log: Path
    mark: str  # in the environment of everything that it starts


class OwnProcess:
    """The process of one link, the one after a crash included. Errors are NotStarted."""

    def __init__(
        self, link: str, service: OwnService, surroundings: ServiceEnvironment, guard: ProcessGuard
    ) -> None:
        self.link = link
        self._service = service
        self._around = surroundings
        self._guard = guard
        self._process: subprocess.Popen[bytes] | None = None
        self._sign: ReadySign | None = None
        self._ready_by_s = 0.0  # by time.monotonic()

    def run_before(self) -> None:
        """Run the commands of `before`, one after the other."""
        for command in self._service.before:
            self._run_to_its_end(self._filled(command))

    def start(self) -> None:
        """Start it; it is not ready when this returns."""
        assert self._process is None
        service, around = self._service, self._around
        if service.app is not None:
            host, port = around.addresses.own
            command = python_module("uvicorn", service.app, "--host", host, "--port", str(port))
            # The application is in the user's folder, from which `-P` does not import.
            command += ["--app-dir", "."]
        else:
            command = self._filled(service.command or ())
        self._sign = ReadySign(
            ready=service.ready,
            addresses=around.addresses,
            log=around.log,
            written=around.log.stat().st_size if around.log.exists() else 0,
            folder=around.folder,
            environment=around.environment,
        )
        self._process = self._popen(command)
        self.begin_to_wait()

    def wait_until_ready(self) -> None:
        """Wait until it is ready."""
        missing = self.missing()
        while missing:
            if self.exit_words is not None:
                raise self._failure(f"{self.exit_words} before it was ready", self._exit_hint())
            if self.is_late:
                raise self._failure(self.late_words(missing), self._late_hint())
            time.sleep(POLL_S)
            missing = self.missing()

    def missing(self, *, waits: bool = True) -> str:
        """Why it is not ready yet; "" when it is. `waits`: a look may take some time."""
        assert self._sign is not None
        return self._sign.missing(waits=waits)

    def begin_to_wait(self) -> None:
        """From now on it has all the time that it may take to become ready."""
        self._ready_by_s = time.monotonic() + self._service.ready.within

    def _exit_hint(self) -> str:
        assert self._process is not None
        went_away = self._process.returncode == 0
        return "its command must stay in the foreground" if went_away else ""

    def _late_hint(self) -> str:
        assert self._process is not None
        processes = groups.living(self._process.pid, self._around.mark)
        return instead(processes, self._around.addresses.own)

    @property
    def is_late(self) -> bool:
        """It had all the time to become ready that it may take."""
        return time.monotonic() > self._ready_by_s

    def late_words(self, missing: str) -> str:
        """`was not ready within 30 s: GET http://127.0.0.1:8080/health: connection refused`."""
        assert self._sign is not None
        within_s = self._service.ready.within
        return f"was not ready within {within_s:g} s: {self._sign.words}: {missing}"

    @property
    def is_running(self) -> bool:
        """It was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_words(self) -> str | None:
        """`ended with exit code 139`; None while it runs, and before it was started."""
        code = self._process.poll() if self._process is not None else None
        if code is None:
            return None
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def freeze(self) -> None:
        """Stop it without ending it."""
        if self._process is not None:
            groups.send(self._process.pid, self._around.mark, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if self._process is not None:
            groups.send(self._process.pid, self._around.mark, signal.SIGCONT)

    def last_lines(self) -> list[str]:
        """The end of its output, without card numbers."""
        return last_lines(self._around.log, self._around.environment)

    def kill(self) -> None:
        """End it and everything that it has started, at once."""
        if self._process is None:
            return
        group = self._process.pid
        groups.kill(group, self._around.mark)
        reap(self._process)
        self._guard.forget(group, self._around.mark)
        self._process = None

    def ask_to_stop(self) -> None:
        """Send it the declared signal; one that is frozen could not react."""
        self.thaw()
        if self.is_running:
            assert self._process is not None
            number = signal.Signals[f"SIG{self._service.stop.signal}"]
            groups.send(self._process.pid, self._around.mark, number)

    def wait_for_end(self) -> None:
        """Wait until all of it has ended, for as long as is declared; then end the rest."""
        if self._process is None:
            return
        until_s = time.monotonic() + self._service.stop.within
        group = self._process.pid
        while time.monotonic() < until_s:
            ended = self._process.poll() is not None
            if ended and not groups.living(group, self._around.mark):
                break
            time.sleep(STOP_POLL_S)
        self.kill()

    def _filled(self, command: Sequence[str]) -> list[str]:
        return [self._around.addresses.filled(word) for word in command]

    def _run_to_its_end(self, command: list[str]) -> None:
        shown = " ".join(command)
        process = self._popen(command)
        try:
            code = process.wait(BEFORE_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise self._failure(
                f"`{shown}` (before:) did not end within {BEFORE_WITHIN_S:g} s"
            ) from None
        finally:
            groups.kill(process.pid, self._around.mark)
            reap(process)
            self._guard.forget(process.pid, self._around.mark)
        if code != 0:
            raise self._failure(f"`{shown}` (before:) failed with exit code {code}")

    def _popen(self, command: list[str]) -> subprocess.Popen[bytes]:
        around = self._around
        if not around.folder.is_dir():
            raise NotStarted(
                f"{self.link}: there is no folder {around.folder}",
                hint="cwd: is relative to the chain's file",
            )
        with around.log.open("ab") as output, self._explained(command):
            process = subprocess.Popen(  # noqa: S603  (the user's own command, no shell)
                command,
                cwd=around.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**around.environment, groups.MARK: around.mark},
            )
        self._guard.watch(process.pid, around.mark)
        return process

    @contextmanager
    def _explained(self, command: Sequence[str]) -> Iterator[None]:
        """What the system said about a command that it could not start."""
        try:
            yield
        except FileNotFoundError:
            raise NotStarted(
                f"{self.link}: there is no program '{command[0]}'",
                hint="name one that is on the PATH, or a path relative to its working folder (cwd)",
            ) from None
        except OSError as error:
            raise NotStarted(
                f"{self.link}: cannot start '{command[0]}': {error.strerror}"
            ) from None

    def _failure(self, what: str, hint: str = "") -> NotStarted:
        lines = self.last_lines()
        what = f"{what}; {hint}" if hint else what
        shown = "".join(f"\n    {line}" for line in lines)
        ending = f"; its last lines:{shown}" if lines else "; it wrote nothing"
        if not is_scratch(self._around.log):
            ending += f"\nits output is in {self._around.log}"
        return NotStarted(f"{self.link} {what}{ending}")


def last_lines(log: Path, environment: Mapping[str, str]) -> list[str]:
    """The last lines of a service's output, as a report may show them; none without a file."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    return shown_lines(_COLOURS.sub("", text).splitlines(), environment)
