"""The processes of a run: started, watched, and stopped in reverse order whatever happens."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from paychain.payments.errors import PartLost, UserError
from paychain.processes.parent import PARENT_VARIABLE
from paychain.processes.scratch import is_scratch
from paychain.processes.spool import JOURNAL_FAILED
from paychain.processes.variables import child_environment, without_secrets

READY_WITHIN_S = 60.0  # a process of a run is ready by then, on a busy machine, too
TERM_WITHIN_S = 5.0  # a child that does not end within this after SIGTERM is killed
MAX_LINE_CHARACTERS = 200  # of a child's output in a message
FATAL = "fatal error: "  # begins the line of an output that says why its process ended
_POLL_S = 0.01
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h


def python_module(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this environment in a Python child of ours.

    With -P it does not import from its working directory, which is the user's: a `requests.py`
    or a `locust/` there must not take the place of what we depend on.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def python_file(path: Path) -> list[str]:
    """The command that runs a file of ours that needs the standard library only: it starts fast."""
    return [sys.executable, "-I", "-S", str(path)]


def ending_signals() -> list[signal.Signals]:
    """What ends a run: Ctrl-C, SIGTERM, a closed terminal unless it was started under nohup."""
    found = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        found.append(signal.SIGHUP)
    return found


def hear_of_children() -> None:
    """Let the system tell how a child ended.

    Who started us may ignore SIGCHLD, and we inherit that: every child would then end with 0.
    """
    is_ignored = signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    # Elsewhere Python cannot change it, and a library's thread is not where we are started.
    if is_ignored and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


@dataclass
class Child:
    """One process of ours and what it is called in a message."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    may_end: bool = False  # it has done its work: ending is not a failure
    ends_in_order: bool = False  # once it is ready, it ends with 0 when it is asked to
    is_ready: bool = False
    was_killed: bool = False  # by a fault of the experiment

    @property
    def has_died(self) -> bool:
        """It ended although it was still needed."""
        return not self.may_end and self.process.poll() is not None

    @property
    def how_it_ended(self) -> str:
        """`exit code 2`, `killed by signal 9`: for a process that has ended."""
        code = self.process.poll()
        if code == JOURNAL_FAILED:  # on a full disk its log may not say so
            return f"exit code {code}: its journal cannot be written"
        return f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    def exit_report(self) -> str:
        """That it ended and how, with the last line it wrote."""
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        # A Go program prints the reason first and then hundreds of lines of stack traces.
        reason = next((line for line in lines if line.startswith(("panic:", FATAL))), None)
        shown = f": {(reason or lines[-1])[:MAX_LINE_CHARACTERS]}" if lines else ""
        return f"{self.name} ended unexpectedly ({self.how_it_ended}){shown}"

    @property
    def where_output(self) -> str:
        """A hint where the rest of its output is; "" where that goes with the command."""
        return "" if is_scratch(self.log) else f"its output is in {self.log}"

    @property
    def has_failed_to_end(self) -> bool:
        """It was asked to end, and did not do so in order."""
        return self.ends_in_order and self.is_ready and self.process.returncode != 0


@dataclass
class Children:
    """All processes of a run, in the order they were started."""

    folder: Path  # where each child's output goes
    _children: list[Child] = field(default_factory=list)

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        *,
        is_foreign: bool = False,
        token: str = "",
        sockets: Sequence[int] = (),
        ends_in_order: bool = False,
    ) -> Child:
        """Start a child in a session of its own, so that Ctrl-C reaches the conductor only.

        `environment` is added to ours; `folder` is the child's working directory, ours by default.
        Our own programs end when their parent is gone. A foreign one is killed then, on Linux.
        `token`: what the child finds on its standard input (`received_token`). `sockets`: file
        descriptors that it inherits under their numbers.
        `ends_in_order`: `stop` says so when it does not end with exit code 0.
        """
        hear_of_children()
        log = self.folder / f"{name.replace(' ', '-')}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603  (our own command, no shell)
                list(command),
                cwd=folder,
                stdin=subprocess.PIPE if token else subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={
                    **without_secrets(os.environ if is_foreign else child_environment()),
                    PARENT_VARIABLE: str(os.getpid()),
                    **(environment or {}),
                },
                preexec_fn=_dies_with_parent() if is_foreign else None,
                pass_fds=tuple(sockets),
            )
        if process.stdin is not None:
            with suppress(OSError), process.stdin:  # a child that died is reported as such
                process.stdin.write(f"{token}\n".encode())
        child = Child(name, process, log, ends_in_order=ends_in_order)
        self._children.append(child)
        return child

    def dead(self) -> list[Child]:
        """Children that ended although they were still needed."""
        return [child for child in self._children if child.has_died]

    def wait_for(
        self,
        child: Child,
        path: Path,
        within_s: float = READY_WITHIN_S,
        *,
        is_addressed: bool = False,
    ) -> None:
        """Wait until a child has written `path`. Raises PartLost when it dies or is too late.

        `is_addressed`: it listens where the user said, and may have died of that: UserError then.
        """
        failure = UserError if is_addressed else PartLost
        until = time.monotonic() + within_s
        while not path.exists():
            if child.process.poll() is not None:
                raise failure(child.exit_report(), hint=child.where_output)
            if time.monotonic() > until:
                raise PartLost(f"{child.name} was not ready within {within_s:g} s")
            time.sleep(_POLL_S)
        child.is_ready = True

    def kill(self, child: Child) -> None:
        """Kill a child that is of no use and forget it."""
        child.process.kill()
        reap(child.process)
        self._children.remove(child)

    @property
    def number(self) -> int:
        """How many were started and not forgotten."""
        return len(self._children)

    def stop(self, beyond: int = 0) -> list[str]:
        """Stop all, last started first; kill what does not end by itself.

        `beyond`: how many to leave as they are, from the first. Returns what did not end in order
        although it should have, in sentences.
        """
        leaving = self._children[beyond:][::-1]
        # Who had ended before has been reported, or was meant to.
        asked = [child for child in leaving if child.process.poll() is None]
        for child in leaving:
            child.may_end = True
            if child.process.poll() is None:
                child.process.terminate()
        until = time.monotonic() + TERM_WITHIN_S
        for child in leaving:
            try:
                child.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                reap(child.process)
        return [child.exit_report() for child in asked if child.has_failed_to_end]


def reap(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process that was killed has ended.

    An interruption in the middle of `poll` or `wait` leaves their lock taken for good: waiting for
    that lock would never end.
    """
    try:
        process.wait(TERM_WITHIN_S)
    except subprocess.TimeoutExpired:
        with suppress(ChildProcessError):
            os.waitpid(process.pid, 0)


def _dies_with_parent() -> Callable[[], object] | None:
    """What a child does before its program starts, so that the kernel kills it with its parent."""
    if sys.platform != "linux":
        return None
    control = ctypes.CDLL(None).prctl  # found before the fork: afterwards little is allowed
    return lambda: control(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
