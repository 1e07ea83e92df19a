"""A chain in virtual time that stands still between two calls: for tests and for scripts."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from harness.faults.injector import Injector
from harness.faults.timeline import Action, Switch, place_of
from harness.load.arrivals import Arrival
from harness.load.plan import LoadPlan, load_plan
from harness.model.chain import Chain
from harness.model.experiment import Experiment
from harness.model.fault import Fault
from harness.payments.errors import UserError
from harness.payments.journal import PaymentRecord, Record
from harness.simulation.guard import guarded
from harness.simulation.loop import VirtualLoop
from harness.simulation.simulate import Unhandled
from harness.simulation.world import World

T = TypeVar("T")


def customers_plan(chain: Chain, seed: int) -> LoadPlan:
    """What customers need to know of a load plan: deadline, currency, entry."""
    load = {"arrivals": "1/s", "before": "1s", "after": "1s"}
    return load_plan(chain, Experiment.model_validate({"experiment": "test", "load": load}), seed)


def switched(injector: Injector, chain: Chain, fault: Fault, action: Action) -> Record:
    """Put a fault on or take it off. Raises UserError when it did not work."""
    record = injector.switch(Switch(0.0, fault, action, place_of(chain, fault)), 0)
    if record.error:
        raise UserError(f"fault {fault.id} was not {record.action}: {record.error}")
    return record


class VirtualGround:
    """Virtual time: it stands still between two calls."""

    def __init__(self, chain: Chain, seed: int) -> None:
        self._chain = chain
        self._plan = customers_plan(chain, seed)
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
            self._journal.append(switched(self._world.injector, self._chain, fault, action))

        self._run(switch())

    def give_back(self, payment: str) -> None:
        """The merchant refunds a payment by hand."""

        async def give_back() -> None:
            self._world.give_back(payment)

        self._run(give_back())

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
        """Stop the chain and the loop. Raises Unhandled when a task's error reached nobody."""
        if not self._loop.is_closed():
            with guarded():
                self._loop.run_until_complete(self._world.stop())
            self._loop.close()
            gc.collect(1)  # a task tells of its error when it goes
            if self._loop.unhandled:
                raise Unhandled("; ".join(self._loop.unhandled))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        with guarded():
            return self._loop.run_until_complete(work)
