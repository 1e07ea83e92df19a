"""What a running chain is to everybody who uses one: runs, the board, tests and explorations.

    start ─> switch · pay or begin_load · advance · collect … ─> drain ─> stop

`RealChain` runs it as processes on sockets, `VirtualChain` on one loop in virtual time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from paychain.analysis.store.facts import (
    NO_ENGINE,
    EngineFacts,
    HostFacts,
    ServiceFacts,
    WorkerFacts,
)
from paychain.engine.timeline import Switch
from paychain.load.traffic.arrivals import Arrival
from paychain.load.traffic.plan import LoadPlan
from paychain.model.scripts import AssignedScripts
from paychain.payments.journal import FaultSwitch, PaymentRecord, Record
from paychain.processes.background import Coming
from paychain.services.pending_work import PendingWork


@dataclass(frozen=True, kw_only=True)
class ChainReport:
    """What a chain knows of itself, once it is stopped, that is not a record."""

    engine: EngineFacts = NO_ENGINE
    engine_events_dropped: int = 0
    planned: int | None = 0  # payments that its load was to start; None: users set the pace
    offered: int | None = None  # payments that its load started; None: unknown
    workers: list[WorkerFacts] = field(default_factory=list)
    hosts: list[HostFacts] = field(default_factory=list)
    services: list[ServiceFacts] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # of the harness, in plain sentences
    incomplete: list[str] = field(default_factory=list)  # journals with records missing, likewise


@dataclass(frozen=True, kw_only=True)
class InProgress:
    """What is not over at one moment, by payment.

    `paying`: of customers who wait or will come back, the payment that each began with. `pending`:
    at mock links. `unknown`: to a customer or an own service, which may still settle it.
    """

    paying: frozenset[str] = frozenset()
    pending: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()


class OwnState(Protocol):
    """How the own services of a running chain are."""

    @property
    def broken(self) -> str:
        """The name of one that ended for good, so that the load makes no sense; "": all go on."""

    @property
    def are_ready(self) -> bool:
        """Every one that a fault has killed is ready again, or never will be."""

    @property
    def failure_words(self) -> str:
        """What the broken one did, with its last lines; "" when all go on."""


@dataclass(frozen=True, kw_only=True)
class NothingOwn:
    """No own service that could end by itself: an application in virtual time cannot."""

    broken: str = ""
    are_ready: bool = True
    failure_words: str = ""


class RunningChain(Protocol):
    """A chain with its links, its fault engine and its customers.

    Times are nanoseconds on the chain's own clock, which every record is on. Every method may
    raise UserError or EngineError when a part of the chain died.
    """

    is_virtual: bool  # its time is the loop's, not the machine's
    look_every_s: float  # how often to look at the records during a load
    id_prefix: str  # what the ids of its payments begin with
    settles_within_s: float  # from when a customer leaves: what settles later is late

    def now_ns(self) -> int:
        """The chain's clock."""

    def start(self) -> None:
        """Links and proxies listen when this returns."""

    def switch(self, switch: Switch, planned_ns: int) -> FaultSwitch:
        """Apply or heal a fault now. What went wrong is in the record, which `collect` gives, too.

        `planned_ns`: when it was to happen.
        """

    def heal_all(self) -> list[FaultSwitch]:
        """Heal every fault that is on."""

    def follow_scripts(self, scripts: AssignedScripts) -> None:
        """Let payments follow failure scripts from now on. Before they begin."""

    def fault_hits(self) -> dict[str, int]:
        """How many requests each in-link fault acted on so far."""

    def pay(self, arrivals: Sequence[Arrival]) -> list[PaymentRecord]:
        """Let customers pay, each at its time from now; wait until all know or have given up."""

    def begin_paying(self, arrivals: Sequence[Arrival]) -> None:
        """Let customers pay, each at its time from now, while time passes (`pass_time`)."""

    def in_progress(self) -> InProgress:
        """What is in progress at this moment, of payments that are not forgotten."""

    def read_books(self, payments: Collection[str]) -> Coming[list[Record]]:
        """What own services have in their books about payments that are over, once it is read."""

    def forget_payments(self, payments: Collection[str]) -> None:
        """Wait no more for anything about payments that were judged."""

    def begin_load(self, plan: LoadPlan) -> int:
        """Start a whole load. Returns its start time; it runs as time passes."""

    def stop_load(self) -> None:
        """From now on no customer starts to pay; who is paying still gets an answer."""

    @property
    def is_load_over(self) -> bool:
        """Every payment of the load was started and has ended, or the load died."""

    def load_problems(self) -> list[str]:
        """What was wrong with a load that is over, and collected."""

    def load_line(self) -> str:
        """A few words about the load while it runs, "" if there is nothing to add."""

    @property
    def own(self) -> OwnState:
        """How the own services in it are."""

    @property
    def misfit(self) -> str:
        """Why the load makes no sense: nothing that the entry answers is declared to mean anything.

        "" as long as something is, or nobody knows yet.
        """

    def advance(self, until_ns: int | None = None) -> None:
        """Let time pass: until then, or until the load is over when that comes first.

        It may return earlier, so that the caller can look around.
        """

    def collect(self, *, all_flushed: bool = False) -> Iterator[list[Record]]:
        """What was recorded since the last call.

        `all_flushed`: wait for records that are still on their way from the links.
        """

    def drain(self) -> list[PendingWork]:
        """Wait until every request and reversal is final, for as long as is declared.

        Returns those that are not final by then. In virtual time, where waiting is free, only what
        never ends is left.
        """

    def stop(self) -> None:
        """Leave nothing running, whatever happened before. Records can still be collected."""

    def report(self) -> ChainReport:
        """What the chain knows of itself, after `stop` and a last `collect`."""

    def interrupt(self, error: BaseException) -> None:
        """Raise an error out of whatever the chain is doing. Called by a signal handler."""


def unfinished_payments(pending: Collection[PendingWork]) -> tuple[list[str], list[str]]:
    """The payments of all that is not done, and those of them to which nothing gives money back."""
    payments = {work.payment for work in pending} - {""}
    giving = {work.payment for work in pending if work.gives_back}
    # What is for no payment, a queue that is delivered, may be for any.
    collecting = set() if "" in giving else payments - giving
    return sorted(payments), sorted(collecting)


def still_pending(pending: Sequence[PendingWork]) -> str:
    """What is wrong when a drain ended before everything was final."""
    return f"{len(pending)} requests or reversals were still in progress after the drain"


def pass_time(chain: RunningChain, seconds: float) -> None:
    """Let time pass on a chain."""
    until_ns = chain.now_ns() + int(seconds * 1e9)
    while chain.now_ns() < until_ns:
        chain.advance(until_ns)
