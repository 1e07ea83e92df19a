"""A load of several processes: a master and its workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from paychain.analysis.measures.histogram import Histogram
from paychain.analysis.measures.punctuality import LAG_LIMIT_MS
from paychain.analysis.store.facts import WorkerFacts
from paychain.environment.load_process import LoadProcess
from paychain.load.distributed.roster import WorkerState
from paychain.load.distributed.run_files import (
    LostWorker,
    MasterState,
    lost_file,
    port_file,
    spool_file,
    state_file,
)
from paychain.load.distributed.spread import Spread
from paychain.load.locust.processes import PLAN_FILE, master, worker
from paychain.load.traffic.arrivals import with_merchants
from paychain.load.traffic.plan import LoadPlan
from paychain.load.traffic.schedule import count
from paychain.payments.errors import UserError
from paychain.payments.journal import PaymentRecord, Record
from paychain.processes.children import READY_WITHIN_S, Child, Children
from paychain.processes.files import write_atomically
from paychain.processes.loopback import LOOPBACK

AWAITED_S = 600.0  # workers elsewhere are there by then
COLLECT_S = 45.0  # longer than the master itself waits for the last records
LEAD_S = 1.0  # every worker has heard by then when the load begins
POLL_S = 0.02
MAX_NAMED = 4  # on the line that shows where a run is


class LoadWorkers(LoadProcess):
    """Locust's master and its workers: here, or wherever somebody starts them."""

    lead_s = LEAD_S
    last_s = COLLECT_S

    def __init__(
        self,
        children: Children,
        folder: Path,
        new_spool: Callable[[str, str], Path],
        spread: Spread,
        on_message: Callable[[str], None],
    ) -> None:
        super().__init__(children, folder, new_spool)
        self._spread, self._on_message = spread, on_message
        self._workers: dict[str, Child] = {}
        self._lost: list[LostWorker] = []
        self._tallies: dict[Path, _ShareTally] = {}

    def start(self, plan: LoadPlan) -> None:
        """Every worker has its share and could begin when this returns. Raises UserError."""
        spread, children = self._spread, self._children
        plan = self._plan = msgspec.structs.replace(
            plan, folder=str(self._folder), shares=spread.workers
        )
        write_atomically(self._folder / PLAN_FILE, with_merchants(plan))
        for share in range(spread.workers):
            path = self._new_spool(f"load-{share + 1}", f"load worker {share + 1}")
            assert path == spool_file(plan, share)
            self._tallies[path] = _ShareTally(count(msgspec.structs.replace(plan, share=share)))
        command = master(self._folder, spread.host, spread.port, spread.workers, spread.token)
        self._child = children.start("load master", *command)
        children.wait_for(self._child, port_file(plan), is_addressed=True)
        port = int(port_file(plan).read_text())
        if spread.is_awaited:
            self._on_message(
                f"waiting for {spread.workers} workers; start each with: "
                f"paychain worker --master {spread.host}:{port}"
            )
            self._await(plan, AWAITED_S)
            return
        for name in (f"worker-{share + 1}" for share in range(spread.workers)):
            folder = self._folder / name
            folder.mkdir()
            command = worker(folder, name, LOOPBACK, port, spread.token)
            self._workers[name] = children.start(f"load {name}", *command)
        self._await(plan, READY_WITHIN_S * 2)
        for child in self._workers.values():
            child.may_end = True  # when one dies now, what the others record is still collected

    def _await(self, plan: LoadPlan, within_s: float) -> None:
        until_s = time.monotonic() + within_s
        there: list[str] = []
        while not plan.ready.exists():
            self._check()
            names = [state.name for state in self._states()]
            for name in names:
                if self._spread.is_awaited and name not in there:
                    self._on_message(f"{name} joined ({len(names)} of {self._spread.workers})")
            there = names
            if time.monotonic() > until_s:
                raise UserError(
                    f"only {len(names)} of {self._spread.workers} load workers joined within "
                    f"{within_s:.0f} s",
                    hint=self._strangers() or "see load-master.log of the run",
                )
            time.sleep(POLL_S)

    def _check(self) -> None:
        dead = self._children.dead()
        if dead:
            raise UserError(dead[0].exit_report())

    def watch(self) -> None:
        """Report workers that died here to the master."""
        super().watch()
        assert self._plan is not None
        for name, child in self._workers.items():
            code = child.process.poll()
            if code and name not in (lost.name for lost in self._lost):  # 0: it has delivered all
                self._lost.append(LostWorker(name, child.how_it_ended))
                write_atomically(lost_file(self._plan), self._lost)

    def count(self, spool: Path, records: Iterable[Record]) -> None:
        """Count records that came from a spool of the run."""
        if spool in self._tallies:
            self._tallies[spool].add(records)

    def problems(self, now_ns: int) -> list[str]:
        """Lost workers with the payments of their shares, and workers that were late."""
        assert self._child is not None
        if not self._has_ended:
            return super().problems(now_ns)
        found = [_loss(worker) for worker in self.workers() if worker.lost]
        # When workers are lost the load may end early: the loss is reported already.
        is_early = now_ns < self._ends_ns and not found
        if self._child.process.returncode != 0 or is_early:
            found.insert(0, self._child.exit_report())
        if found or any(self._lacks(worker) for worker in self.workers()):
            self._lacks_payments("a worker ended before its customers had their answers")
        found += [
            f"{worker.name} fell behind its schedule by {worker.lag_p99_ms:.0f} ms (p99, limit "
            f"{LAG_LIMIT_MS:.0f} ms)"
            for worker in self.workers()
            if worker.lag_p99_ms is not None and worker.lag_p99_ms > LAG_LIMIT_MS
        ]
        return [*found, *self._doubts()]

    def _doubts(self) -> list[str]:
        # Several workers meet the same mistakes; each is worth one line.
        doubts = (problem for state in self._states() for problem in state.problems)
        return list(dict.fromkeys(doubts))

    def _lacks(self, worker: WorkerFacts) -> bool:
        """Whether it began payments that it did not record. One that is cut short begins less."""
        return worker.started > worker.recorded if self._is_cut else worker.missing > 0

    def workers(self) -> list[WorkerFacts]:
        """Every worker with its share."""
        if self._plan is None:
            return []
        return [
            self._tallies[spool_file(self._plan, state.share)].facts(state)
            for state in self._states()
        ]

    def offered(self) -> int | None:
        """How many payments all of them together really started, as far as it is known."""
        return sum(worker.started for worker in self.workers())

    def line(self) -> str:
        """How the workers are, in a few words."""
        there = self.workers()
        named = [f"{worker.name} {worker.recorded:,}" for worker in there[:MAX_NAMED]]
        more = [f"{len(there) - MAX_NAMED} more"] if len(there) > MAX_NAMED else []
        lost = [f"LOST {worker.name}" for worker in there if worker.lost]
        return ", ".join([*named, *more, *lost])

    def _states(self) -> list[WorkerState]:
        assert self._plan is not None
        return self._state(self._plan).workers

    def _strangers(self) -> str:
        assert self._plan is not None
        refused = self._state(self._plan).refused
        return f"{refused} messages were rejected: wrong token" if refused else ""

    @staticmethod
    def _state(plan: LoadPlan) -> MasterState:
        path = state_file(plan)
        if not path.exists():
            return MasterState([], 0)
        return msgspec.json.decode(path.read_bytes(), type=MasterState)


