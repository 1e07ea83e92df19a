"""The processes of a run as the system sees them (through /proc)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def children_of(parent: int) -> dict[str, int]:
    """Commands and pids of a process' children."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            line = (status.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found[line] = int(status.parent.name)
    return found


def wait_until(holds: Callable[[], object], within_s: float = 30) -> None:
    """Wait for a condition; fails when it does not come."""
    until = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until, "the stage never came"
        time.sleep(0.01)
