"""Load by hand from start to exit: the chain's processes, its switches, and what is recorded."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty
from typing import Any

from harness.analysis.store import SpoolReader
from harness.board.control import Action, Asked, Control, Orders
from harness.board.recorded import FOLDER, file_name, free_name
from harness.board.switches import Place, declaration, fault_of, places_of
from harness.board.take import NAME, Take
from harness.faults.control import EngineError
from harness.faults.injector import Injector
from harness.faults.timeline import Switch, place_of
from harness.model.chain import Chain
from harness.model.fault import Fault
from harness.model.loading import Loaded
from harness.order import SERVICES
from harness.payments.errors import UserError
from harness.payments.journal import FaultSwitch, Record
from harness.report.result import EngineFacts, Result
from harness.services.host import DRAIN_S
from harness.stage import Stage

TICK_S = 0.05
COLLECT_S = 0.25
WATCH_S = 1.0  # between two signs of life of the engine
STOPPED_WITHIN_S = 5.0  # beyond the customers' deadline
HIGHEST_RATE = 5_000  # payments a second of one load process
NOTES = 100  # that are kept to show


@dataclass(frozen=True)
class Held:
    """A fault that is on."""

    fault: Fault
    declared: dict[str, Any]
    since_ns: int
    target: str
    name: str
    kind: str


@dataclass(frozen=True)
class Saved:
    """A take that is over."""

    file: Path
    result: Result
    folder: Path
    is_recorded: bool  # its file is among the user's experiments


class Session:
    """Everything that runs, and the one place where its state changes."""

    def __init__(
        self, chain: Loaded[Chain], spec: str, out: Path, *, seed: int, toxiproxy: str | None,
        control: Control, show: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self.control = control
        self.show = show  # called several times a second, also while a take is being saved
        self.chain = chain.model
        self.seed = seed
        self.places: list[Place] = []
        self.held: dict[str, Held] = {}
        self.saved: list[Saved] = []
        self.notes: deque[tuple[float, str]] = deque(maxlen=NOTES)  # second of the session, words
        self.wanted_rate = 0
        self.is_over = False
        self.is_saving = False
        self.loaded, self._spec, self._out = chain, spec, out
        self._toxiproxy = toxiproxy
        self._epoch_ns = time.monotonic_ns()
        self.take = Take(1, chain, out, datetime.now(UTC), seed)
        # Processes outlive takes, so what they write is in no take's folder.
        self._temporary = tempfile.TemporaryDirectory(prefix="paychain-")
        self.stage = Stage(
            chain, self.scratch, seed=seed, epoch_ns=self._epoch_ns, services=SERVICES,
            toxiproxy=toxiproxy,
        )  # fmt: skip
        self._spools: dict[Path, SpoolReader] = {}
        self._injector: Injector | None = None
        self._switched = 0  # faults so far: their ids
        self._collect_ns = self._watch_ns = 0

    # -- start and end --------------------------------------------------------------------------
    def start(self) -> None:
        """The chain stands when this returns; the load process is the caller's to start."""
        self.stage.start()
        assert self.stage.engine is not None
        self._injector = Injector(self.stage.proxies, self.stage.link_faults, self.now_ns)
        self.places = places_of(self.chain, self.stage.engine.name)

    @property
    def scratch(self) -> Path:
        """Where the processes write."""
        return Path(self._temporary.name)

    @property
    def epoch_ns(self) -> int:
        """Where the session's clock begins."""
        return self._epoch_ns

    def run(self) -> None:
        """Do what is asked until somebody asks for the end."""
        while not self.is_over:
            self._answer_one(TICK_S)
            self.step()
            self.show()

    def end(self) -> None:
        """Heal and stop everything; keep what was measured."""
        failure = ""
        is_written = False
        try:
            is_written = self._finish(None) is not None
        except (UserError, EngineError) as error:
            failure = str(error)
        finally:
            self.stage.stop()
        if not is_written:
            self._collect()
            if self.take.live.total.payments:
                self.take.problems.insert(0, failure)
                self.saved.append(self._written(None, self.now_ns()))
            else:
                self.take.discard()
        self._temporary.cleanup()  # all records are in a run.db

    # -- one step -------------------------------------------------------------------------------
    def step(self) -> None:
        """Look after the processes, take in what was recorded."""
        self.stage.check()
        now_ns = self.now_ns()
        self._steered()
        if now_ns >= self._watch_ns:
            self._watch_ns = now_ns + int(WATCH_S * 1e9)
            self._check_engine()
        if now_ns >= self._collect_ns:
            self._collect_ns = now_ns + int(COLLECT_S * 1e9)
            self._collect()

    def ask(self, action: Action) -> str:
        """Do one thing now; what came of it. Raises UserError."""
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
                return "healing and stopping everything"
            case _:
                raise UserError(f"there is no '{action.do}'")

    def now_ns(self) -> int:
        """The session's clock."""
        return time.monotonic_ns() - self._epoch_ns

    def note(self, text: str) -> None:
        """Remember what happened, to show it."""
        self.notes.append((self.now_ns() / 1e9, text))

    @property
    def rate(self) -> float:
        """Payments a second that arrive now."""
        changes = self.take.recording.rates
        return changes[-1][1] if changes else 0.0

    @property
    def waiting(self) -> int:
        """Customers without an answer."""
        steering = self.control.steering
        return steering.waiting if steering is not None else 0

    # -- what is asked --------------------------------------------------------------------------
    def _answer_one(self, within_s: float) -> None:
        try:
            asked = self.control.actions.get(timeout=within_s)
        except Empty:
            return
        self._answer(asked)

    def _answer(self, asked: Asked) -> None:
        if asked.action.do == "save":  # takes a while: said when it is over, in the notes
            asked.done.set_result("saving")
            with suppress(UserError):
                self.ask(asked.action)
            return
        try:
            asked.done.set_result(self.ask(asked.action))
        except UserError as error:
            asked.done.set_exception(error)

    def _switch_on(self, action: Action) -> str:
        assert self.stage.engine is not None
        for held in self.held.values():
            if (held.target, held.name, held.kind) == (action.target, action.name, action.kind):
                raise UserError(f"{held.fault.id} is on already", mend="heal it first")
        if self.take.recording.is_full:
            raise UserError("a file holds no more faults than this take has", mend="save it")
        fault_id = f"{action.kind}-{self._switched + 1}"
        what = {"target": action.target, "name": action.name, "kind": action.kind}
        fault = fault_of(
            self.chain, self.stage.engine.name, **what, values=action.values, fault_id=fault_id
        )
        declared = declaration(**what, values=action.values, fault_id=fault_id)
        self._switched += 1
        record = self._switch(fault, "apply")
        self.held[fault_id] = Held(fault, declared, record.effective_ns, **what)
        self.take.switched(record, declared)
        self.note(f"{action.kind} on {action.target} {action.name}")
        return f"{fault_id} is on"

    def _heal(self, fault_id: str) -> str:
        held = self.held.get(fault_id)
        if held is None:
            raise UserError(f"no fault '{fault_id}' is on")
        record = self._switch(held.fault, "heal")
        del self.held[fault_id]
        self.take.switched(record, held.declared)
        self.note(f"healed {held.kind} on {held.target} {held.name}")
        return f"{fault_id} is healed"

    def _heal_all(self) -> str:
        healed = [self._heal(one) for one in list(self.held)]
        return f"healed {len(healed)}" if healed else "nothing is on"

    def _switch(self, fault: Fault, action: Any) -> FaultSwitch:
        assert self._injector is not None
        switch = Switch(0.0, fault, action, place_of(self.chain, fault))
        record = self._injector.switch(switch, self.now_ns())
        if record.error:
            self.take.problems.append(f"fault {fault.id} was not {record.action}: {record.error}")
            raise UserError(f"{fault.id} was not {record.action}: {record.error}")
        return record

    def _rate(self, rate: float) -> str:
        whole = round(rate)
        if not 0 <= whole <= HIGHEST_RATE:
            raise UserError(f"a rate is between 0 and {HIGHEST_RATE} payments a second")
        self._order(whole)
        self.note(f"{whole} payments a second" if whole else "load stopped")
        return f"{whole} payments a second"

    def _order(self, rate: int, *, holds: bool = False) -> None:
        self.wanted_rate = rate
        number = self.control.orders.number + 1
        self.control.orders = Orders(self.take.number, number, rate, holds)

    # -- saving ---------------------------------------------------------------------------------
    def _save(self, name: str) -> str:
        try:
            day = f"{datetime.now(UTC):%Y-%m-%d}"
            saved = self._finish(free_name(file_name(name, day), FOLDER))
            if saved is None:
                raise UserError("nothing is recorded yet", mend="start the load first")
        except UserError as error:
            self.note(f"not saved: {error}")
            raise
        self._next_take()
        return f"saved {saved.file}"

    def _finish(self, name: str | None) -> Saved | None:
        """End the take: heal, stop the load, wait until all is final, judge and write.

        None when nothing was recorded. Without a name the file stays with the run.
        """
        if not self.take.has_begun and not self.held:
            return None
        self.is_saving = True
        try:
            self._heal_all()
            ended_ns = self._quiet()
            if not self.take.live.total.payments:
                return None
            saved = self._written(name, ended_ns)
        finally:
            self.is_saving = False
        self.saved.append(saved)
        self.note(f"{saved.result.verdict}: {saved.file}")
        return saved

    def _quiet(self) -> int:
        """Stop the load, wait for the last customer and the drain; when the load ended."""
        ended_ns = self.now_ns()
        self._order(0, holds=True)
        until_s = time.monotonic() + self.chain.deadline + STOPPED_WITHIN_S
        while self.rate or self.waiting:
            self.step()
            self.show()
            time.sleep(TICK_S)
            if time.monotonic() > until_s:
                self.take.problems.append("the load process did not stop in time")
                break
        pending = self.stage.drain(DRAIN_S)
        if pending:
            self.take.problems.append(f"{pending} requests or reversals were still on their way")
        self._check_engine()
        until_s = time.monotonic() + STOPPED_WITHIN_S
        steering = self.control.steering
        started = steering.started if steering is not None else 0
        while self.take.live.total.payments < started and time.monotonic() < until_s:
            self._collect()
            time.sleep(TICK_S)
        time.sleep(COLLECT_S)  # the links flush their journals ten times a second
        self._collect()
        return ended_ns

    def _written(self, name: str | None, ended_ns: int) -> Saved:
        assert self.stage.engine is not None
        engine = EngineFacts(self.stage.engine.name, self.stage.engine.version)
        steering = self.control.steering
        file, result = self.take.finish(
            ended_ns, name=name or NAME, title=f"By hand on {self.chain.chain}",
            command=self._command, place=FOLDER if name else None,
            offered=steering.started if steering is not None else 0,
            hits=self._hits(), dropped=self.stage.proxies.dropped, engine=engine,
        )  # fmt: skip
        return Saved(file, result, self.take.folder, is_recorded=name is not None)

    def _hits(self) -> dict[str, int]:
        with suppress(EngineError):
            if self._injector is not None:
                return self._injector.link_hits()
        return {}

    def _command(self, file: Path) -> str:
        words = f"paychain run {shlex.quote(self._spec)} {shlex.quote(str(file))}"
        words += f" --seed {self.seed}"
        if self._toxiproxy is not None:
            words += f" --toxiproxy {shlex.quote(self._toxiproxy)}"
        return words

    def _next_take(self) -> None:
        self.take = Take(self.take.number + 1, self.loaded, self._out, datetime.now(UTC), self.seed)
        self._order(0)

    # -- watching -------------------------------------------------------------------------------
    def _steered(self) -> None:
        """What the load process said since the last look."""
        steering = self.control.steering
        if steering is None or steering.take != self.take.number or steering.start_ns is None:
            return
        if not self.take.has_begun:
            self.take.begin(steering.start_ns)
            self.note("load started")
        self.take.recording.rates = list(steering.changes)

    def _collect(self) -> None:
        """Take in what was recorded; nothing of a load that is not known to have begun."""
        now_ns = self.now_ns()
        if self.take.has_begun:
            for path in self.stage.spools:
                spool = self._spools.setdefault(path, SpoolReader(path))
                while records := spool.read():
                    self.take.add(records, now_ns)
                if spool.error and spool.error not in self.take.problems:
                    self.take.problems.append(spool.error)
            events: list[Record] = []
            with suppress(EngineError):
                self.stage.proxies.take_events(events.extend)
            self.take.add(events, now_ns)
        self.take.look(now_ns)

    def _check_engine(self) -> None:
        try:
            self.stage.proxies.check()
        except EngineError as error:
            self.stage.check()
            raise UserError(str(error)) from error
