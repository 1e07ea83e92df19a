"""A load generator of several processes: a master and its workers, as the conductor sees them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from harness.analysis.histogram import Histogram
from harness.analysis.judge import LAG_LIMIT_MS
from harness.children import Child
from harness.generator import Generator
from harness.load.left import Lost, MasterState, lost_file, port_file, spool_file, state_file
from harness.load.plan import LoadPlan
from harness.load.processes import PLAN_FILE, master, worker
from harness.load.roster import WorkerState
from harness.load.schedule import count
from harness.load.spread import LOOPBACK, Spread
from harness.payments.errors import UserError
from harness.payments.journal import PaymentRecord, Record
from harness.report.result import WorkerFacts
from harness.services.plan import write_whole
from harness.stage import READY_WITHIN_S, Stage

AWAITED_S = 600.0  # workers elsewhere are there by then
COLLECT_S = 45.0  # longer than the master itself waits for the last records
LEAD_S = 1.0  # every worker has heard by then when the load begins
POLL_S = 0.02
MOST_NAMED = 4  # on the line that shows where a run is


class Crew(Generator):
    """Locust's master and its workers: here, or wherever somebody starts them."""

    lead_s = LEAD_S
    last_s = COLLECT_S

    def __init__(
        self, stage: Stage, folder: Path, spread: Spread, say: Callable[[str], None]
    ) -> None:
        super().__init__(stage, folder)
        self._spread, self._say = spread, say
        self._workers: dict[str, Child] = {}
        self._lost: list[Lost] = []
        self._tallies: dict[Path, _Tally] = {}

    def start(self, plan: LoadPlan) -> None:
        """Every worker has its share and could begin when this returns. Raises UserError."""
        spread, children = self._spread, self._stage.children
        plan = self._plan = msgspec.structs.replace(
            plan, folder=str(self._folder), shares=spread.workers
        )
        write_whole(self._folder / PLAN_FILE, plan)
        for share in range(spread.workers):
            path = self._stage.spool(f"load-{share + 1}")
            assert path == spool_file(plan, share)
            self._tallies[path] = _Tally(count(msgspec.structs.replace(plan, share=share)))
        command = master(self._folder, spread.host, spread.port, spread.workers, spread.token)
        self._child = children.start("load master", *command)
        children.wait_for(self._child, port_file(plan), READY_WITHIN_S)
        port = int(port_file(plan).read_text())
        if spread.is_awaited:
            self._say(
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
            self._stage.check()
            names = [one.name for one in self._states()]
            for name in names:
                if self._spread.is_awaited and name not in there:
                    self._say(f"{name} is there ({len(names)} of {self._spread.workers})")
            there = names
            if time.monotonic() > until_s:
                raise UserError(
                    f"{len(names)} of {self._spread.workers} load workers came within "
                    f"{within_s:.0f} s",
                    mend=self._strangers() or "see load-master.log of the run",
                )
            time.sleep(POLL_S)

    def watch(self) -> None:
        """Tell the master of workers that died here."""
        assert self._plan is not None
        for name, child in self._workers.items():
            code = child.process.poll()
            if code and name not in (one.name for one in self._lost):  # 0: it has delivered all
                how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
                self._lost.append(Lost(name, how))
                scratch = lost_file(self._plan).with_suffix(".tmp")
                scratch.write_bytes(msgspec.json.encode(self._lost))
                scratch.replace(lost_file(self._plan))

    def count(self, spool: Path, records: Iterable[Record]) -> None:
        """Take note of records that came from a spool of the run."""
        if spool in self._tallies:
            self._tallies[spool].add(records)

    def problems(self, *, is_early: bool) -> list[str]:
        """Lost workers with what became of their shares, and workers that were late."""
        assert self._child is not None
        found = [_loss(one) for one in self.workers() if one.lost]
        if self._child.process.returncode != 0 or (is_early and not found):
            found.insert(0, self._child.obituary())
        found += [
            f"{one.name} fell behind its schedule by {one.lag_p99_ms:.0f} ms (p99, limit "
            f"{LAG_LIMIT_MS:.0f} ms)"
            for one in self.workers()
            if one.lag_p99_ms is not None and one.lag_p99_ms > LAG_LIMIT_MS
        ]
        return found

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
        return sum(one.started for one in self.workers())

    def line(self) -> str:
        """How the workers are, in a few words: for somebody who watches."""
        there = self.workers()
        named = [f"{one.name} {one.recorded:,}" for one in there[:MOST_NAMED]]
        more = [f"{len(there) - MOST_NAMED} more"] if len(there) > MOST_NAMED else []
        lost = [f"LOST {one.name}" for one in there if one.lost]
        return ", ".join([*named, *more, *lost])

    def _states(self) -> list[WorkerState]:
        assert self._plan is not None
        return self._state(self._plan).workers

    def _strangers(self) -> str:
        assert self._plan is not None
        refused = self._state(self._plan).refused
        return f"{refused} messages came without the token of this run" if refused else ""

    @staticmethod
    def _state(plan: LoadPlan) -> MasterState:
        path = state_file(plan)
        if not path.exists():
            return MasterState([], 0)
        return msgspec.json.decode(path.read_bytes(), type=MasterState)


class _Tally:
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
        """Together with what the master says of the worker."""
        (p99_ns,) = self._lags_ns.quantiles(0.99)
        started = max(state.started, self._recorded)
        planned = started if self._planned is None else self._planned
        return WorkerFacts(
            state.name, planned, started, self._recorded, planned - self._recorded,
            _ms(p99_ns), _ms(self._longest_ns), _ms(state.offset_ns), _ms(state.within_ns),
            _ms(state.drift_ns), _ms(state.drift_within_ns), state.lost,
        )  # fmt: skip


def _ms(ns: float | None) -> float | None:
    return ns / 1e6 if ns is not None else None


def _loss(one: WorkerFacts) -> str:
    return (
        f"{one.name} was lost ({one.lost}): of its {one.planned} payments {one.started} were "
        f"started, {one.recorded} have a record, {one.missing} are missing"
    )
