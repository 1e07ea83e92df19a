"""Where a chain under test runs: on real sockets here, in virtual time in simulation.ground."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from harness.analysis.store import SpoolReader
from harness.faults.injector import Injector
from harness.faults.timeline import Action
from harness.load.arrivals import Arrival
from harness.load.paying import pay_once
from harness.model.chain import Chain
from harness.model.fault import Fault
from harness.model.loading import Loaded
from harness.order import SERVICES
from harness.payments.journal import PaymentRecord, Record
from harness.services.host import DRAIN_S
from harness.simulation.ground import customers_plan, switched
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


class RealGround:
    """Processes and sockets of this machine, as in a real run."""

    def __init__(self, chain: Loaded[Chain], seed: int) -> None:
        self._chain = chain.model
        self._plan = customers_plan(chain.model, seed)
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
        self._injector = Injector(self._stage.proxies, self._stage.link_faults, self._now_ns)
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
            hops, paid = await pay_once(self._plan, arrival, intended_ns, pool, self._now_ns)
            self._journal.extend((*hops, paid))
            return paid

        try:
            return list(await asyncio.gather(*map(one, arrivals)))
        finally:
            await pool.close()

    def switch(self, fault: Fault, action: Action) -> None:
        """Put a fault on or take it off."""
        self._journal.append(switched(self._injector, self._chain, fault, action))

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
