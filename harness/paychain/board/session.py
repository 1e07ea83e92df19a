"""A session by hand from start to exit: the running chain, its faults, and what is recorded."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty
from typing import Any

from paychain.board.control import BoardAction, Control, LoadCommand, PendingAction
from paychain.board.experiment_file import FOLDER, file_name, free_name
from paychain.board.metrics import SessionMetrics
from paychain.board.recorded_run import NAME, RecordedRun
from paychain.board.service_logs import with_logs
from paychain.board.session_ids import SessionIds
from paychain.board.switches import SwitchTarget, declaration, fault_of, places_of
from paychain.board.timeline import MAX_FAULTS
from paychain.engine.errors import EngineError
from paychain.engine.timeline import switch_of
from paychain.environment.real import RealChain
from paychain.environment.running_chain import unfinished_payments
from paychain.faults.fault import Fault
from paychain.model.chain import Chain
from paychain.model.loading import Loaded
from paychain.payments.errors import UserError
from paychain.payments.journal import FaultSwitch
from paychain.processes.scratch import scratch_folder
from paychain.processes.wall_clock import ClockStart
from paychain.report.result import Result
from paychain.runs.spec import run_command

TICK_S = 0.05  # between two steps
COLLECT_EVERY_S = 0.25
STOPPED_WITHIN_S = 5.0  # beyond the customers' deadline
MAX_RATE = 5_000  # payments per second: what one load process can send
MAX_NOTES = 100


@dataclass(frozen=True)
class SwitchedFault:
    """A fault that is on."""

    fault: Fault
    declared: dict[str, Any]  # as an experiment file writes it, without times
    since_ns: int
    target: str
    name: str
    kind: str


@dataclass(frozen=True)
class Saved:
    """A recorded run that is over."""

    file: Path
    result: Result
    folder: Path
    is_recorded: bool  # its file is among the user's experiments


class Session:
    """Everything that runs, and the only place where its state changes.

    All of it happens on one thread: requests from other threads wait in `control.actions`.
    """

    def __init__(
        self,
        chain: Loaded[Chain],
        spec: str,
        out: Path,
        *,
        seed: int,
        toxiproxy: str | None,
        control: Control,
        show: Callable[[], None] = lambda: None,
    ) -> None:
        self.control = control
        self.show = show  # called several times per second, also while a run is being saved
        self.chain = chain.model
        self.seed = seed
        self.places: list[SwitchTarget] = []
        self.held: dict[str, SwitchedFault] = {}
        self.saved: list[Saved] = []
        # Seconds of the session, and what happened then.
        self.notes: deque[tuple[float, str]] = deque(maxlen=MAX_NOTES)
        self.wanted_rate = 0
        self.is_over = False
        self.is_saving = False
        self.loaded, self._spec, self._out = chain, spec, out
        self.metrics = SessionMetrics(self.chain.chain, seed)
        self._load_start_ns: int | None = None  # of the run that is recorded
        self._toxiproxy = toxiproxy
        # Processes outlive recorded runs, so what they write is in no run's folder.
        self._temporary = ExitStack()
        self.scratch = self._temporary.enter_context(scratch_folder())
        self.running = RealChain(
            chain, self.scratch, seed=seed, toxiproxy=toxiproxy, is_patient=True
        )
        self.recorded = self._new_recording(1)
        self._switched = 0  # faults so far: their ids
        self._collect_ns = 0
        self._broken = ""  # an own service that has ended, as was noted

    def start(self) -> None:
        """Start the chain; the caller starts the load process."""
        self.running.start()
        self.places = places_of(self.chain, self.running.engine.name)

    def run(self) -> None:
        """Perform actions until one of them is to quit."""
        while not self.is_over:
            self._next_action(TICK_S)
            self.step()
            self.show()

    def end(self) -> None:
        """Heal and stop everything; keep what was recorded."""
        failure = ""
        is_written = False
        try:
            is_written = self._finish(None) is not None
        except (UserError, EngineError) as error:
            failure = str(error)
        finally:
            self.running.stop()
        if not is_written:
            self._collect()
            if self.recorded.live.total.payments:
                if failure:
                    self.recorded.problems.insert(0, failure)
                self.saved.append(self._written(None, self.now_ns(), None))
            else:
                self.recorded.discard()
        self._temporary.close()  # all records are in a run.db

    def step(self) -> None:
        """Check the processes and collect what was recorded."""
        self.running.check()
        broken = self.running.own.broken
        if broken and broken != self._broken:
            self.note(f"{broken} ended by itself")
        self._broken = broken
        now_ns = self.now_ns()
        self._follow_load()
        if now_ns >= self._collect_ns:
            self._collect_ns = now_ns + int(COLLECT_EVERY_S * 1e9)
            self._collect()

    def ask(self, action: BoardAction) -> str:
        """Perform an action; its result in words. Raises UserError."""
        match action.do:
            case "switch":
                return self._switch_on(action)
            case "heal":
                return self._heal(action.fault)
            case "heal_all":
                return self._heal_all()
            case "rate":
                return self._rate(action.rate)
            case "save":
                return self._save(action.name)
            case "quit":
                self.is_over = True
                return "healing all faults and stopping"
            case _:
                raise UserError(f"unknown action '{action.do}'")

    def now_ns(self) -> int:
        """The session's clock."""
        return self.running.now_ns()

    def note(self, text: str) -> None:
        """Add a line to the log."""
        self.notes.append((self.now_ns() / 1e9, text))

    @property
    def rate(self) -> float:
        """Payments per second that arrive now."""
        changes = self.recorded.timeline.rates
        return changes[-1][1] if changes else 0.0

    @property
    def waiting(self) -> int:
        """Payments that customers have no answer to yet."""
        steering = self.control.steering
        return steering.waiting if steering is not None else 0

    def _next_action(self, within_s: float) -> None:
        try:
            asked = self.control.actions.get(timeout=within_s)
        except Empty:
            return
        self._answer(asked)

    def _answer(self, asked: PendingAction) -> None:
        if asked.action.do == "save":
            # Longer than a browser waits: the log shows how it ended.
            asked.done.set_result("saving")
            with suppress(UserError):
                self.ask(asked.action)
            return
        try:
            asked.done.set_result(self.ask(asked.action))
        except UserError as error:
            asked.done.set_exception(error)

    def _switch_on(self, action: BoardAction) -> str:
        for held in self.held.values():
            if (held.target, held.name, held.kind) == (action.target, action.name, action.kind):
                raise UserError(f"{held.fault.id} is already active", hint="heal it first")
        if self.recorded.timeline.is_full:
            raise UserError(f"a recording holds at most {MAX_FAULTS} faults", hint="save it first")
        fault_id = f"{action.kind}-{self._switched + 1}"
        what = {"target": action.target, "name": action.name, "kind": action.kind}
        fault = fault_of(
            self.chain, self.running.engine.name, **what, values=action.values, fault_id=fault_id
        )
        declared = declaration(**what, values=action.values, fault_id=fault_id)
        self._switched += 1
        record = self._switch(fault, "apply")
        self.held[fault_id] = SwitchedFault(fault, declared, record.effective_ns, **what)
        self.recorded.switched(record, declared)
        self.note(f"{action.kind} on {action.target} {action.name}")
        return f"{fault_id} is active"

    def _heal(self, fault_id: str) -> str:
        held = self.held.get(fault_id)
        if held is None:
            raise UserError(f"fault '{fault_id}' is not active")
        record = self._switch(held.fault, "heal")
        del self.held[fault_id]
        self.recorded.switched(record, held.declared)
        self.note(f"healed {held.kind} on {held.target} {held.name}")
        return f"{fault_id} is healed"

    def _heal_all(self) -> str:
        fault_ids = list(self.held)
        for fault_id in fault_ids:
            self._heal(fault_id)
        if not fault_ids:
            return "no active faults"
        return f"healed {len(fault_ids)} fault{'s' if len(fault_ids) != 1 else ''}"

    def _switch(self, fault: Fault, action: Any) -> FaultSwitch:
        switch = switch_of(self.chain, fault, action)
        record = self.running.switch(switch, self.now_ns())
        if record.error:
            self.recorded.problems.append(record.problem)
            raise UserError(record.problem)
        return record

    def _rate(self, rate: float) -> str:
        whole = round(rate)
        if not 0 <= whole <= MAX_RATE:
            raise UserError(f"the rate must be between 0 and {MAX_RATE} payments per second")
        self._command_load(whole)
        self.note(f"{whole} payments per second" if whole else "load stopped")
        return f"{whole} payments per second"

    def _command_load(self, rate: int, *, holds: bool = False) -> None:
        self.wanted_rate = rate
        self.control.command = LoadCommand(
            run=self.recorded.number,
            number=self.control.command.number + 1,
            rate=rate,
            holds=holds,
        )

    def _save(self, name: str) -> str:
        try:
            day = f"{datetime.now(UTC):%Y-%m-%d}"
            saved = self._finish(free_name(file_name(name, day), FOLDER))
            if saved is None:
                raise UserError("nothing is recorded yet", hint="start the load first")
        except UserError as error:
            self.note(f"not saved: {error}")
            raise
        self._start_recording()
        return f"saved {saved.file}"

    def _finish(self, name: str | None) -> Saved | None:
        """End the recorded run: heal, stop the load, wait until all is final, judge and write.

        None when nothing was recorded. Without a name the experiment stays in the run's folder.
        """
        if not self.recorded.has_begun and not self.held:
            return None
        self.is_saving = True
        try:
            self._heal_all()
            ended_ns, drained_ns = self._stop_load()
            if not self.recorded.live.total.payments:
                return None
            saved = self._written(name, ended_ns, drained_ns)
        finally:
            self.is_saving = False
        self.saved.append(saved)
        self.note(f"{saved.result.verdict}: {saved.file}")
        return saved

    def _stop_load(self) -> tuple[int, int]:
        """Stop the load, wait for its last payments and the drain.

        Returns when the load ended and when the drain was over, both in ns of the session's clock.
        """
        ended_ns = self.now_ns()
        self._command_load(0, holds=True)
        until_s = time.monotonic() + self.chain.deadline + STOPPED_WITHIN_S
        while self.rate or self.waiting:
            self.step()
            self.show()
            time.sleep(TICK_S)
            if time.monotonic() > until_s:
                self.recorded.problems.append("the load process did not stop in time")
                break
        self.recorded.pending, self.recorded.collecting = unfinished_payments(self.running.drain())
        drained_ns = self.now_ns()
        until_s = time.monotonic() + STOPPED_WITHIN_S
        steering = self.control.steering
        started = steering.started if steering is not None else 0
        while self.recorded.live.total.payments < started and time.monotonic() < until_s:
            self._collect()
            time.sleep(TICK_S)
        self._collect(all_flushed=True)
        return ended_ns, drained_ns

    def _written(self, name: str | None, ended_ns: int, drained_ns: int | None) -> Saved:
        report = with_logs(self.running.report(), self.scratch, self.recorded.folder)
        steering = self.control.steering
        file, result = self.recorded.finish(
            ended_ns,
            drained_ns=drained_ns,
            name=name or NAME,
            title=f"By hand on {self.chain.chain}",
            command=self._command,
            folder=FOLDER if name else None,
            offered=steering.started if steering is not None else 0,
            hits=self._hits(),
            report=report,
        )
        return Saved(file, result, self.recorded.folder, is_recorded=name is not None)

    def _hits(self) -> dict[str, int] | None:
        with suppress(EngineError):
            return self.running.fault_hits()
        return None

    def _command(self, file: Path) -> str:
        return run_command(self._spec, str(file), seed=self.seed, toxiproxy=self._toxiproxy)

    def _start_recording(self) -> None:
        self.recorded = self._new_recording(self.recorded.number + 1)
        self._command_load(0)

    def _new_recording(self, number: int) -> RecordedRun:
        ids = SessionIds(self.running.id_prefix)
        begun = ClockStart.now()
        made = RecordedRun(number, self.loaded, self._out, begun, seed=self.seed, ids=ids)
        self.metrics.begin(made.folder)
        self._load_start_ns = None
        return made

    def _follow_load(self) -> None:
        """Note what the load process reported last."""
        steering = self.control.steering
        if steering is None or steering.run != self.recorded.number or steering.start_ns is None:
            return
        if not self.recorded.has_begun:
            self.recorded.begin(steering.start_ns)
            self._load_start_ns = steering.start_ns
            self.note("load started")
        self.recorded.timeline.rates = list(steering.changes)

    def _collect(self, *, all_flushed: bool = False) -> None:
        """Add new records to the run; none before the load process reported that its load began."""
        now_ns = self.now_ns()
        if self.recorded.has_begun:
            for records in self.running.collect(all_flushed=all_flushed):
                self.recorded.add(records, now_ns)
                self.metrics.add(records)
        self.recorded.evaluate(now_ns)
        began_ns = self._load_start_ns if self._load_start_ns is not None else now_ns
        on = [(held.kind, held.target, held.name) for held in self.held.values()]
        self.metrics.look((now_ns - began_ns) / 1e9, on)
