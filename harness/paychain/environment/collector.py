"""Collects what a real chain recorded, on whatever machine.

spools of its processes ────────┐
customers on a thread here ─────┤   each completed with what
traces of own services ─────────┼─> an own service's request ──> collect
this process: here, heartbeat ──┘   leaves open
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from paychain.analysis.measures.stalls import CONDUCTOR
from paychain.environment.customers_here import CustomersHere
from paychain.environment.otlp.receiver import SpanReceiver
from paychain.environment.own.books import BooksRead
from paychain.environment.own_requests import OwnRequests
from paychain.environment.spools import Spools
from paychain.load.traffic.books import OrderPaid
from paychain.model.chain import Chain
from paychain.model.loading import Loaded
from paychain.payments.journal import Record, Stall
from paychain.processes.stall_thread import StallThread

FLUSHED_S = 0.5  # a process flushes its journal ten times a second


class Collector:
    """The records of one real chain that are not collected yet.

    `requests`: those of own services, which its records complete; None for a chain without.
    `here` is where this process records.
    `killed` gives the spools of processes that a fault killed; `count` gets what came from each
    spool. `reserved`: where each own service listens, once it does. `problems` gets what is wrong
    with an own service's books.
    """

    def __init__(
        self,
        chain: Loaded[Chain],
        spools: Spools,
        requests: OwnRequests | None,
        customers: CustomersHere,
        *,
        here: list[Record],
        id_prefix: str,
        now_ns: Callable[[], int],
        killed: Callable[[], Collection[Path]],
        count: Callable[[Path, list[Record]], None],
        reserved: Callable[[], dict[str, tuple[str, int]]],
        problems: list[str],
    ) -> None:
        self.traces: SpanReceiver | None = None  # of a chain whose own services send some
        self._chain, self._spools, self._requests = chain, spools, requests
        self._customers, self._here = customers, here
        self._id_prefix, self._now_ns, self._problems = id_prefix, now_ns, problems
        self._killed, self._count, self._reserved = killed, count, reserved
        self._stalls: deque[Record] = deque()  # of this process, by the thread of the heartbeat
        self._heartbeat = StallThread(now_ns, self._stalled)
        self._early: list[list[Record]] = []  # read before anybody collected them
        self._is_complete = False

    def start(self) -> None:
        """Record from now on when this process stalls."""
        self._heartbeat.start()

    def stop(self) -> None:
        """Record no stalls any more."""
        self._heartbeat.stop()

    def close(self) -> None:
        """No spool is written any more: those read to their end are removed."""
        self._is_complete = True

    def _stalled(self, from_ns: int, until_ns: int) -> None:
        self._stalls.append(Stall(CONDUCTOR, from_ns, until_ns))

    def collect(self, *, all_flushed: bool = False) -> Iterator[list[Record]]:
        """What was recorded since the last call. `all_flushed`: once every process has flushed."""
        if all_flushed:
            time.sleep(FLUSHED_S)
        early, self._early = self._early, []
        yield from early
        yield from self._read()

    def look_ahead(self) -> Iterator[list[Record]]:
        """Read what was recorded without collecting it.

        Whoever reads what was recorded knows what it leaves unknown.
        """
        for records in self._read():
            self._early.append(records)
            yield records

    def _read(self) -> Iterator[list[Record]]:
        while self._stalls:
            self._here.append(self._stalls.popleft())
        here = self._here.copy()
        self._here.clear()
        if here:
            yield here
        requests = self._requests
        if paid := self._customers.take():
            yield paid
        if requests is not None and self.traces is not None:
            yield requests.completed(self.traces.take())
        killed = self._killed()
        for path, records in self._spools.read(are_complete=self._is_complete, killed=killed):
            self._count(path, records)
            yield requests.completed(records) if requests is not None else records

    def read_all_books(self) -> None:
        """Record what own services take for paid, now that nothing changes it any more."""
        if self._requests is not None and self._requests.orders:
            self._here.extend(self.books_of(self._requests.orders))

    def books_of(self, orders: Sequence[OrderPaid]) -> list[Record]:
        """What own services take for paid of some orders."""
        home = self._chain.path.resolve().parent
        books = BooksRead(self._chain.model, home, self._id_prefix, self._now_ns)
        books.read(orders, self._reserved())
        self._problems += books.problems
        return list(books.entries)

    def incomplete(self) -> list[str]:
        """Journals with records missing, in sentences.

        None before `close`: a process that goes on still writes. By hand, a run may end while its
        chain does not.
        """
        return self._spools.incomplete(self._killed()) if self._is_complete else []
