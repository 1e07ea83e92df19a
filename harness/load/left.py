"""What a master and the conductor leave each other, beside what every load process does."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.load.plan import LoadPlan
from harness.load.roster import WorkerState


class MasterState(msgspec.Struct, frozen=True):
    """How the workers are, again and again."""

    workers: list[WorkerState]
    refused: int  # messages without the token of the run


class Lost(msgspec.Struct, frozen=True):
    """A worker that the conductor saw die; the master would only hear nothing of it."""

    name: str
    why: str


def port_file(plan: LoadPlan) -> Path:
    """The port the master listens on."""
    return Path(plan.folder, "load.port")


def state_file(plan: LoadPlan) -> Path:
    """A MasterState."""
    return Path(plan.folder, "load.workers")


def lost_file(plan: LoadPlan) -> Path:
    """A list of Lost."""
    return Path(plan.folder, "load.lost")


def spool_file(plan: LoadPlan, share: int) -> Path:
    """The records of one share, as far as they have arrived."""
    return plan.spool.with_stem(f"load-{share + 1}")
