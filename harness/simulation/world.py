"""A chain in virtual time: the links, proxies and policies of a real run, and its customers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any, TypedDict

from harness.analysis.measured import Stopped
from harness.analysis.watch import SETTLED_S, Watch
from harness.faults.evidence import Evidence
from harness.faults.injector import Injector
from harness.faults.timeline import Switch, compile_timeline
from harness.load.arrivals import Arrival, Purchases, arrivals
from harness.load.paying import pay_once
from harness.load.plan import LoadPlan, load_plan
from harness.load.schedule import count
from harness.load.users import turns
from harness.model.chain import Chain
from harness.model.experiment import Experiment
from harness.payments.journal import FaultSwitch, PaymentRecord, Record
from harness.services.host import DRAIN_S, Host
from harness.simulation.engine import VirtualEngine, VirtualLinkFaults
from harness.simulation.loop import Choose, VirtualLoop
from harness.simulation.simulate import simulate
from harness.wire.client import HttpPool

WINDOW_S = 0.002  # what is due within it may happen in any order, where that is asked for
MOST_SCHEDULES_KEPT = 8  # a search plays one load again and again


@dataclass
class Played:
    """What one experiment left behind in virtual time, whole or as far as it came."""

    records: list[Record] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    planned: int | None = 0  # payments; None where users set the pace
    offered: int = 0
    stopped: Stopped | None = None
    start_s: float = 0.0  # of the load
    drained_s: float = 0.0
    ended_s: float = 0.0
    fault_hits: dict[str, int] = field(default_factory=dict)  # of in-link faults


def play(
    chain: Chain, experiment: Experiment, seed: int, *, played: Played | None = None,
    choose: Choose | None = None, window_s: float = 0.0,
) -> Played:  # fmt: skip
    """Run an experiment on a chain in virtual time.

    `played` is filled as the run goes on. Raises what `simulate` raises: bugs, never an outcome.
    """
    played = played if played is not None else Played()
    plan = load_plan(chain, experiment, seed)
    played.planned = count(plan)
    _schedule(plan)  # drawn outside: names come from Faker's files
    _purchases(plan)

    def main(loop: VirtualLoop) -> Coroutine[Any, Any, None]:
        world = World(loop, chain, seed, played.records)
        return _experiment(world, chain, experiment, plan, played)

    simulate(main, seed=seed, choose=choose, window_s=window_s)
    return played


class Interleaved(TypedDict):
    """How `play` is told of an order of events."""

    choose: Choose | None
    window_s: float


def interleaved(number: int) -> Interleaved:
    """Another order of events that may happen next, for each number; 0 is the usual one."""
    if not number:
        return {"choose": None, "window_s": 0.0}
    return {"choose": Random(number).randrange, "window_s": WINDOW_S}  # noqa: S311


@lru_cache(maxsize=MOST_SCHEDULES_KEPT)
def _schedule(plan: LoadPlan) -> tuple[Arrival, ...]:
    return tuple(arrivals(plan))


@lru_cache(maxsize=MOST_SCHEDULES_KEPT)
def _purchases(plan: LoadPlan) -> Purchases:
    return Purchases(plan)


class World:
    """One chain, its engine and its customers on one loop. Records go to `journal`."""

    def __init__(self, loop: VirtualLoop, chain: Chain, seed: int, journal: list[Record]) -> None:
        self._loop = loop
        self._chain = chain
        self._journal = journal
        self._host = Host(chain, list(chain.links), seed=seed, now_ns=self.now_ns, journal=journal)
        self._engine = VirtualEngine(seed, self.now_ns)
        self._pool: HttpPool | None = None  # the customers' connections
        self._stopped = asyncio.Event()
        self.injector = Injector(self._engine, [VirtualLinkFaults(self._host.faults)], self.now_ns)

    async def start(self) -> None:
        """Links and proxies listen, and know each other."""
        ports = await self._host.start()
        addresses = {
            hop.name: self._engine.create(hop.name, f"127.0.0.1:{ports[hop.callee]}")
            for hop in self._chain.hops()
        }
        self._host.connect(addresses)
        self._pool = HttpPool(*addresses[self._chain.hops()[0].name])

    async def pay(self, plan: LoadPlan, schedule: Sequence[Arrival]) -> list[PaymentRecord]:
        """Let customers pay, each at its time from now, until all know or have given up.

        Those whose time comes after `stop_early` do not pay.
        """
        start_ns = self.now_ns()
        paid: list[PaymentRecord] = []
        paying: dict[asyncio.Task[None], None] = {}
        for arrival in schedule:
            intended_ns = start_ns + int(arrival.at_s * 1e9)
            await self._loop.until(intended_ns)
            if self._stopped.is_set():
                break
            task = self._loop.create_task(self._pay_once(plan, arrival, intended_ns, paid))
            paying[task] = None
            task.add_done_callback(paying.pop)
        if paying:
            await asyncio.wait(list(paying))
        return sorted(paid, key=lambda one: one.intended_ns)

    async def let_users_pay(self, plan: LoadPlan, purchases: Purchases) -> list[PaymentRecord]:
        """Let each user pay, wait for the answer, think and pay again, until the load ends."""
        paid: list[PaymentRecord] = []
        start_ns = self.now_ns()
        users = [self._use(plan, purchases, user, start_ns, paid) for user in range(plan.users)]
        await asyncio.wait([self._loop.create_task(user) for user in users])
        return sorted(paid, key=lambda one: one.intended_ns)

    async def _use(
        self, plan: LoadPlan, purchases: Purchases, user: int, start_ns: int,
        paid: list[PaymentRecord],
    ) -> None:  # fmt: skip
        for number, pause_s in turns(plan, user):
            at_s = (self.now_ns() - start_ns) / 1e9 + pause_s
            if at_s >= plan.lasts_s or await self._is_stopped_within(pause_s):
                return
            await self._pay_once(plan, purchases.arrival(number, at_s), self.now_ns(), paid)

    async def _is_stopped_within(self, pause_s: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), pause_s)
        return self._stopped.is_set()

    async def _pay_once(
        self, plan: LoadPlan, arrival: Arrival, intended_ns: int, paid: list[PaymentRecord]
    ) -> None:
        assert self._pool is not None
        hops, payment = await pay_once(plan, arrival, intended_ns, self._pool, self.now_ns)
        self._journal.extend((*hops, payment))
        paid.append(payment)

    def switch(self, switch: Switch, planned_ns: int) -> FaultSwitch:
        """Put a fault on or take it off; what went wrong is in the record."""
        record = self.injector.switch(switch, planned_ns)
        self._journal.append(record)
        return record

    def give_back(self, payment: str) -> None:
        """The merchant refunds a payment by hand."""
        self._host.give_back(payment)

    def sizes(self) -> dict[str, int]:
        """What the links hold now."""
        return self._host.sizes()

    def stop_early(self) -> None:
        """Heal every fault; from now on nobody begins to pay."""
        self._stopped.set()
        self._journal.extend(self.injector.heal_all(self.now_ns()))

    async def drain(self) -> int:
        """Wait until every request and reversal is final; how many still are not."""
        return await self._host.drain(DRAIN_S)

    async def stop(self) -> None:
        """Stop everything; what the engine saw is recorded last."""
        if self._pool is not None:
            await self._pool.close()
        self._journal += Evidence(self._engine, epoch_ns=0).poll()
        self._engine.stop()
        await self._host.stop()

    def now_ns(self) -> int:
        """Virtual time."""
        return self._loop.now_ns


async def _experiment(
    world: World, chain: Chain, experiment: Experiment, plan: LoadPlan, played: Played
) -> None:
    """Start, pay while faults come and go, drain, stop."""
    await world.start()
    played.start_s = world.now_ns() / 1e9
    faults = asyncio.get_running_loop().create_task(
        _switch_faults(world, chain, experiment, played)
    )
    watching = None
    if experiment.stop_when:
        watch = Watch(experiment.stop_when, chain, played.start_s)
        watching = faults.get_loop().create_task(_watch(world, watch, faults, played))
    if plan.users:
        played.offered = len(await world.let_users_pay(plan, _purchases(plan)))
    else:
        played.offered = len(await world.pay(plan, _schedule(plan)))
    if watching is not None:
        watching.cancel()
    if played.stopped is None:
        await faults
    pending = await world.drain()
    if pending:
        played.problems.append(f"{pending} requests or reversals were still on their way")
    played.drained_s = world.now_ns() / 1e9
    played.fault_hits = world.injector.link_hits()
    await world.stop()
    played.ended_s = world.now_ns() / 1e9


async def _watch(world: World, watch: Watch, faults: asyncio.Task[None], played: Played) -> None:
    """Look at what was recorded once a second; stop when a condition is met."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    at_ns = int((played.start_s + SETTLED_S) * 1e9)
    seen = 0
    while played.stopped is None:
        at_ns += 1_000_000_000
        await loop.until(at_ns)
        watch.add(played.records[seen:])
        seen = len(played.records)
        played.stopped = watch.judge(at_ns / 1e9)
    faults.cancel()
    world.stop_early()


async def _switch_faults(
    world: World, chain: Chain, experiment: Experiment, played: Played
) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    start_s = experiment.moments(played.start_s)["faults_start_s"]
    for switch in compile_timeline(chain, experiment):
        at_ns = int((start_s + switch.at_s) * 1e9)
        await loop.until(at_ns)
        record = world.switch(switch, at_ns)
        if record.error:
            played.problems.append(f"fault {record.fault} was not {record.action}: {record.error}")
