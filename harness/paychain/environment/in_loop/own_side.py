"""The own service of a chain in virtual time, and what is recorded of it.

As in a real run: the engine reads the hops out of it, its records are completed with the payments
they are for, its books are read at the end, and it gets time to settle what it left unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from paychain.analysis.store.facts import ServiceFacts
from paychain.environment.in_loop.application import Application
from paychain.environment.own.books import BooksRead
from paychain.environment.own.pages import pages_of
from paychain.environment.own.variables import Address, near_ends, webhook_secrets
from paychain.environment.own_requests import QUIET_S, QUIET_STEP_S, OwnRequests
from paychain.environment.run_prefix import PLAIN_PREFIX
from paychain.environment.virtual_engine import VirtualEngine
from paychain.load.traffic.arrivals import Arrival
from paychain.load.traffic.plan import LoadPlan
from paychain.model.chain import Chain
from paychain.model.hop import Hop
from paychain.model.own_services import is_mock, observed_hops
from paychain.payments.attribution import Expected
from paychain.payments.errors import UserError
from paychain.payments.exchanges import HttpExchange, ReceivedRequest
from paychain.payments.journal import Record
from paychain.processes.loopback import LOOPBACK
from paychain.simulation.loop import VirtualLoop
from paychain.simulation.users.loop import UsersLoop

EXPECT_EVERY_S = 1.0  # virtual: as often as in a real run
Expect = Callable[[Iterable[Expected]], None]


class CompletedJournal(list[Record]):
    """A journal whose records go, completed, into another one. It is always empty itself."""

    def __init__(self, into: list[Record], requests: OwnRequests) -> None:
        super().__init__()
        self._into, self._requests = into, requests
        self.requests_seen = 0  # of own services

    def append(self, record: Record) -> None:
        """Add one record."""
        if isinstance(record, HttpExchange | ReceivedRequest):
            self.requests_seen += 1
        self._into.extend(self._requests.completed([record]))

    def extend(self, records: Iterable[Record]) -> None:
        """Add records."""
        for record in records:
            self.append(record)


class OwnSide:
    """The application of a chain's own service, and its requests. `journal` gets their records.

    A chain of mocks has none: `of` gives None.
    """

    def __init__(
        self, chain: Chain, home: Path, seed: int, loop: UsersLoop, journal: list[Record]
    ) -> None:
        (name,) = chain.own_services()
        self._chain, self._home, self._seed, self._loop = chain, home, seed, loop
        self._requests = OwnRequests(chain)
        self.journal = CompletedJournal(journal, self._requests)
        self._observed = {hop.name for hop in observed_hops(chain)}
        self._service = chain.own_services()[name]
        port = self._service.port or loop.network.free_port()
        self.application = Application(chain, name, home, seed=seed, loop=loop, port=port)
        self._expecting: asyncio.Task[None] | None = None
        self.problems: list[str] = []
        self._pages: dict[str, str] = {}
        self._urls: dict[str, str] = {}  # of the entries
        self._links: dict[str, Address] = {}  # where each listens

    @classmethod
    def of(
        cls, chain: Chain, home: Path, seed: int, loop: VirtualLoop, journal: list[Record]
    ) -> OwnSide | None:
        """The own service of a chain that was checked; None for a chain of mocks."""
        return cls(chain, home, seed, loop, journal) if isinstance(loop, UsersLoop) else None

    @property
    def ports(self) -> dict[str, int]:
        """Where it listens."""
        return {self.application.name: self.application.port}

    @property
    def error(self) -> UserError | None:
        """Why the simulation makes no sense any more."""
        return self.application.error

    @property
    def facts(self) -> list[ServiceFacts]:
        """What a result reports of it."""
        return [self.application.facts]

    @contextmanager
    def reached_by_all(self) -> Iterator[None]:
        """From start to stop; guards stay installed inside."""
        with ExitStack() as left:
            left.callback(self.application.remove)
            left.enter_context(self.application.reached_by_all())
            yield

    def create(self, engine: VirtualEngine, hop: Hop, upstream: str) -> Address:
        """Make the proxy of a hop, at the port and observed as the service needs it."""
        port, prefix = 0, ""
        if hop.caller == self.application.name:
            port = self._service.ports.get(hop.callee, 0)
        if hop.name in self._observed:
            prefix = PLAIN_PREFIX
        host, _, listens = upstream.rpartition(":")
        self._links[hop.callee] = (host, int(listens))
        is_blind = not is_mock(self._chain, hop.callee)
        return engine.create(hop.name, upstream, port, prefix, is_blind=is_blind)

    async def start(self, hops: Mapping[str, Address]) -> None:
        """Start the application. `hops`: the near end of each."""
        name = self.application.name
        near = near_ends(self._chain, name, hops)
        self._pages = pages_of(self._chain, hops, self._links)
        self._urls = {
            hop.callee: f"http://{host}:{port}"
            for hop in self._chain.entry_hops()
            for host, port in [hops[hop.name]]
        }
        await self.application.start(near, webhook_secrets(self._chain, name, self._seed))

    async def stop(self) -> None:
        """Stop it."""
        if self._expecting is not None:
            self._expecting.cancel()
        await self.application.stop()

    def plan(self, plan: LoadPlan) -> LoadPlan:
        """The same, where a user's class that pays and the providers' pages are found."""

        entries = tuple(
            entry
            if entry.pays is None
            else msgspec.structs.replace(
                entry,
                pays=msgspec.structs.replace(entry.pays, folder=str(self._home)),
                url=self._urls[entry.link],
                pages=self._pages,
            )
            for entry in plan.entries
        )
        return msgspec.structs.replace(plan, entries=entries)

    def announce(self, arrivals: Sequence[Arrival], expect: Expect) -> None:
        """Let links know payments that customers make without a load."""
        expect(self._requests.expect_now(arrivals, self._loop.now_ns))

    def begin(self, plan: LoadPlan, expect: Expect) -> None:
        """A load begins now: links get to know its payments, those of the next seconds."""
        self._requests.begin(plan, self._loop.now_ns)
        expect(self._requests.expect(self._loop.now_ns))
        self._expecting = self._loop.create_task(self._expect(expect))

    async def _expect(self, expect: Expect) -> None:
        while self._requests.expects_more:
            await asyncio.sleep(EXPECT_EVERY_S)
            expect(self._requests.expect(self._loop.now_ns))

    @property
    def unknown(self) -> frozenset[str]:
        """The payments about which something is unknown that the service may still settle."""
        return self._requests.unsettled

    def forget(self, payments: Collection[str]) -> None:
        """Wait no more for anything about payments that were judged."""
        self._requests.forget(payments)

    async def settle(self, within_s: float) -> None:
        """Wait until the service has asked nothing for a moment and nothing is unknown to it."""
        until_ns = self._loop.now_ns + int(within_s * 1e9)
        quiet_ns, seen = self._loop.now_ns, self.journal.requests_seen
        while self._loop.now_ns < until_ns:
            await asyncio.sleep(QUIET_STEP_S)
            if self.journal.requests_seen != seen:
                quiet_ns, seen = self._loop.now_ns, self.journal.requests_seen
            is_quiet = self._loop.now_ns - quiet_ns > QUIET_S * 1e9
            if is_quiet and not self._requests.is_unsettled:
                break

    async def read_books(self, payments: Collection[str] | None = None) -> list[Record]:
        """What the service takes for paid: of some payments, or of all."""
        orders = self._requests.orders
        if payments is not None:
            orders = self._requests.orders_of(payments)
        if not orders:
            return []
        books = BooksRead(self._chain, self._home, PLAIN_PREFIX, lambda: self._loop.now_ns)
        at = {self.application.name: (LOOPBACK, self.application.port)}
        await books.look(orders, at)
        self.problems += books.problems
        return list(books.entries)
