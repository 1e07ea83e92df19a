"""One run from start to verdict, in reading order."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import msgspec
import requests

from harness.analysis.analyse import analyse
from harness.analysis.measured import Stopped
from harness.analysis.store import RunStore, SpoolReader
from harness.analysis.watch import Watch, cut_short
from harness.children import ending_signals
from harness.crew import Crew
from harness.faults.ability import check_engine
from harness.faults.control import EngineError
from harness.faults.injector import Injector
from harness.faults.timeline import Switch, compile_timeline
from harness.generator import Generator
from harness.hosts.remote import Remote
from harness.load.clock import Offset
from harness.load.plan import LoadPlan, load_plan
from harness.load.schedule import count
from harness.load.spread import Spread
from harness.model.chain import Chain
from harness.model.loading import Loaded
from harness.model.reach import is_allowed
from harness.order import Finished, Order, make_folder
from harness.payments.errors import UserError
from harness.payments.journal import FaultSwitch
from harness.progress import Counts, Progress
from harness.report.outputs import publish
from harness.report.result import EngineFacts, HostFacts, Result
from harness.services.host import DRAIN_S
from harness.stage import LOOPBACK, Stage
from harness.verdict import result_of

TICK_S = 0.02
SHOW_S = 0.25
WATCH_S = 1.0  # between two signs of life of an engine


class Interrupted(Exception):
    """Ctrl-C, SIGTERM or a closed terminal."""


def run(order: Order, progress: Progress) -> Finished:
    """Run an experiment on a chain and judge it.

    A failure of the harness itself never raises: the verdict is inconclusive and says why.
    Raises UserError when nothing could be started, with nothing left running.
    """
    check_engine(order.toxiproxy, order.chain, order.experiment)
    if order.spread is not None:
        _check_entry(order.chain, order.spread)
    started = datetime.now(UTC)
    folder = make_folder(order, started)
    conduct = _Run(order, folder, progress)
    before = {number: signal.signal(number, _interrupt) for number in ending_signals()}
    was_interrupted = False
    try:
        conduct.start()
        conduct.drive()
        conduct.drain()
    except Interrupted:
        was_interrupted = True
        conduct.problems.insert(0, "the run was interrupted")
    except (UserError, EngineError, requests.RequestException) as error:
        conduct.problems.append(str(error))
    finally:
        for number in before:  # a second Ctrl-C must not leave anything running
            signal.signal(number, signal.SIG_IGN)
        conduct.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
        progress.close()
    result = publish(conduct.judge(started), folder)
    return Finished(folder, result, was_interrupted)


def _check_entry(chain: Loaded[Chain], spread: Spread) -> None:
    if not is_allowed(spread.entry_host, chain.model.allow):
        raise UserError(
            f"payments would come to {spread.entry_host}, outside loopback",
            mend=f"allow it in {chain.path.name}: allow: [{spread.entry_host}]",
        )


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


def _host(remote: Remote, hops: list[str]) -> HostFacts:
    """What a result says of another machine that ran links, and the proxies of these hops."""
    offset, last = remote.offset or Offset(0, 0), remote.drift
    apart_ms = (last.ns - offset.ns) / 1e6 if last is not None else None
    placed = remote.placed
    return HostFacts(
        remote.name, placed.address, placed.links, offset.ns / 1e6, offset.within_ns / 1e6,
        apart_ms, hops,
    )  # fmt: skip


class _Run:
    """The state of one run: its processes, its journal, what went wrong with the harness."""

    def __init__(self, order: Order, folder: Path, progress: Progress) -> None:
        self.problems: list[str] = []
        self._order = order
        self._chain, self._experiment = order.chain.model, order.experiment.model
        self._folder = folder
        self._progress = progress
        self._scratch = folder / "spool"
        self._scratch.mkdir()
        self._store = RunStore.create(folder / "run.db")
        self._epoch_ns = time.monotonic_ns()
        self._stage = Stage(
            order.chain, self._scratch, seed=order.seed, epoch_ns=self._epoch_ns,
            services=order.services, toxiproxy=order.toxiproxy,
            entry_host=order.spread.entry_host if order.spread is not None else LOOPBACK,
        )  # fmt: skip
        self._generator = (
            Crew(self._stage, self._scratch, order.spread, progress.say)
            if order.spread is not None
            else Generator(self._stage, self._scratch)
        )
        self._plan: LoadPlan | None = None
        self._injector: Injector | None = None
        self._spools: dict[Path, SpoolReader] = {}
        self._counts = Counts()
        self._faults_on: dict[str, None] = {}
        self._start_s: float | None = None
        self._watch: Watch | None = None
        self._stopped: Stopped | None = None

    # -- start ----------------------------------------------------------------------------------
    def start(self) -> None:
        """Engine, mocks, proxies, load process; all ready when this returns."""
        self._progress.say(
            f"{self._experiment.experiment} on {self._chain.chain}, seed {self._order.seed}; "
            f"{self._whole_s():.0f} s of load"
        )
        self._stage.start()
        for one in self._stage.remotes:
            self._progress.say(one.line())
        self._injector = Injector(self._stage.proxies, self._stage.link_faults, self._now_ns)
        self._plan = load_plan(
            self._chain, self._experiment, self._order.seed, epoch_ns=self._epoch_ns,
            url=self._stage.entry_url,
        )  # fmt: skip
        self._generator.start(self._plan)

    # -- drive ----------------------------------------------------------------------------------
    def drive(self) -> None:
        """Let the load run and switch the faults on time."""
        self._start_s = self._now_s() + self._generator.lead_s
        self._store.set_meta("timeline", self._timeline())
        self._generator.go(int(self._start_s * 1e9))
        self._watch = Watch(self._experiment.stop_when, self._chain, self._start_s)
        due = compile_timeline(self._chain, self._experiment)
        faults_s = self._timeline()["faults_start_s"]
        end_s = self._timeline()["load_end_s"] + self._chain.deadline + self._generator.last_s
        show_s = watch_s = 0.0
        while not self._generator.is_over:
            now_s = self._now_s()
            while due and faults_s + due[0].at_s <= now_s:
                self._switch(due.pop(0), faults_s)
            self._stage.check()
            self._generator.watch()
            if now_s >= watch_s:
                watch_s = now_s + WATCH_S
                self._check_engine()
            if now_s >= show_s:
                show_s = now_s + SHOW_S
                self._collect()
                self._show(now_s)
                if self._stopped is None and (met := self._watch.judge(now_s)) is not None:
                    self._stop_early(met)
                    due.clear()
                    end_s = now_s + self._chain.deadline + self._generator.last_s
            if now_s > end_s:
                self.problems.append("the load process did not end in time")
                return
            next_s = faults_s + due[0].at_s if due else now_s + TICK_S
            time.sleep(max(0.0, min(TICK_S, next_s - self._now_s())))
        self._collect()
        is_early = self._now_s() < self._timeline()["load_end_s"]
        self.problems += self._generator.problems(is_early=is_early)
        for switch in due:
            self._switch(switch, faults_s)

    def _stop_early(self, met: Stopped) -> None:
        """From now on nobody begins to pay, and no fault is on."""
        assert self._injector is not None
        self._stopped = met
        self._generator.stop_early()
        for record in self._injector.heal_all(self._now_ns()):
            self._keep(record)
        self._progress.say(met.sentence)

    def _switch(self, switch: Switch, faults_s: float) -> None:
        assert self._injector is not None
        self._keep(self._injector.switch(switch, int((faults_s + switch.at_s) * 1e9)))

    def _keep(self, record: FaultSwitch) -> None:
        self._store.ingest([record])
        if record.error:
            self._stage.check()  # a process may be dead: that says more
            self.problems.append(f"fault {record.fault} was not {record.action}: {record.error}")
        if record.action == "applied":
            self._faults_on[record.fault] = None
        else:
            self._faults_on.pop(record.fault, None)

    def _check_engine(self) -> None:
        """Signs of life of the engines, and what they did since the last ones."""
        try:
            self._stage.proxies.check()
            self._keep_evidence()
        except EngineError as error:
            self._stage.check()
            raise UserError(str(error)) from error

    def _keep_evidence(self) -> None:
        proxies = self._stage.proxies
        proxies.take_events(self._store.ingest)
        if proxies.dropped:
            self._store.set_meta("engine_events_dropped", proxies.dropped)

    def _collect(self) -> None:
        for path in self._stage.spools:
            spool = self._spools.setdefault(path, SpoolReader(path))
            while records := spool.read():
                self._counts.add(records)
                self._generator.count(path, records)
                self._store.ingest(records)
                if self._watch is not None:
                    self._watch.add(records)

    def _show(self, now_s: float) -> None:
        times = self._timeline()
        if now_s < times["before_start_s"]:
            phase = "warm-up"
        elif now_s < times["faults_start_s"]:
            phase = "before"
        elif now_s < times["faults_start_s"] + self._experiment.faults_last:
            phase = "faults"
        else:
            phase = "after"
        at_s = now_s - times["load_start_s"]
        self._counts.aside = self._generator.line()
        self._progress.show(max(0.0, at_s), phase, list(self._faults_on), self._counts)

    # -- end ------------------------------------------------------------------------------------
    def drain(self) -> None:
        """Wait until every payment and reversal is final."""
        self._progress.say("draining")
        pending = self._stage.drain(DRAIN_S)
        self._store.set_meta("drained_s", self._now_s())
        if pending:
            self.problems.append(f"{pending} requests or reversals were still on their way")
        self._check_engine()
        self._stage.check()
        assert self._injector is not None
        self._store.set_meta("fault_hits", self._injector.link_hits())

    def stop(self) -> None:
        """Stop every process, and every fault with them; keep every record."""
        with suppress(EngineError):
            self._keep_evidence()
        self._stage.stop()
        self.problems += [one.problem for one in self._stage.remotes if one.problem]
        engine = self._stage.engine
        if engine is not None and engine.child is None and engine.control.lost:
            self.problems.append(
                f"proxies of this run may be left on {engine.control.url}: paychain heal "
                f"--toxiproxy {engine.control.url} removes them"
            )
        self._collect()
        for path, spool in self._spools.items():
            if spool.error:
                self.problems.append(f"a journal could not be read to its end: {spool.error}")
            else:
                path.unlink(missing_ok=True)  # all of it is in run.db

    def judge(self, started: datetime) -> Result:
        """Everything measured and judged, from run.db."""
        if self._plan is not None:
            self._store.set_meta("planned", count(self._plan))
            offered = self._generator.offered()
            if offered is not None:
                self._store.set_meta("offered", offered)
        self._store.set_meta("timeline", self._timeline())
        self._store.set_meta("stopped", msgspec.to_builtins(self._stopped))
        analysis = analyse(self._store, self._chain, self._experiment, problems=self.problems)
        self._store.thin(self._order.seed)
        self._store.close()
        engine = self._stage.engine
        facts = EngineFacts(engine.name, engine.version) if engine else EngineFacts("none", "")
        return result_of(
            self._order,
            self._folder,
            started,
            analysis,
            facts,
            workers=self._generator.workers(),
            hosts=[
                _host(one, self._stage.proxies.hops_on(one.name)) for one in self._stage.remotes
            ],
        )

    # -- time -----------------------------------------------------------------------------------
    def _now_ns(self) -> int:
        return time.monotonic_ns() - self._epoch_ns

    def _now_s(self) -> float:
        return self._now_ns() / 1e9

    def _whole_s(self) -> float:
        return self._experiment.load_lasts

    def _timeline(self) -> dict[str, float]:
        start_s = self._start_s if self._start_s is not None else self._now_s()
        return cut_short(self._experiment.moments(start_s), self._stopped)
