"""A chain in virtual time: the links, proxies and policies of a real run on one loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from paychain.analysis.store.facts import EngineFacts
from paychain.engine.events import EngineEvents
from paychain.engine.injector import Injector
from paychain.engine.timeline import Switch
from paychain.environment.in_loop.application import prepare
from paychain.environment.in_loop.own_side import OwnSide
from paychain.environment.kept_schedules import purchases_of, schedule_of
from paychain.environment.run_prefix import PLAIN_PREFIX
from paychain.environment.running_chain import ChainReport, InProgress, NothingOwn, OwnState
from paychain.environment.virtual_engine import VirtualEngine, VirtualLinkFaults
from paychain.load.traffic.arrivals import Arrival
from paychain.load.traffic.paying import Customers
from paychain.load.traffic.plan import LoadPlan
from paychain.load.traffic.planning import customers_plan
from paychain.load.traffic.schedule import count
from paychain.model.chain import Chain
from paychain.model.scripts import AssignedScripts
from paychain.payments.journal import FaultSwitch, PaymentRecord, Record
from paychain.processes.background import Coming, done_with
from paychain.processes.loopback import LOOPBACK
from paychain.services.host import Host
from paychain.services.pending_work import PendingWork
from paychain.simulation.guard import guarded, guards_installed
from paychain.simulation.loop import Choose, VirtualLoop
from paychain.simulation.simulate import (
    SETTLE_S,
    Leaked,
    Unhandled,
    close_loop,
    collecting_by_steps,
)
from paychain.simulation.users.loop import UsersLoop
from paychain.toxics.api import VERSION

T = TypeVar("T")
HERE = Path()
# What lasts longer after the load is endless: webhooks are sent for three days, holds last seven.
MAX_DRAIN_S = 14 * 86_400.0


class VirtualChain:
    """One chain, its engine and its customers on one loop. Time stands still between two calls.

    `choose` and `window_s` let things that are due within the window happen in another order.
    """

    is_virtual = True
    own: OwnState = NothingOwn()  # an application here does not end by itself
    id_prefix = PLAIN_PREFIX
    look_every_s = 1.0  # the windows of stop conditions are whole seconds
    settles_within_s = MAX_DRAIN_S

    def __init__(
        self,
        chain: Chain,
        seed: int,
        *,
        home: Path = HERE,
        journal: list[Record] | None = None,
        choose: Choose | None = None,
        window_s: float = 0.0,
    ) -> None:
        """`home`: the folder of the chain's file, where an own service's application is found.

        Raises UserError when it cannot be.
        """
        self.journal: list[Record] = journal if journal is not None else []
        self._chain = chain
        self._seed, self._home = seed, home
        own = chain.own_services()
        loop = UsersLoop if own else VirtualLoop
        self._loop = loop(seed=seed, choose=choose, window_ns=round(window_s * 1e9))
        self._own = OwnSide.of(chain, home, seed, self._loop, self.journal)
        # Where links, engine and customers record.
        self._recorded = self.journal if self._own is None else self._own.journal
        self._host = Host(
            chain,
            [name for name in chain.links if name not in own],
            seed=seed,
            now_ns=self.now_ns,
            journal=self._recorded,
        )
        self._engine = VirtualEngine(seed, self.now_ns, self._recorded.append)
        if self._own is not None:
            self._host.faults.watch_over(self._own.application)
            self.settles_within_s = chain.settles_within
        self._injector = Injector(self._engine, [VirtualLinkFaults(self._host)], self.now_ns)
        self._customers: Customers | None = None
        self._planned: int | None = 0  # payments of the load
        self._load: asyncio.Task[list[PaymentRecord]] | None = None
        self._paying: set[str] = set()  # what customers without a load began with
        self._schedules: list[asyncio.Task[list[PaymentRecord]]] = []  # of theirs
        self._collected = 0  # records of the journal
        self._is_sound = True  # no error has come out of the loop
        self._guards = ExitStack()  # in their places from start to stop: that takes milliseconds

    def now_ns(self) -> int:
        """Virtual nanoseconds since the chain was made."""
        return self._loop.now_ns

    async def until(self, when_ns: int) -> None:
        """Sleep until exactly that moment."""
        await self._loop.until(when_ns)

    def start(self) -> None:
        """Links and proxies listen, and know each other."""
        if self._own is not None:
            prepare(self._chain, self._home)
        self._guards.enter_context(guards_installed())
        if self._own is not None:
            self._guards.enter_context(self._own.reached_by_all())
        self._run(self._start())

    async def _start(self) -> None:
        ports = await self._host.start()
        own = self._own
        if own is not None:
            ports |= own.ports
        addresses = {
            hop.name: own.create(self._engine, hop, upstream)
            if own is not None
            else self._engine.create(hop.name, upstream)
            for hop in self._chain.hops()
            if (upstream := f"{LOOPBACK}:{ports[hop.callee]}")
        }
        self._host.connect(addresses)
        if own is not None:
            await own.start(addresses)
        entries = {hop.callee: addresses[hop.name] for hop in self._chain.entry_hops()}
        self._customers = Customers(entries, self, self._recorded)

    def switch(self, switch: Switch, planned_ns: int) -> FaultSwitch:
        """Apply or heal a fault now."""
        record = self._between_rounds(lambda: self._injector.switch(switch, planned_ns))
        self.journal.append(record)
        return record

    def heal_all(self) -> list[FaultSwitch]:
        """Heal every fault that is on."""
        records = self._between_rounds(lambda: self._injector.heal_all(self.now_ns()))
        self.journal.extend(records)
        return records

    def fault_hits(self) -> dict[str, int]:
        """How many requests each in-link fault acted on so far."""
        return self._injector.link_hits()

    def follow_scripts(self, scripts: AssignedScripts) -> None:
        """Let payments follow failure scripts from now on."""
        self._host.scripts.follow(scripts)

    def pay(self, arrivals: Sequence[Arrival]) -> list[PaymentRecord]:
        """Let customers pay, each at its time from now."""
        assert self._customers is not None
        self._announce(arrivals)
        return self._run(self._customers.keep_schedule(self._customers_plan(), arrivals))

    def _customers_plan(self) -> LoadPlan:
        plan = customers_plan(self._chain, self._seed)
        return plan if self._own is None else self._own.plan(plan)

    def _announce(self, arrivals: Sequence[Arrival]) -> None:
        if self._own is not None:
            self._own.announce(arrivals, self._host.expect)

    def begin_paying(self, arrivals: Sequence[Arrival]) -> None:
        """Let customers pay, each at its time from now, while time passes."""
        assert self._customers is not None
        self._paying.update(arrival.payment for arrival in arrivals)
        self._announce(arrivals)
        plan = self._customers_plan()
        paid = self._customers.keep_schedule(plan, arrivals, self._paying.discard)
        schedule = self._loop.create_task(paid)
        self._schedules.append(schedule)
        schedule.add_done_callback(self._schedules.remove)

    def in_progress(self) -> InProgress:
        """What is in progress at this moment."""
        return InProgress(
            paying=frozenset(self._paying),
            pending=frozenset(work.payment for work in self._host.pending),
            unknown=self._own.unknown if self._own is not None else frozenset(),
        )

    def read_books(self, payments: Collection[str]) -> Coming[list[Record]]:
        """What an own service takes for paid of some payments: it is read at once."""
        own = self._own
        return done_with(self._run(own.read_books(payments)) if own is not None else [])

    def forget_payments(self, payments: Collection[str]) -> None:
        """Wait no more for what an own service has not settled of them, nor read its books."""
        if self._own is not None:
            self._own.forget(payments)

    def refund(self, payment: str) -> None:
        """The merchant refunds a payment by hand."""
        self._between_rounds(lambda: self._host.refund(payment))

    def begin_load(self, plan: LoadPlan) -> int:
        """Let a load begin now."""
        assert self._customers is not None
        self._planned = count(plan)
        if self._own is not None:
            plan = self._own.plan(plan)
            self._own.begin(plan, self._host.expect)
        purchases = purchases_of(plan)  # drawn outside the loop
        paying = (
            self._customers.use(plan, purchases)
            if plan.users
            else self._customers.keep_schedule(plan, schedule_of(plan))
        )
        self._load = self._loop.create_task(paying)
        self._load.add_done_callback(self._end_advance)
        return self.now_ns()

    def _end_advance(self, _: object) -> None:
        self._loop.stop()

    def stop_load(self) -> None:
        """From now on no customer starts to pay."""
        assert self._customers is not None
        self._between_rounds(self._customers.stop)

    @property
    def is_load_over(self) -> bool:
        """Every payment of the load has ended."""
        return self._load is not None and self._load.done()

    def load_problems(self) -> list[str]:
        """What is wrong with how customers pay; a bug of ours is raised."""
        return self._customers.problems if self._customers is not None else []

    def load_line(self) -> str:
        """Nothing is to be added."""
        return ""

    @property
    def misfit(self) -> str:
        """Why nothing that the entry answers is declared to mean anything."""
        return self._customers.misfit if self._customers is not None else ""

    def advance(self, until_ns: int | None = None) -> None:
        """Let time pass until exactly then, or until the load is over when that comes first."""
        # Nothing on the loop would stop it.
        if until_ns is None and self.is_load_over:
            return
        timer = None
        if until_ns is not None:
            timer = self._loop.call_at(until_ns / 1e9, self._loop.stop)
        with self._running():
            self._loop.run_forever()
        if timer is not None:
            timer.cancel()
        if self._load is not None and self._load.done():
            self._load.result()  # raises what went wrong

    def collect(self, *, all_flushed: bool = False) -> Iterator[list[Record]]:  # noqa: ARG002  (nothing waits in virtual time)
        """What was recorded since the last call; nothing is ever on its way."""
        records = self.journal[self._collected :]
        self._collected = len(self.journal)
        if records:
            yield records

    def sizes(self) -> dict[str, int]:
        """What the links hold now."""
        return self._between_rounds(self._host.sizes)

    def drain(self) -> list[PendingWork]:
        """Wait until every request and reversal is final; those that never are."""
        return self._run(self._drain())

    async def _drain(self) -> list[PendingWork]:
        pending = await self._host.drain(MAX_DRAIN_S)
        if self._own is not None and not pending:
            await self._own.settle(self.settles_within_s)
            pending = await self._host.drain(MAX_DRAIN_S)
            self.journal += await self._own.read_books()
        return pending

    def stop(self) -> None:
        """Stop everything; what the engine saw is recorded last.

        Raises Unhandled when an error reached nobody, and Leaked when something still runs. After
        an error came out of the loop, or in the middle of a load, it is only closed.
        """
        if self._loop.is_closed():
            return
        # Who is still paying must not be told of a failure that only the end has brought about.
        ends_in_order = self._is_sound and (self._load is None or self._load.done())
        if self._load is not None:
            self._load.remove_done_callback(self._end_advance)  # nobody advances any more
        left: list[str] = []
        try:
            # After an error tasks hang half-way: awaiting them could raise or never return.
            if ends_in_order:
                self._run(self._stop())
                self._run(asyncio.sleep(SETTLE_S))
                left = self._loop.leaks()
        finally:
            with guarded(), self._surroundings():
                close_loop(self._loop)
            self._guards.close()
        if self._own is not None:
            return  # what a user's code leaves behind ends with its process
        if ends_in_order and self._loop.unhandled:
            raise Unhandled("; ".join(self._loop.unhandled))
        if left:
            raise Leaked("left behind:\n" + "\n".join(f"  {line}" for line in left))

    async def _stop(self) -> None:
        if self._schedules:
            await asyncio.gather(*self._schedules)  # waiting is free
        if self._customers is not None:
            await self._customers.close()
        if self._own is not None:
            await self._own.stop()
        self.journal += EngineEvents(self._engine, epoch_ns=0).poll()
        self._engine.stop()
        await self._host.stop()

    def report(self) -> ChainReport:
        """What the chain knows of itself."""
        load = self._load
        is_whole = load is not None and load.done() and not load.cancelled() and self._is_sound
        return ChainReport(
            engine=EngineFacts("embedded", VERSION),
            planned=self._planned,
            offered=len(load.result()) if load is not None and is_whole else None,
            services=self._own.facts if self._own is not None else [],
            problems=list(self._own.problems) if self._own is not None else [],
        )

    def interrupt(self, error: BaseException) -> None:
        """Raise an error between two callbacks of the loop.

        Raised anywhere else, it is lost where C calls Python: in the HTTP parser's callbacks and
        in those of weak references.
        """
        if not self._loop.is_running():
            raise error
        self._loop.call_soon(_raise, error)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        with self._running():
            return self._loop.run_until_complete(work)

    @contextmanager
    def _running(self) -> Iterator[None]:
        """The loop runs inside: guarded, and with its own garbage collection."""
        own = self._own
        try:
            with guarded(), collecting_by_steps(), self._surroundings():
                yield
        except BaseException:
            self._is_sound = False
            # Whatever the loop made of it: the user's code did what it may not do.
            if own is not None and own.error is not None:
                raise own.error from None
            raise
        if own is not None and own.error is not None:
            self._is_sound = False
            raise own.error

    def _surroundings(self) -> AbstractContextManager[None]:
        """Those of an own service's process."""
        return self._own.application.running() if self._own is not None else nullcontext()

    def _between_rounds(self, work: Callable[[], T]) -> T:
        """Do something on the loop at exactly this moment: before anything else can happen."""
        with guarded(), self._surroundings():
            asyncio._set_running_loop(self._loop)
            try:
                return work()
            finally:
                asyncio._set_running_loop(None)


def _raise(error: BaseException) -> None:
    raise error
