"""A chain as processes: engine, mock services with a proxy on every hop, own services, load."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import msgspec

from paychain.engine.ability import EMBEDDED, refuse_mixed
from paychain.engine.engine import Engine
from paychain.engine.errors import EngineError
from paychain.engine.injector import Injector, LinkFaults
from paychain.engine.timeline import Switch
from paychain.environment.collector import Collector
from paychain.environment.customers_here import CustomersHere
from paychain.environment.draining import Draining
from paychain.environment.fault_engines import FaultEngines
from paychain.environment.load_workers import load_of
from paychain.environment.near_ends import NearEnds
from paychain.environment.otlp.hops import receive_traces
from paychain.environment.own.services import OwnServices
from paychain.environment.own.tls_ends import open_tls_ends, refused_at
from paychain.environment.own_requests import OwnRequests
from paychain.environment.remote.remotes import Remotes
from paychain.environment.run_prefix import PLAIN_PREFIX, run_prefix
from paychain.environment.running_chain import ChainReport, InProgress
from paychain.environment.service_processes import ServiceProcesses
from paychain.environment.shares import share_out
from paychain.environment.spools import Spools
from paychain.load.distributed.spread import Spread
from paychain.load.traffic.arrivals import Arrival
from paychain.load.traffic.plan import LoadPlan
from paychain.load.traffic.planning import customers_plan
from paychain.load.traffic.schedule import count
from paychain.model.chain import Chain
from paychain.model.experiment import MIN_PROCESSES, NumberOfProcesses
from paychain.model.loading import Loaded
from paychain.model.own_services import observed_hops
from paychain.model.scripts import AssignedScripts
from paychain.payments.attribution import PaymentIds
from paychain.payments.errors import PartLost
from paychain.payments.journal import FaultSwitch, PaymentRecord, Record
from paychain.processes.background import Coming, done_with, in_background
from paychain.processes.children import Children
from paychain.processes.loopback import LOOPBACK
from paychain.processes.tokens import TOKEN_VARIABLE
from paychain.services.pending_work import PendingWork
from paychain.services.plan import SERVICES

TICK_S = 0.02  # so often somebody can look around while time passes


class RealChain:
    """The processes of one chain. `children` holds them all, `spools` what they write.

    `services`: the command of a services process. `toxiproxy`: another engine than the embedded
    one. `spread`: the load over several processes. `by_hand`: own services that somebody starts.
    `is_open`: anybody on this machine may switch faults on the embedded engine. `first_port`: of
    the embedded engine's API, then of each hop here in the order of the chain; 0: any.
    `processes`: how many the links and the embedded engine's proxies are shared out over.
    `is_patient`: no slow machine ends a session by hand. `on_message` gets what is worth a line.
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
        processes: NumberOfProcesses = MIN_PROCESSES,
        is_patient: bool = False,
        on_message: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`settles_within_s`: how long the drain may take; None: as the chain declares."""
        self.epoch_ns = time.monotonic_ns()  # where the chain's clock begins
        folder = folder.absolute()  # some of the processes run elsewhere
        self.children = Children(folder)
        self._engines = FaultEngines(
            self.children,
            seed=seed,
            epoch_ns=self.epoch_ns,
            toxiproxy=toxiproxy,
            is_open=is_open,
            port=first_port,
            is_patient=is_patient,
        )
        self.spools = Spools(folder)
        self.addresses: dict[str, tuple[str, int]] = {}  # near end of each hop
        self._chain, self._loaded = chain.model, chain
        # An own service remembers payments of earlier runs: this run's have ids of their own.
        self.id_prefix = run_prefix(time.time()) if chain.model.own_services() else PLAIN_PREFIX
        declared_s = chain.model.settles_within
        self.settles_within_s = declared_s if settles_within_s is None else settles_within_s
        self._remotes = Remotes(chain, os.environ.get(TOKEN_VARIABLE, ""))  # they want a proof
        self._requests = OwnRequests(chain.model) if observed_hops(chain.model) else None
        self._seed = seed
        self._entry_host = spread.entry_host if spread is not None else LOOPBACK
        self._on_message = on_message
        self._first_port, self._processes = first_port, processes
        self._planned: int | None = 0  # payments of the load
        self._load = load_of(spread, self.children, folder, self.spools.new, on_message)
        self._injector: Injector | None = None
        self._before_load: int | None = None  # processes that own services depend on
        self._problems: list[str] = []
        self._services = ServiceProcesses(
            chain,
            self.children,
            self.spools.new,
            command=services or SERVICES,
            seed=seed,
            epoch_ns=self.epoch_ns,
            id_prefix=self.id_prefix,
            is_patient=is_patient,
        )
        self.own = OwnServices(chain, folder, self.now_ns, seed=seed, by_hand=by_hand)
        self._open_records()

    def _open_records(self) -> None:
        """What takes the records of all processes, and waits in the end until none is open."""
        self._recorded: list[Record] = []  # by this process, and not collected yet
        self._customers = CustomersHere(
            self,
            addresses=self._entries,
            plan=lambda: self._reached(customers_plan(self._chain, self._seed)),
            requests=self._requests,
            expect=self._services.expect,
            journal=self._recorded,
            problems=self._problems,
        )
        self._collector = Collector(
            self._loaded,
            self.spools,
            self._requests,
            self._customers,
            here=self._recorded,
            id_prefix=self.id_prefix,
            now_ns=self.now_ns,
            killed=lambda: self._services.killed,
            count=self._load.count,
            reserved=lambda: self.own.reserved,
            problems=self._problems,
        )
        self._draining = Draining(
            services=self._services,
            remotes=self._remotes,
            collector=self._collector,
            requests=self._requests,
            now_ns=self.now_ns,
            check=self.check,
        )

    def start(self) -> None:
        """Engine, mocks, proxies, own services; all ready when this returns."""
        observes = self._requests is not None
        exchanges = self.spools.new("exchanges", "the fault engine") if observes else None
        engine, proxies = self._engines.start(exchanges), self._engines.proxies
        refuse_mixed(self._loaded, engine.name)
        shares = share_out(self._chain, self._processes, has_engines=engine.name == EMBEDDED)
        self._engines.start_further(shares.hops[1:])
        ports = self._services.start(shares.links)
        ports |= self._remotes.begin(self._seed, self.epoch_ns, self.spools.new, proxies)
        upstreams = {link: (LOOPBACK, port) for link, port in ports.items()} | self.own.reserve()
        self.addresses, pages = NearEnds(
            chain=self._chain,
            proxies=proxies,
            remotes=self._remotes.by_name,
            own=self.own,
            entry_host=self._entry_host,
            first_port=self._first_port and self._first_port + 1,
            id_prefix=self.id_prefix,
        ).open(upstreams)
        self._services.connect(self.addresses)
        self._remotes.connect(self.addresses, self._on_message)
        ends = open_tls_ends(self._chain, self.addresses, self.children)
        traces = self._collector.traces = receive_traces(
            self._chain, self.addresses, ends, PaymentIds(self.id_prefix), self.now_ns
        )
        self.own.start(self.addresses, ends, traces.url if traces else "", pages)
        self._before_load = self.children.number if self._chain.own_services() else None
        self._injector = Injector(proxies, self._link_faults, self.now_ns)
        self._collector.start()

    @property
    def engine(self) -> Engine:
        """The run's own fault engine, once the chain is started."""
        return self._engines.first

    @property
    def _link_faults(self) -> list[LinkFaults]:
        """What switches the in-link faults of every services process."""
        return [*self._services.link_faults, *self._remotes.link_faults(), *self.own.link_faults]

    def now_ns(self) -> int:
        """Nanoseconds since the chain was made."""
        return time.monotonic_ns() - self.epoch_ns

    @property
    def entry_urls(self) -> dict[str, str]:
        """Where customers pay, by entry."""
        return {entry: f"http://{host}:{port}" for entry, (host, port) in self._entries().items()}

    def _entries(self) -> dict[str, tuple[str, int]]:
        return {hop.callee: self.addresses[hop.name] for hop in self._chain.entry_hops()}

    def switch(self, switch: Switch, planned_ns: int) -> FaultSwitch:
        """Apply or heal a fault now."""
        assert self._injector is not None
        record = self._injector.switch(switch, planned_ns)
        self._recorded.append(record)
        if record.error:
            self._check_processes()  # one may be dead: that says more
        return record

    def heal_all(self) -> list[FaultSwitch]:
        """Heal every fault that is on."""
        assert self._injector is not None
        records = self._injector.heal_all(self.now_ns())
        self._recorded.extend(records)
        return records

    def fault_hits(self) -> dict[str, int]:
        """How many requests each in-link fault acted on so far."""
        assert self._injector is not None
        return self._injector.link_hits()

    def follow_scripts(self, scripts: AssignedScripts) -> None:
        """Let payments follow failure scripts from now on."""
        self._services.follow_scripts(scripts)
        self._remotes.command("/scripts", msgspec.to_builtins(scripts))

    def pay(self, arrivals: Sequence[Arrival]) -> list[PaymentRecord]:
        """Let customers pay, each at its time from now, from this process."""
        return self._customers.pay(arrivals)

    def begin_paying(self, arrivals: Sequence[Arrival]) -> None:
        """Let customers pay, each at its time from now, on a thread of this process."""
        self._customers.begin(arrivals)

    def in_progress(self) -> InProgress:
        """What is in progress at this moment."""
        paying = self._customers.paying
        pending = frozenset(work.payment for work in self._draining.step(0))
        for _ in self._collector.look_ahead():
            pass  # reading what was recorded shows what it leaves unknown
        unknown = self._requests.unsettled if self._requests is not None else frozenset()
        return InProgress(paying=paying, pending=pending, unknown=unknown)

    def read_books(self, payments: Collection[str]) -> Coming[list[Record]]:
        """What own services take for paid of some payments: a thread asks them."""
        orders = self._requests.orders_of(payments) if self._requests is not None else []
        if not orders:
            return done_with([])
        return in_background(lambda: self._collector.books_of(orders), "books")

    def forget_payments(self, payments: Collection[str]) -> None:
        """Neither wait for what own services have not settled of them, nor read their books."""
        if self._requests is not None:
            self._requests.forget(payments)

    def _reached(self, plan: LoadPlan) -> LoadPlan:
        plan = plan.reached_at(self.entry_urls, self.epoch_ns, self.own.pages)
        return plan.declared_in(self._loaded)

    async def until(self, when_ns: int) -> None:
        """Sleep until that moment."""
        await asyncio.sleep((when_ns - self.now_ns()) / 1e9)

    def begin_load(self, plan: LoadPlan) -> int:
        """Start the load's processes, and let it begin in a moment."""
        plan = msgspec.structs.replace(self._reached(plan), id_prefix=self.id_prefix)
        self._planned = count(plan)
        self._load.start(plan)
        lead_ns = int(self._load.lead_s * 1e9)
        # Before the load may begin: on a busy machine its lead is too short to tell the links whose
        # first requests come. That it begins a little later than announced changes nothing.
        if self._requests is not None:
            self._requests.begin(plan, self.now_ns() + lead_ns)
            self._services.expect(self._requests.expect(self.now_ns()))
        start_ns = self.now_ns() + lead_ns
        self._load.go(start_ns)
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

    def advance(self, until_ns: int | None = None) -> None:
        """Check on the processes, and wait a moment. Raises PartLost if one died."""
        self.check()
        self._load.watch()
        left_s = TICK_S if until_ns is None else (until_ns - self.now_ns()) / 1e9
        time.sleep(min(max(0.0, left_s), TICK_S))

    def check(self, engines_now: bool = False) -> None:
        """Raises PartLost when a process died, UserError when a machine or an engine is silent.

        The engines are asked now and then, or now.
        """
        self._check_processes()
        if not engines_now and not self._engines.is_check_due(self.now_ns()):
            return
        if self._requests is not None:
            self._services.expect(self._requests.expect(self.now_ns()))
        try:
            self._engines.check(self.now_ns(), self._recorded.extend)
        except EngineError as error:
            self._check_processes()
            raise PartLost(str(error)) from error

    @property
    def misfit(self) -> str:
        """Why nothing that the entry answers is declared to mean anything."""
        return self._load.misfit or self._customers.misfit

    def _check_processes(self) -> None:
        self.own.check()
        if dead := self.children.dead():
            raise PartLost(dead[0].exit_report())
        self._remotes.check()

    def collect(self, *, all_flushed: bool = False) -> Iterator[list[Record]]:
        """What was recorded since the last call, by this process and by those of the chain."""
        yield from self._collector.collect(all_flushed=all_flushed)

    def drain(self) -> list[PendingWork]:
        """Wait until every request and reversal is final; those that are not."""
        self._on_message(f"draining, for {self.settles_within_s:g} s at most (settles_within)")
        pending = self._draining.drain(self.now_ns() + int(self.settles_within_s * 1e9))
        self._collector.read_all_books()
        if (traces := self._collector.traces) is not None and not traces.taken:
            self._on_message("no service with telemetry: true has sent a trace of a payment")
        return pending

    def stop(self) -> None:
        """Stop every process; leave nothing on an engine that somebody else runs."""
        self._collector.stop()
        self._customers.stop()
        self._engines.take_last_events(self._recorded.extend)
        self._recorded.extend(refused_at(self.children.folder, self.now_ns()))
        # The load first, then own services: they may still want to reach what is behind them.
        if self._before_load is not None:
            self._problems += self.children.stop(self._before_load)
        self.own.stop()
        if self._collector.traces is not None:
            self._collector.traces.stop()
        self._problems += self._engines.leave()
        self._problems += self._remotes.end()
        self._engines.proxies.close()
        self._problems += self.children.stop()
        self._services.close()
        self._collector.close()

    def report(self) -> ChainReport:
        """What the chain knows of itself."""
        return ChainReport(
            engine=self._engines.facts(),
            engine_events_dropped=self._engines.proxies.dropped,
            planned=self._planned,
            offered=self._load.offered(),
            workers=self._load.workers(),
            hosts=self._remotes.facts(self._engines.proxies),
            services=self.own.facts(),
            problems=[*self._problems, *self.own.problems],
            incomplete=self._collector.incomplete() or self._load.incomplete,
        )

    def interrupt(self, error: BaseException) -> None:
        """Raise the error where the process is."""
        raise error
