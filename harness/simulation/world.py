"""A chain in virtual time: the links, proxies and policies of a real run, and its customers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from harness.faults.evidence import Evidence
from harness.faults.injector import Injector
from harness.faults.timeline import compile_timeline
from harness.load.arrivals import Arrival, arrivals
from harness.load.customer import (
    TARGET,
    customer_span,
    headers_of,
    patience_s,
    records_of,
    request_of,
)
from harness.load.plan import LoadPlan, load_plan
from harness.load.schedule import count
from harness.model.chain import Chain
from harness.model.experiment import Experiment
from harness.payments.journal import Record
from harness.services.channel import Reply, classify, failure_of
from harness.services.host import DRAIN_S, Host
from harness.services.message import encode
from harness.simulation.engine import VirtualEngine, VirtualLinkFaults
from harness.simulation.loop import Choose, VirtualLoop
from harness.simulation.simulate import simulate
from harness.wire.client import HttpPool
from harness.wire.http import WireError

MOST_SCHEDULES_KEPT = 8  # a search plays one load again and again


@dataclass
class Played:
    """What one experiment left behind in virtual time, whole or as far as it came."""

    records: list[Record] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    planned: int = 0  # payments
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
    schedule = _schedule(plan)  # drawn outside: names come from Faker's files

    def main(loop: VirtualLoop) -> Coroutine[Any, Any, None]:
        return _World(loop, chain, experiment, plan, played).run(schedule)

    simulate(main, seed=seed, choose=choose, window_s=window_s)
    return played


@lru_cache(maxsize=MOST_SCHEDULES_KEPT)
def _schedule(plan: LoadPlan) -> tuple[Arrival, ...]:
    return tuple(arrivals(plan))


class _World:
    """One chain, its engine and its customers on one loop."""

    def __init__(
        self, loop: VirtualLoop, chain: Chain, experiment: Experiment, plan: LoadPlan,
        played: Played,
    ) -> None:  # fmt: skip
        self._loop = loop
        self._chain, self._experiment, self._plan = chain, experiment, plan
        self._played = played
        self._host = Host(
            chain, list(chain.links), seed=plan.seed, now_ns=self._now_ns, journal=played.records
        )
        self._engine = VirtualEngine(plan.seed)
        self._injector = Injector(
            self._engine, [VirtualLinkFaults(self._host.faults)], self._now_ns
        )

    async def run(self, schedule: tuple[Arrival, ...]) -> None:
        """Start, pay while faults come and go, drain, stop."""
        pool = await self._start()
        start_ns = self._now_ns()
        self._played.start_s = start_ns / 1e9
        faults = self._loop.create_task(self._switch_faults())
        await self._pay(schedule, start_ns, pool)
        await faults
        pending = await self._host.drain(DRAIN_S)
        if pending:
            self._played.problems.append(f"{pending} requests or reversals were still on their way")
        self._played.drained_s = self._loop.time()
        self._played.fault_hits = self._injector.link_hits()
        await pool.close()
        self._played.records += Evidence(self._engine, epoch_ns=0).poll()
        self._engine.stop()
        await self._host.stop()
        self._played.ended_s = self._loop.time()

    async def _start(self) -> HttpPool:
        ports = await self._host.start()
        addresses = {
            hop.name: self._engine.create(hop.name, f"127.0.0.1:{ports[hop.callee]}")
            for hop in self._chain.hops()
        }
        self._host.connect(addresses)
        return HttpPool(*addresses[self._chain.hops()[0].name])

    async def _switch_faults(self) -> None:
        start_s = self._experiment.moments(self._played.start_s)["faults_start_s"]
        for switch in compile_timeline(self._chain, self._experiment):
            at_ns = int((start_s + switch.at_s) * 1e9)
            await self._loop.until(at_ns)
            record = self._injector.switch(switch, at_ns)
            self._played.records.append(record)
            if record.error:
                self._played.problems.append(
                    f"fault {record.fault} was not {record.action}: {record.error}"
                )

    async def _pay(self, schedule: tuple[Arrival, ...], start_ns: int, pool: HttpPool) -> None:
        paying: dict[asyncio.Task[None], None] = {}
        for arrival in schedule:
            intended_ns = start_ns + int(arrival.at_s * 1e9)
            await self._loop.until(intended_ns)
            task = self._loop.create_task(self._pay_once(arrival, intended_ns, pool))
            paying[task] = None
            task.add_done_callback(paying.pop)
        if paying:
            await asyncio.wait(list(paying))

    async def _pay_once(self, arrival: Arrival, intended_ns: int, pool: HttpPool) -> None:
        request = request_of(self._plan, arrival)
        started_ns = self._now_ns()
        try:
            response = await pool.request(
                "POST", TARGET, encode(request),
                headers=headers_of(request, customer_span(arrival)),
                timeout_s=patience_s(self._plan, intended_ns, started_ns),
            )  # fmt: skip
            reply = classify(response)
        except WireError as error:
            reply = Reply(failure_of(error))
        self._played.records.extend(
            records_of(self._plan, arrival, intended_ns, started_ns, self._now_ns(), reply)
        )

    def _now_ns(self) -> int:
        return self._loop.now_ns
