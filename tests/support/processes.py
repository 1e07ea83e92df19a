"""The processes of a run as the system sees them (through /proc)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

needs_proc = pytest.mark.skipif(
    not Path("/proc").is_dir(), reason="finds child processes through /proc"
)


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


def child_of(parent: int, mark: str) -> int | None:
    """The pid of the one child whose command holds a mark."""
    return next((pid for line, pid in children_of(parent).items() if mark in line), None)


def alive(pids: Iterable[int]) -> list[int]:
    """Those of the processes that still are there."""
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]
