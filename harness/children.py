"""The processes of a run: started, watched, and stopped in reverse order whatever happens."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.parent import PARENT_VARIABLE
from harness.payments.errors import UserError

TERM_WITHIN_S = 2.0
_POLL_S = 0.01
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h


def ending_signals() -> list[signal.Signals]:
    """What ends a run: Ctrl-C, SIGTERM, a closed terminal unless it was started under nohup."""
    found = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        found.append(signal.SIGHUP)
    return found


@dataclass
class Child:
    """One process of ours and what it is called in a message."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    may_end: bool = False  # it has done its work: ending is no failure

    @property
    def has_died(self) -> bool:
        """It ended although nobody asked it to."""
        return not self.may_end and self.process.poll() is not None

    def obituary(self) -> str:
        """How it ended, with the last line it wrote."""
        code = self.process.poll()
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        # A Go program says why first and where afterwards, in hundreds of lines.
        why = next((line for line in lines if line.startswith(("panic:", "fatal error:"))), None)
        said = f": {(why or lines[-1])[:200]}" if lines else ""
        return f"{self.name} died during the run ({how}){said}"


@dataclass
class Children:
    """All processes of a run, in the order they were started."""

    folder: Path  # where each child's output goes
    _children: list[Child] = field(default_factory=list)

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None,
        *, is_foreign: bool = False,
    ) -> Child:  # fmt: skip
        """Start a child in a session of its own, so that Ctrl-C reaches the conductor only.

        Our own programs end when their parent is gone. A foreign one is killed then, on Linux.
        """
        log = self.folder / f"{name.replace(' ', '-')}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603  (words of ours, no shell)
                list(command), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
                env={**os.environ, PARENT_VARIABLE: str(os.getpid()), **(environment or {})},
                preexec_fn=_dies_with_parent() if is_foreign else None,
            )  # fmt: skip
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def dead(self) -> list[Child]:
        """Children that ended although nobody asked them to."""
        return [child for child in self._children if child.has_died]

    def wait_for(self, child: Child, path: Path, within_s: float) -> None:
        """Wait until a child has written `path`. Raises UserError when it dies or is too late."""
        until = time.monotonic() + within_s
        while not path.exists():
            if child.process.poll() is not None:
                raise UserError(child.obituary(), mend=f"its output is in {child.log}")
            if time.monotonic() > until:
                raise UserError(f"{child.name} was not ready within {within_s:g} s")
            time.sleep(_POLL_S)

    def discard(self, child: Child) -> None:
        """End one that was of no use."""
        child.process.kill()
        child.process.wait()
        self._children.remove(child)

    def stop(self) -> None:
        """Stop all, last started first; kill what does not end by itself."""
        for child in reversed(self._children):
            child.may_end = True
            if child.process.poll() is None:
                child.process.terminate()
        until = time.monotonic() + TERM_WITHIN_S
        for child in reversed(self._children):
            try:
                child.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()


def _dies_with_parent() -> Callable[[], object] | None:
    """What a child does before its program starts, so that the kernel kills it with its parent."""
    if sys.platform != "linux":
        return None
    control = ctypes.CDLL(None).prctl  # found before the fork: afterwards little is allowed
    return lambda: control(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
