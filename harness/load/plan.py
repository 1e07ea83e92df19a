"""What the load process is told."""

from __future__ import annotations

import msgspec


class LoadPlan(msgspec.Struct, frozen=True):
    """What the load process is told. Times are seconds since the run's epoch."""

    url: str
    entry: str  # link that takes the payments
    rate: float
    warm_up_s: float
    lasts_s: float  # warm-up included
    deadline_s: float
    seed: int
    epoch_ns: int
    currency: str
    amount_median: int  # minor units
    amount_least: int
    amount_most: int
    spool: str
    ready: str  # file written once the load can start
    go: str  # file that appears with the start time when it may


def count(plan: LoadPlan) -> int:
    """How many payments the plan offers."""
    return round(plan.rate * plan.lasts_s)
