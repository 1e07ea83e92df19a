"""Customers who pay a real chain from this process: a test's, the board's, a live search's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from paychain.environment.background_customers import BackgroundCustomers
from paychain.environment.own_requests import OwnRequests
from paychain.load.traffic.arrivals import Arrival
from paychain.load.traffic.paying import CustomerClock, Customers
from paychain.load.traffic.plan import LoadPlan
from paychain.payments.attribution import Expected
from paychain.payments.journal import PaymentRecord, Record


class CustomersHere:
    """All customers of one chain in this process.

    `addresses` and `plan` are called when customers first pay, after the chain has started.
    `expect` gets own services' payments before they are made. `journal` gets what customers
    record while `pay` waits for them; `take` gives what the others record. `problems` gets what is
    wrong with how they are declared to pay.
    """

    def __init__(
        self,
        clock: CustomerClock,
        *,
        addresses: Callable[[], Mapping[str, tuple[str, int]]],
        plan: Callable[[], LoadPlan],
        requests: OwnRequests | None,
        expect: Callable[[list[Expected]], None],
        journal: list[Record],
        problems: list[str],
    ) -> None:
        self._clock, self._addresses, self._plan = clock, addresses, plan
        self._requests, self._expect = requests, expect
        self._journal, self._problems = journal, problems
        self._background: BackgroundCustomers | None = None  # from the first that begin to pay

    def pay(self, arrivals: Sequence[Arrival]) -> list[PaymentRecord]:
        """Let customers pay, each at its time from now. Returns a record per payment."""
        self._announce(arrivals)
        paid = asyncio.run(self._pay(arrivals))
        self._note(paid)
        return paid

    def begin(self, arrivals: Sequence[Arrival]) -> None:
        """Let customers pay, each at its time from now, on a thread."""
        self._announce(arrivals)
        if self._background is None:
            self._background = BackgroundCustomers(self._addresses(), self._clock, self._plan())
        self._background.begin(arrivals)

    @property
    def paying(self) -> frozenset[str]:
        """What customers on the thread began with who are not done. Raises what went wrong."""
        return self._background.paying if self._background is not None else frozenset()

    @property
    def misfit(self) -> str:
        """What no later answer can change of how customers on the thread pay; "" for nothing."""
        return self._background.misfit if self._background is not None else ""

    def take(self) -> list[Record]:
        """What was recorded on the thread since the last call."""
        if self._background is None:
            return []
        records = self._background.take()
        self._note(records)
        return records

    def stop(self) -> None:
        """Send away who still pays on the thread."""
        if self._background is not None:
            self._background.stop()
            self._problems += self._background.problems

    def _announce(self, arrivals: Sequence[Arrival]) -> None:
        if self._requests is not None:
            self._expect(self._requests.expect_now(arrivals, self._clock.now_ns()))

    def _note(self, records: Sequence[Record]) -> None:
        """Own services' requests are noted from spools, in which these records are not."""
        if self._requests is None:
            return
        for record in records:
            if isinstance(record, PaymentRecord):
                self._requests.note(record)

    async def _pay(self, arrivals: Sequence[Arrival]) -> list[PaymentRecord]:
        customers = Customers(self._addresses(), self._clock, self._journal)
        try:
            return await customers.keep_schedule(self._plan(), arrivals)
        finally:
            self._problems += [
                problem for problem in customers.problems if problem not in self._problems
            ]
            await customers.close()
