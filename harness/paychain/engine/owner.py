"""Which run made a proxy on a shared engine: its name holds the process.

`paychain-6f1c09ab-4711-8231907.gateway.authorise.issuer`: the place (a boot of a machine and a
process namespace), the process there, and when it started, so that a later process with the same
number is not mistaken for it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from paychain.engine.control import EngineControl
from paychain.engine.errors import EngineError

_NAME = re.compile(r"(paychain-([0-9a-f]{8})-(\d{1,10})-(\d{1,20}))\.(.+)")
_STARTED = 19  # fields after a process' name in /proc/PID/stat, up to its start: proc(5)


class RunState(StrEnum):
    """The state of the run that made a proxy."""

    OVER = "over"
    ALIVE = "alive"
    UNKNOWN = "unknown"  # it ran elsewhere: another machine, container or boot


@dataclass(frozen=True)
class Owned:
    """A proxy that a run of paychain made. `run` is the part of its name that names the run."""

    name: str
    run: str
    hop: str
    process: int
    state: RunState


def run_mark() -> str:
    """The prefix of the names of this process' proxies."""
    return f"paychain-{_place()}-{os.getpid()}-{_started_at(os.getpid()) or 0}."


def owned(name: str) -> Owned | None:
    """The owner of a proxy by its name; None for a proxy that no run of paychain made."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    run, place, process, started_at, hop = match.groups()
    state = RunState.UNKNOWN
    if place == _place():
        state = RunState.ALIVE if _lives(int(process), int(started_at)) else RunState.OVER
    return Owned(name, run, hop, int(process), state)


def remove(control: EngineControl, left: Owned) -> str:
    """Remove a proxy and the faults on it. Returns the error, "" on success."""
    try:
        control.destroy(left.name)
    except EngineError as error:
        return "" if error.status == 404 else str(error)
    return ""


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        place = boot + str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        place = platform.node()
    return hashlib.sha256(place.encode()).hexdigest()[:8]


def _lives(process: int, started_at: int) -> bool:
    found = _started_at(process)
    if found is not None:
        return found == started_at
    if Path("/proc/self/stat").exists():
        return False
    # Without /proc the age of a process is unknown: any process of that number counts as the run.
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _started_at(process: int) -> int | None:
    """When a process started, in ticks since boot; None when there is none, or no /proc."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return int(fields[_STARTED]) if fields[0] not in "ZX" else None  # a zombie does nothing more
