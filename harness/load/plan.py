"""What the load process is told."""

from __future__ import annotations

import msgspec

from harness.model.chain import Chain
from harness.model.experiment import Experiment
from harness.payments.money import to_minor

_MEDIAN, _LEAST, _MOST = "40", "1", "900"  # amounts where an experiment names none


class LoadPlan(msgspec.Struct, frozen=True):
    """What the load process is told. Times are seconds since the run's epoch."""

    url: str
    entry: str  # link that takes the payments
    corners: tuple[tuple[float, float], ...]  # (second of the load, payments per second)
    is_random: bool  # a Poisson process, else evenly spaced
    times: tuple[float, ...]  # recorded arrivals, instead of a rate
    warm_up_s: float
    lasts_s: float  # warm-up included
    deadline_s: float
    seed: int
    epoch_ns: int
    currency: str
    amount_median: int  # minor units
    amount_least: int
    amount_most: int
    spool: str = ""
    ready: str = ""  # file written once the load can start
    go: str = ""  # file that appears with the start time when it may
    offered: str = ""  # file that gets the number of payments that were really started
    stop: str = ""  # file that appears when no further payment may be started


def load_plan(
    chain: Chain, experiment: Experiment, seed: int, *, epoch_ns: int = 0, url: str = ""
) -> LoadPlan:
    """The plan of an experiment's load, for no process yet: it names no files."""
    load, currency = experiment.load, chain.currency
    amounts = load.amounts
    return LoadPlan(
        url, chain.entry, load.corners(experiment.load_lasts), load.spacing == "poisson",
        load.arrivals.times, load.warm_up, experiment.load_lasts, chain.deadline, seed, epoch_ns,
        currency,
        to_minor(str(amounts.median) if amounts else _MEDIAN, currency),
        to_minor(str(amounts.least) if amounts else _LEAST, currency),
        to_minor(str(amounts.most) if amounts else _MOST, currency),
    )  # fmt: skip
