"""What the load process is told."""

from __future__ import annotations

from pathlib import Path

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
    share: int = 0  # which of `shares` workers this is
    shares: int = 1
    users: int = 0  # of the closed model, instead of arrivals; 0 in the open one
    think_median_s: float = 0.0
    think_p99_s: float = 0.0
    folder: str = ""  # where a load process and who started it leave each other files
    asks_again_s: float | None = None  # the customer's side asks again after so long

    @property
    def spool(self) -> Path:
        """Every record of the load process."""
        return Path(self.folder, "load.spool")

    @property
    def ready(self) -> Path:
        """Appears once the load can start."""
        return Path(self.folder, "load.ready")

    @property
    def go(self) -> Path:
        """Appears with the start time, since the epoch, when it may."""
        return Path(self.folder, "load.go")

    @property
    def stop(self) -> Path:
        """Appears when no further payment may be started."""
        return Path(self.folder, "load.stop")

    @property
    def offered(self) -> Path:
        """What the load process says of itself: Offered."""
        return Path(self.folder, "load.offered")


class Offered(msgspec.Struct, frozen=True):
    """What the load process says of itself, now and then and at its end."""

    started: int  # payments that were really started
    is_over: bool  # all of them have ended, and every record is written


def load_plan(
    chain: Chain, experiment: Experiment, seed: int, *, epoch_ns: int = 0, url: str = ""
) -> LoadPlan:
    """The plan of an experiment's load, for no process yet: it names no files."""
    load, currency = experiment.load, chain.currency
    amounts, thinks = load.amounts, load.think_time
    return LoadPlan(
        url, chain.entry, load.corners(experiment.load_lasts), load.spacing == "poisson",
        load.arrivals.times if load.arrivals else (), load.warm_up, experiment.load_lasts,
        chain.deadline, seed, epoch_ns, currency,
        to_minor(str(amounts.median) if amounts else _MEDIAN, currency),
        to_minor(str(amounts.least) if amounts else _LEAST, currency),
        to_minor(str(amounts.most) if amounts else _MOST, currency),
        users=load.users or 0,
        think_median_s=thinks.median if thinks else 0.0,
        think_p99_s=thinks.p99 if thinks else 0.0,
        asks_again_s=chain.asks_again,
    )  # fmt: skip
