"""Process groups: everything that a user's command has started, found and ended together.

A wrapper such as npm or a shell starts the service as a child of its own, so that a signal to the
command alone would leave the service running. All of them have the group of the command, and all
have its mark in their environment, even one that left the group.

Run as a program it is the guard of a run: it reads groups from its input, and ends them all when
the input is closed, as it is when the run is killed. It imports the standard library only, so that
it starts in a few milliseconds.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

MARK = "PAYCHAIN_OWN_SERVICE"  # variable that every process of a service inherits
KILL_ROUNDS = 100  # a second: a killed process is gone in a millisecond, on a busy machine later
KILL_PAUSE_S = 0.01
_PROCESSES = Path("/proc")
_DEAD = frozenset("ZX")  # zombie, dead: nothing of it runs any more


def send(group: int, mark: str, number: int) -> None:
    """Send a signal to every process of a group and to those that left it, to each once."""
    outside = [process for process in living(group, mark) if _group_of(process) != group]
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    for process in outside:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def living(group: int, mark: str) -> list[int]:
    """The processes of a group, and those that left it and have its mark, which still run.

    Without a /proc, as on macOS, only whether the group exists is known: then its number.
    """
    if not _PROCESSES.joinpath("self", "stat").exists():
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return []
        return [group]
    marked = f"{MARK}={mark}".encode()
    found = []
    for entry in _PROCESSES.iterdir():
        if entry.name.isdigit() and _is_of(entry, group, marked):
            found.append(int(entry.name))
    return found


def kill(group: int, mark: str) -> None:
    """End every process of a group at once, and those that left it."""
    # A process may be forked while the others are killed: nothing is left when none is found.
    for _ in range(KILL_ROUNDS):
        send(group, mark, signal.SIGKILL)
        if not living(group, mark):
            return
        time.sleep(KILL_PAUSE_S)


def _group_of(process: int) -> int:
    """Its group; 0 when it has ended."""
    try:
        return os.getpgid(process)
    except OSError:
        return 0


def _is_of(entry: Path, group: int, marked: bytes) -> bool:
    try:
        # The name stands in parentheses and may have spaces; state and group come behind it.
        fields = entry.joinpath("stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        if fields[0] in _DEAD:
            return False
        if int(fields[2]) == group:
            return True
        return marked in entry.joinpath("environ").read_bytes().split(b"\0")
    except (OSError, IndexError, ValueError):  # it has ended, or is somebody else's
        return False


def guard() -> None:
    """End the groups that were named and not taken back, when the input is closed.

    A line is `+GROUP MARK` or `-GROUP MARK`.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: dict[str, None] = {}
    for line in sys.stdin:
        if line.startswith("+"):
            groups[line[1:].strip()] = None
        else:
            groups.pop(line[1:].strip(), None)
    for named in groups:
        group, _, mark = named.partition(" ")
        kill(int(group), mark)


if __name__ == "__main__":
    guard()
