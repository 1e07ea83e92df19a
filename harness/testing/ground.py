"""Where a chain under test runs: in virtual time, or as processes on real sockets."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from harness.analysis.store import SpoolReader
from harness.faults.injector import Injector
from harness.faults.timeline import Action, Switch, place_of
from harness.load.arrivals import Arrival
from harness.load.paying import pay_once
from harness.load.plan import LoadPlan, load_plan
from harness.model.chain import Chain
from harness.model.experiment import Experiment
from harness.model.fault import Fault
from harness.model.loading import Loaded
from harness.order import SERVICES
from harness.payments.errors import UserError
from harness.payments.journal import PaymentRecord, Record
from harness.services.host import DRAIN_S
from harness.simulation.guard import guarded
from harness.simulation.loop import VirtualLoop
from harness.simulation.world import World
from harness.stage import Stage
from harness.wire.client import HttpPool

T = TypeVar("T")
FLUSHED_S = 0.5  # a process' records are in its spool after this


class Ground(Protocol):
    """What a chain under test needs of where it runs."""

    def start(self) -> None:
        """Everything is ready when this returns."""

    def pay(self, arrivals: Sequence[Arrival]) -> list[PaymentRecord]:
        """Let customers pay, each at its time from now; wait for what they are told."""

    def switch(self, fault: Fault, action: Action) -> None:
        """Put a fault on or take it off. Raises UserError when it did not work."""

    def advance(self, seconds: float) -> None:
        """Let time pass."""

    def drain(self) -> int:
        """Wait until all is final; how much is not."""

    def records(self) -> list[Record]:
        """Everything recorded so far."""

    def stop(self) -> None:
        """Leave nothing behind."""


def _plan(chain: Chain, seed: int) -> LoadPlan:
    """What customers need to know of a load plan: deadline, currency, entry."""
    load = {"arrivals": "1/s", "before": "1s", "after": "1s"}
    return load_plan(chain, Experiment.model_validate({"experiment": "test", "load": load}), seed)


def _switch(injector: Injector, chain: Chain, fault: Fault, action: Action) -> Record:
    record = injector.switch(Switch(0.0, fault, action, place_of(chain, fault)), 0)
    if record.error:
        raise UserError(f"fault {fault.id} was not {record.action}: {record.error}")
    return record


class VirtualGround:
    """Virtual time: it stands still between two calls."""

    def __init__(self, chain: Chain, seed: int) -> None:
        self._chain = chain
        self._plan = _plan(chain, seed)
        self._journal: list[Record] = []
        self._loop = VirtualLoop(seed=seed)
        self._world = World(self._loop, chain, seed, self._journal)

    def start(self) -> None:
        """Everything is ready when this returns."""
        self._run(self._world.start())

    def pay(self, arrivals: Sequence[Arrival]) -> list[PaymentRecord]:
        """Let customers pay."""
        return self._run(self._world.pay(self._plan, arrivals))

    def switch(self, fault: Fault, action: Action) -> None:
        """Put a fault on or take it off."""

        async def switch() -> None:
            self._journal.append(_switch(self._world.injector, self._chain, fault, action))

        self._run(switch())

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._run(asyncio.sleep(seconds))

    def drain(self) -> int:
        """Wait until all is final."""
        return self._run(self._world.drain())

    def records(self) -> list[Record]:
        """Everything recorded so far."""
        return list(self._journal)

    def stop(self) -> None:
        """Stop the chain and the loop."""
        if not self._loop.is_closed():
            self._run(self._world.stop())
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        with guarded():
            return self._loop.run_until_complete(work)


class RealGround:
    """Processes and sockets of this machine, as in a real run."""

    def __init__(self, chain: Loaded[Chain], seed: int) -> None:
        self._chain = chain.model
        self._plan = _plan(chain.model, seed)
        self._folder = tempfile.TemporaryDirectory(prefix="paychain-")
        self._epoch_ns = time.monotonic_ns()
        self._stage = Stage(
            chain, Path(self._folder.name), seed=seed, epoch_ns=self._epoch_ns, services=SERVICES,
            toxiproxy=None,
        )  # fmt: skip
        self._spools: dict[Path, SpoolReader] = {}
        self._journal: list[Record] = []
        self._loop = asyncio.new_event_loop()

    def start(self) -> None:
        """Everything is ready when this returns."""
        self._stage.start()
        assert self._stage.engine is not None
        self._injector = Injector(self._stage.engine.control, self._stage.link_faults, self._now_ns)
        host, _, port = self._stage.entry_url.removeprefix("http://").rpartition(":")
        self._address = host, int(port)

    def pay(self, arrivals: Sequence[Arrival]) -> list[PaymentRecord]:
        """Let customers pay."""
        return self._loop.run_until_complete(self._pay(arrivals))

    async def _pay(self, arrivals: Sequence[Arrival]) -> list[PaymentRecord]:
        pool = HttpPool(*self._address)
        start_ns = self._now_ns()

        async def one(arrival: Arrival) -> PaymentRecord:
            intended_ns = start_ns + int(arrival.at_s * 1e9)
            await asyncio.sleep((intended_ns - self._now_ns()) / 1e9)
            records = await pay_once(self._plan, arrival, intended_ns, pool, self._now_ns)
            self._journal.extend(records)
            return records[1]

        try:
            return list(await asyncio.gather(*map(one, arrivals)))
        finally:
            await pool.close()

    def switch(self, fault: Fault, action: Action) -> None:
        """Put a fault on or take it off."""
        self._journal.append(_switch(self._injector, self._chain, fault, action))

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def drain(self) -> int:
        """Wait until all is final."""
        return self._stage.drain(DRAIN_S)

    def records(self) -> list[Record]:
        """Everything recorded so far."""
        time.sleep(FLUSHED_S)
        for path in self._stage.spools:
            reader = self._spools.setdefault(path, SpoolReader(path))
            while some := reader.read():
                self._journal.extend(some)
        return list(self._journal)

    def stop(self) -> None:
        """Stop every process."""
        self._stage.stop()
        self._loop.close()
        self._folder.cleanup()

    def _now_ns(self) -> int:
        return time.monotonic_ns() - self._epoch_ns
