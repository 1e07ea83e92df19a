"""Customers who pay on a thread of their own, while the run looks after everything else."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress

from paychain.load.traffic.arrivals import Arrival
from paychain.load.traffic.paying import CustomerClock, Customers
from paychain.load.traffic.plan import LoadPlan
from paychain.payments.journal import PaymentRecord, Record

STOP_S = 5.0  # until customers who are sent away have closed their connections


class BackgroundCustomers:
    """Customers of one chain. `addresses`: of each entry. `plan`: how they pay."""

    def __init__(
        self, addresses: Mapping[str, tuple[str, int]], clock: CustomerClock, plan: LoadPlan
    ) -> None:
        self._plan = plan
        self._journal: list[Record] = []  # appended to on the thread, emptied by `take`
        self._customers = Customers(addresses, clock, self._journal)
        # What the thread reports of payments: both ends of a deque are safe without a lock.
        self._ended: deque[str] = deque()
        self._paying: set[str] = set()
        self._schedules: list[Future[list[PaymentRecord]]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="customers", daemon=True
        )
        self._thread.start()

    def begin(self, arrivals: Sequence[Arrival]) -> None:
        """Let customers pay, each at its time from now."""
        self._paying.update(arrival.payment for arrival in arrivals)
        paid = self._customers.keep_schedule(self._plan, arrivals, self._ended.append)
        self._schedules.append(asyncio.run_coroutine_threadsafe(paid, self._loop))

    @property
    def paying(self) -> frozenset[str]:
        """What customers who are not done began with. Raises what went wrong with a schedule."""
        over = [schedule for schedule in self._schedules if schedule.done()]
        for schedule in over:
            self._schedules.remove(schedule)
            schedule.result()
        while self._ended:
            self._paying.discard(self._ended.popleft())
        return frozenset(self._paying)

    def take(self) -> list[Record]:
        """What was recorded since the last call."""
        records = self._journal[:]
        # The thread only appends: what came meanwhile stays.
        del self._journal[: len(records)]
        return records

    @property
    def misfit(self) -> str:
        """As `Customers.misfit`."""
        return self._customers.misfit

    @property
    def problems(self) -> list[str]:
        """What is wrong with how customers are declared to pay, as the answers showed."""
        return self._customers.problems

    def stop(self) -> None:
        """Send away who still pays, close every connection, and end the thread."""
        if self._loop.is_closed():
            return
        leaving = asyncio.run_coroutine_threadsafe(self._leave(), self._loop)
        with suppress(TimeoutError):  # the processes of the chain have to be stopped in any case
            leaving.result(STOP_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_S)
        if not self._thread.is_alive():
            self._loop.close()

    async def _leave(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._customers.close()
