"""The files by which a master and the conductor talk, beside those of every load process."""

from __future__ import annotations

from pathlib import Path

import msgspec

from paychain.load.distributed.roster import WorkerState
from paychain.load.traffic.plan import LoadPlan


class MasterState(msgspec.Struct, frozen=True):
    """The state of every worker, written again and again."""

    workers: list[WorkerState]
    refused: int  # messages without the token of the run


class LostWorker(msgspec.Struct, frozen=True):
    """A worker that the conductor saw die: the master would only notice its silence."""

    name: str
    reason: str


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
    """The records of one share that have arrived so far."""
    return plan.spool.with_stem(f"load-{share + 1}")
