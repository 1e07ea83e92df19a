"""Whose proxies are on an engine that somebody else runs: every name says which process made it.

`paychain-6f1c09ab-4711-8231907.gateway.authorise.issuer`: the place (a boot of a machine, seen from
one process namespace), the process there, and when it was born, so that a process which later got
the same number is not taken for it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.faults.control import EngineControl, EngineError

_NAME = re.compile(r"(paychain-([0-9a-f]{8})-(\d{1,10})-(\d{1,20}))\.(.+)")
_STARTED = 19  # fields after a process' name in /proc/PID/stat, up to its start: proc(5)


class State(StrEnum):
    """What has become of the run that made a proxy."""

    OVER = "over"
    ALIVE = "alive"
    UNKNOWN = "unknown"  # it ran elsewhere: another machine, container or boot


@dataclass(frozen=True)
class Owned:
    """A proxy that a run of paychain made. `run` is what its name says of the run."""

    name: str
    run: str
    hop: str
    process: int
    state: State


def run_mark() -> str:
    """What the names of this process' proxies begin with."""
    return f"paychain-{_place()}-{os.getpid()}-{_born(os.getpid()) or 0}."


def owned(name: str) -> Owned | None:
    """What a proxy's name says of its owner; None for one that is not ours."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    run, place, process, born, hop = match.groups()
    state = State.UNKNOWN
    if place == _place():
        state = State.ALIVE if _lives(int(process), int(born)) else State.OVER
    return Owned(name, run, hop, int(process), state)


def remove(control: EngineControl, left: Owned) -> str:
    """Take a proxy off the engine, with the faults on it; what went wrong, "" when it is gone."""
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


def _lives(process: int, born: int) -> bool:
    found = _born(process)
    if found is not None:
        return found == born
    if Path("/proc/self/stat").exists():
        return False
    try:  # without /proc nobody knows how old a process is: one of that number counts as it
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _born(process: int) -> int | None:
    """When a process was started, in ticks since boot; None when there is none, or no /proc."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return int(fields[_STARTED]) if fields[0] not in "ZX" else None  # a zombie does nothing more
