"""Customers as tasks of one loop: the same in virtual time and on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from paychain.load.adapters import Exchanges
from paychain.load.traffic.arrivals import Arrival, Purchases
from paychain.load.traffic.customer import CustomerPayment, NextPayment
from paychain.load.traffic.exchange import Got, Send, Try
from paychain.load.traffic.pacing import Pace, PlannedSchedule, WaitUntil
from paychain.load.traffic.plan import LoadPlan
from paychain.load.traffic.users import turns
from paychain.payments.journal import PaymentRecord, Record
from paychain.protocol.reply import Reply
from paychain.wire.client import HttpPool
from paychain.wire.http import WireError


class CustomerClock(Protocol):
    """What customers wait by."""

    def now_ns(self) -> int:
        """Nanoseconds since the chain's epoch."""

    async def until(self, when_ns: int) -> None:
        """Sleep until that moment."""


class Customers:
    """The customers of one chain. What they record goes to `journal`.

    `addresses`: host and port of each entry, by link.
    """

    def __init__(
        self, addresses: Mapping[str, tuple[str, int]], clock: CustomerClock, journal: list[Record]
    ) -> None:
        self._pools = {entry: HttpPool(*address) for entry, address in addresses.items()}
        self._pages: dict[str, HttpPool] = {}  # of providers, by host and port
        self._clock = clock
        self._journal = journal
        self._exchanges = Exchanges()
        self._stopped = asyncio.Event()

    @property
    def problems(self) -> list[str]:
        """What is wrong with how customers are declared to pay, as the answers showed."""
        return self._exchanges.doubts.problems()

    @property
    def misfit(self) -> str:
        """What is wrong with it that no later answer can change; "" as long as nothing is."""
        doubts = self._exchanges.doubts
        return doubts.problems()[0] if doubts.are_certain else ""

    def stop(self) -> None:
        """From now on no customer starts to pay; who is paying still gets an answer."""
        self._stopped.set()

    async def close(self) -> None:
        """Close every connection."""
        for pool in (*self._pools.values(), *self._pages.values()):
            await pool.close()

    async def keep_schedule(
        self,
        plan: LoadPlan,
        schedule: Sequence[Arrival],
        on_end: Callable[[str], None] | None = None,
    ) -> list[PaymentRecord]:
        """Let customers pay, each at its time from now, until all know or have given up.

        `on_end` gets the payment of each arrival whose customer has ended, further payments of the
        order included. Raises UserError when the user's class that pays an entry cannot be loaded.
        """
        self._exchanges.load(plan.entries)
        pace = Pace(PlannedSchedule(schedule), self._clock.now_ns())
        paid: list[PaymentRecord] = []
        paying: dict[asyncio.Task[None], None] = {}
        while not self._stopped.is_set():
            step = pace.decide(self._clock.now_ns())
            if step is None:
                break
            if isinstance(step, WaitUntil):
                await self._clock.until(step.until_ns)
                continue
            task = self._spawn(self._pay(plan, step.arrival, step.intended_ns, paid))
            paying[task] = None
            task.add_done_callback(paying.pop)
            if on_end is not None:
                task.add_done_callback(partial(_ended, on_end, step.arrival.payment))
        if paying:
            await asyncio.wait(list(paying))
        return sorted(paid, key=lambda payment: payment.intended_ns)

    async def use(self, plan: LoadPlan, purchases: Purchases) -> list[PaymentRecord]:
        """Let each user pay, wait for the answer, think and pay again, until the load ends.

        Raises UserError as `keep_schedule` does.
        """
        self._exchanges.load(plan.entries)
        paid: list[PaymentRecord] = []
        start_ns = self._clock.now_ns()
        users = [self._use(plan, purchases, user, start_ns, paid) for user in range(plan.users)]
        await asyncio.wait([self._spawn(user) for user in users])
        return sorted(paid, key=lambda payment: payment.intended_ns)

    async def _use(
        self,
        plan: LoadPlan,
        purchases: Purchases,
        user: int,
        start_ns: int,
        paid: list[PaymentRecord],
    ) -> None:
        for number, pause_s in turns(plan, user):
            at_s = (self._clock.now_ns() - start_ns) / 1e9 + pause_s
            if at_s >= plan.lasts_s or await self._is_stopped_within(pause_s):
                return
            arrival = purchases.arrival(number, at_s)
            await self._pay(plan, arrival, self._clock.now_ns(), paid)

    async def _is_stopped_within(self, pause_s: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), pause_s)
        return self._stopped.is_set()

    async def _pay(
        self, plan: LoadPlan, arrival: Arrival, intended_ns: int, paid: list[PaymentRecord]
    ) -> None:
        further: NextPayment | None = NextPayment(arrival, intended_ns, intended_ns)
        while further is not None:
            further = await self._pay_once(plan, further, paid)

    async def _pay_once(
        self, plan: LoadPlan, wanted: NextPayment, paid: list[PaymentRecord]
    ) -> NextPayment | None:
        """One payment; the customer's next one of the same order, if there is any."""
        clock = self._clock
        if clock.now_ns() < wanted.intended_ns:
            await asyncio.sleep((wanted.intended_ns - clock.now_ns()) / 1e9)
        payment = CustomerPayment(
            plan, wanted.arrival, wanted.intended_ns, clock.now_ns(), wanted.wanted_ns
        )
        hops = []
        while True:
            reply = await self._send(payment.start_try(clock.now_ns()))
            hops.append(payment.end_try(reply, clock.now_ns()))
            if payment.retry_ns is None:
                break
            await asyncio.sleep((payment.retry_ns - clock.now_ns()) / 1e9)
        record = payment.record(clock.now_ns())
        self._journal.extend((*hops, record))
        paid.append(record)
        return payment.another()

    async def _send(self, attempt: Try) -> Reply:
        """Everything that one try sends, and its reply."""
        clock, entry = self._clock, self._pools[attempt.entry.link]
        exchange = self._exchanges.of(attempt)
        step = exchange.start(clock.now_ns())
        while isinstance(step, Send):
            if step.at_ns > clock.now_ns():
                await asyncio.sleep((step.at_ns - clock.now_ns()) / 1e9)
            http, pool = step.http, self._page(step.to) if step.to else entry
            got: Got
            try:
                got = await pool.request(
                    http.method,
                    http.target,
                    http.body,
                    headers=http.headers,
                    timeout_s=step.timeout_s,
                )
            except WireError as error:
                got = error
            step = exchange.receive(got, clock.now_ns())
        return step

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let a customer go on alone. What ends it unexpectedly is noted."""
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._note_failure)
        return task

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._exchanges.doubts.note_failure(error)

    def _page(self, authority: str) -> HttpPool:
        """Connections to a provider's pages."""
        if authority not in self._pages:
            host, _, port = authority.rpartition(":")
            self._pages[authority] = HttpPool(host, int(port))
        return self._pages[authority]


def _ended(on_end: Callable[[str], None], payment: str, _: asyncio.Task[None]) -> None:
    on_end(payment)
