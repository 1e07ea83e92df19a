"""A chain as processes: engine, mock services with a proxy on every hop, own services, load."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from paychain.analysis.measures.stalls import CONDUCTOR
from paychain.analysis.store.facts import NO_ENGINE, EngineFacts
from paychain.engine import engine as engines
from paychain.engine.ability import EMBEDDED, refuse_mixed
from paychain.engine.errors import EngineError
from paychain.engine.injector import Injector, LinkFaults
from paychain.engine.links import RemoteLinkFaults
from paychain.engine.proxies import HERE, Proxies, further
from paychain.engine.timeline import Switch
from paychain.environment.background_customers import BackgroundCustomers
from paychain.environment.load_process import LoadProcess
from paychain.environment.load_workers import LoadWorkers
from paychain.environment.near_ends import NearEnds
from paychain.environment.otlp.hops import receive_traces
from paychain.environment.otlp.receiver import SpanReceiver
from paychain.environment.own.books import BooksRead
from paychain.environment.own.services import OwnServices
from paychain.environment.own.tls_ends import open_tls_ends
from paychain.environment.own_requests import OwnRequests
from paychain.environment.remote.remote import Remote
from paychain.environment.run_prefix import PLAIN_PREFIX, run_prefix
from paychain.environment.running_chain import ChainReport, InProgress
from paychain.environment.service_processes import CONTROL_S, ServiceProcesses
from paychain.environment.shares import share_out
from paychain.environment.spools import Spools
from paychain.load.distributed.spread import Spread
from paychain.load.traffic.arrivals import Arrival
from paychain.load.traffic.books import OrderPaid
from paychain.load.traffic.paying import Customers
from paychain.load.traffic.plan import LoadPlan, customers_plan
from paychain.model.chain import Chain
from paychain.model.experiment import MIN_PROCESSES
from paychain.model.loading import Loaded
from paychain.model.own_services import observed_hops
from paychain.model.scripts import Followed
from paychain.payments.attribution import PaymentIds
from paychain.payments.errors import UserError
from paychain.payments.exchanges import Exchange, ReceivedRequest
from paychain.payments.journal import FaultSwitch, PaymentRecord, Record, Stall
from paychain.processes.children import Children
from paychain.processes.loopback import LOOPBACK
from paychain.processes.stall_thread import StallThread
from paychain.processes.tokens import TOKEN_VARIABLE, new_token
from paychain.services.plan import SERVICES

TICK_S = 0.02  # so often somebody can look around while time passes
WATCH_S = 1.0  # between two signs of life of an engine
FLUSHED_S = 0.5  # a process flushes its journal ten times a second
QUIET_S = 1.5  # without a request of theirs, own services are done if nothing is unknown
QUIET_STEP_S = 0.2
DRAIN_STEP_S = 2.0  # of a drain at a time: in between, dead processes and signals are noticed


def _ignore(_: str) -> None:
    """The default: no messages."""


class RealChain:
    """The processes of one chain. `children` holds them all, `spools` what they write.

    `services`: the command of a services process. `toxiproxy`: another engine than the embedded
    one. `spread`: the load over several processes. `by_hand`: own services that somebody starts.
    `is_open`: anybody on this machine may switch faults on the embedded engine. `first_port`: of
    the embedded engine's API, then of each hop here in the order of the chain; 0: any.
    `processes`: how many the links and the embedded engine's proxies are shared out over.
    `on_message` gets what is worth a line.
    """

    is_virtual = False
    look_every_s = 0.25

    def __init__(
        self,
        chain: Loaded[Chain],
        folder: Path,
        *,
        seed: int,
        services: tuple[str, ...] | None = None,
        toxiproxy: str | None = None,
        spread: Spread | None = None,
        settles_within_s: float | None = None,
        by_hand: Collection[str] = (),
        is_open: bool = False,
        first_port: int = 0,
        processes: int = MIN_PROCESSES,
        on_message: Callable[[str], None] = _ignore,
    ) -> None:
        """`settles_within_s`: how long the drain may take; None: as the chain declares."""
        self.epoch_ns = time.monotonic_ns()  # where the chain's clock begins
        folder = folder.absolute()  # some of the processes run elsewhere
        self.children = Children(folder)
        self.engine: engines.Engine | None = None  # the run's own
        self._further_engines: list[engines.Engine] = []
        self.proxies = Proxies()
        self.spools = Spools(folder)
        self.addresses: dict[str, tuple[str, int]] = {}  # near end of each hop
        self._chain, self._loaded = chain.model, chain
        # An own service remembers payments of earlier runs: this run's have ids of their own.
        has_own = bool(chain.model.own_services())
        self.id_prefix = run_prefix(time.time()) if has_own else PLAIN_PREFIX
        self.settles_within_s = (
            chain.model.settles_within if settles_within_s is None else settles_within_s
        )
        self._remotes: dict[str, Remote] = {}  # by the names of their hosts
        self._requests = OwnRequests(chain.model) if observed_hops(chain.model) else None
        self._seed = seed
        self._toxiproxy = toxiproxy
        self._entry_host = spread.entry_host if spread is not None else LOOPBACK
        self._on_message = on_message
        self._first_port = first_port
        self._processes = processes
        self._engine_token = "" if is_open else new_token()
        self._load = (
            LoadWorkers(self.children, folder, self.spools.new, spread, on_message)
            if spread is not None
            else LoadProcess(self.children, folder, self.spools.new)
        )
        self._injector: Injector | None = None
        self._customers: BackgroundCustomers | None = None  # from the first that begin to pay
        self._own: list[Record] = []  # recorded here, and not collected yet
        self._stalls: deque[Record] = deque()  # likewise, by the thread of the heartbeat
        self._heartbeat = StallThread(self.now_ns, self._stalled)
        self._read_early: list[list[Record]] = []  # from the spools, and not collected yet
        self._watch_ns = 0  # when the engines are to be looked at next
        self._before_load: int | None = None  # processes that own services depend on
        self._traces: SpanReceiver | None = None
        self._is_stopped = False
        self._problems: list[str] = []
        self._token = os.environ.get(TOKEN_VARIABLE, "")  # links on other machines want a proof
        self._services = ServiceProcesses(
            chain,
            self.children,
            self.spools.new,
            command=services or SERVICES,
            seed=seed,
            epoch_ns=self.epoch_ns,
            id_prefix=self.id_prefix,
        )
        self.own = OwnServices(chain, folder, self.now_ns, seed=seed, by_hand=by_hand)

    def start(self) -> None:
        """Engine, mocks, proxies, own services; all ready when this returns."""
        observing = None
        if self._requests is not None:
            observing = engines.Observing(
                self.spools.new("exchanges", "the fault engine"), self.epoch_ns
            )
        self.engine = engines.start(
            self._toxiproxy,
            self.children,
            self._seed,
            observing,
            self._engine_token,
            self._first_port,
        )
        refuse_mixed(self._loaded, self.engine.name)
        self.proxies.add_engine(HERE, self.engine.control, self.epoch_ns)
        shares = share_out(self._chain, self._processes, has_engines=self.engine.name == EMBEDDED)
        for number, hops in enumerate(shares.hops[1:], start=2):
            engine = engines.further(number, self.children, self._seed, self._engine_token)
            self._further_engines.append(engine)
            self.proxies.add_engine(further(number), engine.control, self.epoch_ns)
            self.proxies.place(hops, further(number))
        ports = self._services.start(shares.links)
        for name, placed in self._chain.hosts.items():
            remote = self._remotes[name] = Remote(name, placed, self._loaded, self._token)
            remote.begin(self._seed, self.epoch_ns, self.spools.new(f"host-{name}", f"host {name}"))
            ports |= remote.ports
            if remote.engine is not None:
                self.proxies.add_engine(name, remote.engine, remote.epoch_ns)
        upstreams = {link: (LOOPBACK, port) for link, port in ports.items()} | self.own.reserve()
        self.addresses = NearEnds(
            chain=self._chain,
            proxies=self.proxies,
            remotes=self._remotes,
            own=self.own,
            entry_host=self._entry_host,
            first_port=self._first_port and self._first_port + 1,
            id_prefix=self.id_prefix,
        ).open(upstreams)
        self._services.connect(self.addresses)
        for remote in self._remotes.values():
            remote.command("/routes", self.addresses)
            self._on_message(remote.line())
        ends = open_tls_ends(self._chain, self.addresses, self.children)
        self._traces = receive_traces(
            self._chain, self.addresses, ends, PaymentIds(self.id_prefix), self.now_ns
        )
        self.own.start(self.addresses, ends, self._traces.url if self._traces else "")
        self._before_load = self.children.number if self._chain.own_services() else None
        self._injector = Injector(self.proxies, self._link_faults, self.now_ns)
        self._heartbeat.start()

    def _stalled(self, from_ns: int, until_ns: int) -> None:
        self._stalls.append(Stall(CONDUCTOR, from_ns, until_ns))

    @property
    def _link_faults(self) -> list[LinkFaults]:
        """What switches the in-link faults of every services process."""
        elsewhere = [
            RemoteLinkFaults(remote.url, remote.auth()) for remote in self._remotes.values()
        ]
        return [*self._services.link_faults, *elsewhere, *self.own.link_faults]

    def now_ns(self) -> int:
        """Nanoseconds since the chain was made."""
        return time.monotonic_ns() - self.epoch_ns

    @property
    def entry_urls(self) -> dict[str, str]:
        """Where customers pay, by entry."""
        return {entry: f"http://{host}:{port}" for entry, (host, port) in self._entries().items()}

    def _entries(self) -> dict[str, tuple[str, int]]:
        return {hop.callee: self.addresses[hop.name] for hop in self._chain.entry_hops()}

    # -- faults ---------------------------------------------------------------------------------
    def switch(self, switch: Switch, planned_ns: int) -> FaultSwitch:
        """Apply or heal a fault now."""
        assert self._injector is not None
        record = self._injector.switch(switch, planned_ns)
        self._own.append(record)
        if record.error:
            self._check_processes()  # one may be dead: that says more
        return record

    def heal_all(self) -> list[FaultSwitch]:
        """Heal every fault that is on."""
        assert self._injector is not None
        records = self._injector.heal_all(self.now_ns())
        self._own.extend(records)
        return records

    def fault_hits(self) -> dict[str, int]:
        """How many requests each in-link fault acted on so far."""
        assert self._injector is not None
        return self._injector.link_hits()

    def follow_scripts(self, scripts: Followed) -> None:
        """Let payments follow failure scripts from now on."""
        self._services.follow_scripts(scripts)
        for remote in self._remotes.values():
            remote.command("/scripts", msgspec.to_builtins(scripts))

    # -- payments -------------------------------------------------------------------------------
    def pay(self, arrivals: Sequence[Arrival]) -> list[PaymentRecord]:
        """Let customers pay, each at its time from now, from this process."""
        if self._requests is not None:
            self._services.expect(self._requests.expect_now(arrivals, self.now_ns()))
        paid = asyncio.run(self._pay(arrivals))
        if self._requests is not None:
            # They come from this process, not from a spool that is read and noted.
            for payment in paid:
                self._requests.note(payment)
        return paid

    def begin_paying(self, arrivals: Sequence[Arrival]) -> None:
        """Let customers pay, each at its time from now, on a thread of this process."""
        if self._requests is not None:
            self._services.expect(self._requests.expect_now(arrivals, self.now_ns()))
        if self._customers is None:
            self._customers = BackgroundCustomers(self._entries(), self, self._customers_plan())
        self._customers.begin(arrivals)

    def in_progress(self) -> InProgress:
        """What is in progress at this moment."""
        paying = self._customers.paying if self._customers is not None else frozenset()
        pending = frozenset(self._drain_step(0))
        # Whoever reads what was recorded knows what it leaves unknown.
        self._read_early += self._read_on()
        unknown = self._requests.unsettled if self._requests is not None else frozenset()
        return InProgress(paying=paying, pending=pending, unknown=unknown)

    def read_books(self, payments: Collection[str]) -> list[Record]:
        """What own services take for paid of some payments."""
        if self._requests is None:
            return []
        return self._books_of(self._requests.orders_of(payments))

    def forget_payments(self, payments: Collection[str]) -> None:
        """Neither wait for what own services have not settled of them, nor read their books."""
        if self._requests is not None:
            self._requests.forget(payments)

    def _customers_plan(self) -> LoadPlan:
        plan = customers_plan(self._chain, self._seed)
        return plan.reached_at(self.entry_urls, self.epoch_ns).declared_in(self._loaded)

    async def _pay(self, arrivals: Sequence[Arrival]) -> list[PaymentRecord]:
        customers = Customers(self._entries(), self, self._own)
        try:
            return await customers.keep_schedule(self._customers_plan(), arrivals)
        finally:
            self._problems += [
                problem for problem in customers.problems if problem not in self._problems
            ]
            await customers.close()

    async def until(self, when_ns: int) -> None:
        """Sleep until that moment."""
        await asyncio.sleep((when_ns - self.now_ns()) / 1e9)

    def begin_load(self, plan: LoadPlan) -> int:
        """Start the load's processes, and let it begin in a moment."""
        plan = plan.reached_at(self.entry_urls, self.epoch_ns).declared_in(self._loaded)
        plan = msgspec.structs.replace(plan, id_prefix=self.id_prefix)
        self._load.start(plan)
        start_ns = self.now_ns() + int(self._load.lead_s * 1e9)
        self._load.go(start_ns)
        if self._requests is not None:
            self._requests.begin(plan, start_ns)
            self._services.expect(self._requests.expect(self.now_ns()))
        return start_ns

    def stop_load(self) -> None:
        """From now on no customer starts to pay."""
        self._load.stop_early(self.now_ns())

    @property
    def is_load_over(self) -> bool:
        """Every payment was started and has ended, or a load process died or hangs."""
        return self._load.is_over(self.now_ns())

    def load_problems(self) -> list[str]:
        """What was wrong with the load processes."""
        return self._load.problems(self.now_ns())

    def load_line(self) -> str:
        """How the workers are, where there are several."""
        return self._load.line()

    # -- time and records -----------------------------------------------------------------------
    def advance(self, until_ns: int | None = None) -> None:
        """Look after the processes, and wait for a moment. Raises UserError when one died."""
        self.check()
        self._load.watch()
        left_s = TICK_S if until_ns is None else (until_ns - self.now_ns()) / 1e9
        time.sleep(min(max(0.0, left_s), TICK_S))

    def check(self) -> None:
        """Raises UserError when a process died, or another machine or an engine is silent."""
        self._check_processes()
        if self.now_ns() < self._watch_ns:
            return
        self._watch_ns = self.now_ns() + int(WATCH_S * 1e9)
        if self._requests is not None:
            self._services.expect(self._requests.expect(self.now_ns()))
        try:
            self.proxies.check()
            self.proxies.take_events(self._own.extend)
        except EngineError as error:
            self._check_processes()
            raise UserError(str(error)) from error

    @property
    def broken_service(self) -> str:
        """The name of an own service that ended for good; "" when all go on."""
        return self.own.broken

    def _check_processes(self) -> None:
        self.own.check()
        dead = self.children.dead()
        if dead:
            raise UserError(dead[0].exit_report())
        for remote in self._remotes.values():
            if remote.problem:
                raise UserError(remote.problem)

    def collect(self, *, all_flushed: bool = False) -> Iterator[list[Record]]:
        """What was recorded since the last call, by this process and by those of the chain."""
        if all_flushed:
            time.sleep(FLUSHED_S)
        early, self._read_early = self._read_early, []
        yield from early
        yield from self._read_on()

    def _read_on(self) -> Iterator[list[Record]]:
        while self._stalls:
            self._own.append(self._stalls.popleft())
        own = self._own.copy()
        self._own.clear()
        if own:
            yield own
        requests = self._requests
        if self._customers is not None and (paid := self._customers.take()):
            if requests is not None:
                # As with `pay`: what customers record comes from no spool.
                for record in paid:
                    if isinstance(record, PaymentRecord):
                        requests.note(record)
            yield paid
        if requests is not None and self._traces is not None:
            yield requests.completed(self._traces.take())
        killed = self._services.killed
        for path, records in self.spools.read(are_complete=self._is_stopped, killed=killed):
            self._load.count(path, records)
            yield requests.completed(records) if requests is not None else records

    # -- end ------------------------------------------------------------------------------------
    def drain(self) -> list[str]:
        """Wait until every request and reversal is final; the payments of those that are not."""
        self._on_message("draining")
        until_ns = self.now_ns() + int(self.settles_within_s * 1e9)
        pending = self._drain_step(until_ns)
        # While one process is waited for, it may give another one work that was done before.
        while (pending or self._drain_step(0)) and self.now_ns() < until_ns:
            self._watch_ns = 0
            self.check()
            pending = self._drain_step(until_ns)
        if self._requests is not None and not pending:
            self._let_services_settle(self._requests, until_ns)
            pending = self._drain_step(until_ns)
        self._watch_ns = 0  # whatever the engines did until now belongs to what is final
        self.check()
        self._read_books()
        if self._traces is not None and not self._traces.taken:
            self._on_message("no service with telemetry: true has sent a trace of a payment")
        return pending

    def _let_services_settle(self, requests: OwnRequests, until_ns: int) -> None:
        """Wait for what own services still do by themselves: nobody reports that they have ended.

        Until they have asked nothing for a moment and nothing is unknown to them or to a customer;
        as long as something is, they have all the time to settle it.
        """
        quiet_ns = self.now_ns()
        while self.now_ns() < until_ns:
            time.sleep(QUIET_STEP_S)
            self.check()
            for records in self._read_on():
                self._read_early.append(records)
                if any(isinstance(each, Exchange | ReceivedRequest) for each in records):
                    quiet_ns = self.now_ns()
            is_quiet = self.now_ns() - quiet_ns > QUIET_S * 1e9
            if is_quiet and not requests.is_unsettled:
                break

    def _read_books(self) -> None:
        """Read what own services take for paid, now that nothing changes it any more."""
        if self._requests is None or not self._requests.orders:
            return
        self._own.extend(self._books_of(self._requests.orders))

    def _books_of(self, orders: Sequence[OrderPaid]) -> list[Record]:
        home = self._loaded.path.resolve().parent
        books = BooksRead(self._chain, home, self.id_prefix, self.now_ns)
        books.read(orders, self.own.reserved)
        self._problems += books.problems
        return list(books.entries)

    def _drain_step(self, until_ns: int) -> list[str]:
        """Let every process of services wait for a moment; what is pending then."""
        within_s = min(max(0.0, (until_ns - self.now_ns()) / 1e9), DRAIN_STEP_S)
        pending = self._services.drain(within_s)
        for remote in self._remotes.values():
            body, longest_s = {"within_s": within_s}, within_s + CONTROL_S
            pending += remote.command("/drain", body, longest_s)["pending"]
        return pending

    def stop(self) -> None:
        """Stop every process; leave nothing on an engine that somebody else runs."""
        self._heartbeat.stop()
        if self._customers is not None:
            self._customers.stop()
            self._problems += self._customers.problems
        with suppress(EngineError):
            self.proxies.take_events(self._own.extend)
        # The load first, then own services: they may still want to reach what is behind them.
        if self._before_load is not None:
            self._problems += self.children.stop(self._before_load)
        self.own.stop()
        if self._traces is not None:
            self._traces.stop()
        for engine in (self.engine, *self._further_engines):
            if engine is not None and engine.child is not None and engine.control.lost:
                engine.child.ends_in_order = False  # it would not react to a gentler signal
                engine.child.process.kill()
        if self.engine is not None and self.engine.child is None:
            self._leave_clean(self.engine)
        for remote in self._remotes.values():
            remote.end()
            if remote.problem:
                self._problems.append(remote.problem)
        self.proxies.close()
        self._problems += self.children.stop()
        self._services.close()
        self._is_stopped = True

    def _leave_clean(self, engine: engines.Engine) -> None:
        for hop in self.proxies.hops_on(HERE):
            with suppress(EngineError):
                engine.control.destroy(hop)
        if engine.control.lost:
            self._problems.append(
                f"proxies of this run may be left on {engine.control.url}: paychain heal "
                f"--toxiproxy {engine.control.url} removes them"
            )

    def report(self) -> ChainReport:
        """What the chain knows of itself."""
        engine = self.engine
        return ChainReport(
            engine=EngineFacts(engine.name, engine.version) if engine else NO_ENGINE,
            engine_events_dropped=self.proxies.dropped,
            offered=self._load.offered(),
            workers=self._load.workers(),
            hosts=[
                remote.facts(self.proxies.hops_on(remote.name)) for remote in self._remotes.values()
            ],
            services=self.own.facts(),
            problems=list(self._problems),
            # A process that goes on still writes: by hand, a run may end while its chain does not.
            incomplete=self.spools.incomplete(self._services.killed) if self._is_stopped else [],
        )

    def interrupt(self, error: BaseException) -> None:
        """Raise the error where the process is."""
        raise error