class _ShareTally:
    """What arrived of one share."""

    def __init__(self, planned: int | None) -> None:
        self._planned = planned
        self._recorded = 0
        self._lags_ns = Histogram()
        self._longest_ns: int | None = None

    def add(self, records: Iterable[Record]) -> None:
        """Count payments."""
        for record in records:
            if isinstance(record, PaymentRecord):
                lag_ns = record.started_ns - record.intended_ns
                self._recorded += 1
                self._lags_ns.add(lag_ns)
                self._longest_ns = max(self._longest_ns or 0, lag_ns)

    def facts(self, state: WorkerState) -> WorkerFacts:
        """Together with what the master reports of the worker."""
        (p99_ns,) = self._lags_ns.quantiles(0.99)
        started = max(state.started, self._recorded)
        planned = started if self._planned is None else self._planned
        return WorkerFacts(
            name=state.name,
            planned=planned,
            started=started,
            recorded=self._recorded,
            missing=planned - self._recorded,
            lag_p99_ms=_ms(p99_ns),
            lag_max_ms=_ms(self._longest_ns),
            clock_offset_ms=_ms(state.offset_ns),
            clock_uncertainty_ms=_ms(state.uncertainty_ns),
            clock_drift_ms=_ms(state.drift_ns),
            clock_drift_uncertainty_ms=_ms(state.drift_uncertainty_ns),
            lost=state.lost,
        )


def _ms(ns: float | None) -> float | None:
    return ns / 1e6 if ns is not None else None


def _loss(worker: WorkerFacts) -> str:
    return (
        f"{worker.name} was lost ({worker.lost}): of its {worker.planned} payments "
        f"{worker.started} were started, {worker.recorded} have a record, "
        f"{worker.missing} are missing"
    )


def load_of(
    spread: Spread | None,
    children: Children,
    folder: Path,
    new_spool: Callable[[str, str], Path],
    on_message: Callable[[str], None],
) -> LoadProcess:
    """The load as one process, or spread over several."""
    if spread is None:
        return LoadProcess(children, folder, new_spool)
    return LoadWorkers(children, folder, new_spool, spread, on_message)
