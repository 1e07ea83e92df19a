"""What a services process needs to know when it starts, and what it reports once it listens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from paychain.processes.children import python_module

SERVICES = tuple(python_module("paychain.services"))  # the command; its argument is a plan's file


class ServicesPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Written by the conductor as JSON. `epoch_ns` is the CLOCK_MONOTONIC reading of time zero.

    `chain`: the plain values of its file, as they were read and checked.
    """

    chain: dict[str, Any]
    links: list[str]
    seed: int
    epoch_ns: int
    spool: str
    ready: str  # file that gets the process' ports once it listens
    name: str = "mock services"  # as a reader knows the process
    life: int = 1  # counts the processes that have run these links, this one included
    id_prefix: str = "p"  # what the run's payment ids begin with
    sockets: dict[str, int] = {}  # inherited ones, bound for a link; the others take free ports


class ServicesReady(msgspec.Struct, frozen=True):
    """What the process answers: where its control API and its links listen."""

    control: int
    ports: dict[str, int]


def read_plan(path: Path) -> ServicesPlan:
    """Raises msgspec.DecodeError when the file is not a plan."""
    return msgspec.json.decode(path.read_bytes(), type=ServicesPlan)
