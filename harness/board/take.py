"""One take: what is recorded between the start of a load and the moment it is saved or ended."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from harness.analysis.analyse import analyse
from harness.analysis.store import RunStore
from harness.board.live import Live
from harness.board.money import MoneyWatch
from harness.board.recorded import Recording, experiment_of, file_text
from harness.model.chain import Chain
from harness.model.loading import Loaded, load_experiment
from harness.order import Order, keep_inputs, new_folder
from harness.payments.errors import UserError
from harness.payments.journal import EngineEvent, FaultSwitch, Record, Standstill
from harness.report.outputs import publish
from harness.report.result import EngineFacts, Result
from harness.verdict import result_of

NAME = "by-hand"
BROKEN_AFTER_NS = 500_000_000  # a failed payment's hops are all recorded by then
MOST_BROKEN_AT_ONCE = 300


def prefix_of(number: int) -> str:
    """What the ids of a take's payments begin with: the first take's are those of a run."""
    return "" if number == 1 else f"t{number}-"


class Take:
    """The records of one take, its run.db, and what is known of it while it goes on."""

    def __init__(
        self, number: int, chain: Loaded[Chain], out: Path, started: datetime, seed: int
    ) -> None:
        self.number = number
        self.started = started
        self.folder = new_folder(out, f"{started:%Y%m%dT%H%M%SZ}-{chain.model.chain}-{NAME}")
        self.recording = Recording()
        self.live = Live()
        self.start_ns: int | None = None  # of the load
        self.problems: list[str] = []
        self._chain = chain
        self._seed = seed
        self._store = RunStore.create(self.folder / "run.db")
        self._store.index()  # payments are looked at while they go on
        self.money = MoneyWatch(chain.model, self._store.story)
        self._failed: list[tuple[str, int]] = []  # whose break point is not looked for yet
        self._before: list[FaultSwitch] = []  # switched before the load began

    @property
    def has_begun(self) -> bool:
        """Payments arrive, or did."""
        return self.start_ns is not None

    def begin(self, start_ns: int) -> None:
        """The load began. What is on already counts from here."""
        self.start_ns = start_ns
        start_s = start_ns / 1e9
        self._store.set_meta("timeline", {
            "load_start_s": start_s, "before_start_s": start_s, "faults_start_s": start_s,
            "load_end_s": start_s,
        })  # fmt: skip
        self._store.ingest(
            msgspec.structs.replace(one, effective_ns=start_ns, planned_ns=start_ns)
            for one in self._before
            if one.fault in self.recording.faults
        )

    def at_s(self, at_ns: int) -> float:
        """Seconds since the load began; below 0 before."""
        return (at_ns - self.start_ns) / 1e9 if self.start_ns is not None else -1.0

    def switched(self, record: FaultSwitch, fault: dict[str, object]) -> None:
        """A fault was put on or taken off, and that worked."""
        at_s = self.at_s(record.effective_ns)
        if record.action == "applied":
            self.recording.on(record.fault, fault, at_s)
        else:
            self.recording.off(record.fault, at_s)
        if self.has_begun:
            self._store.ingest([record])
        else:
            self._before.append(record)

    def add(self, records: Iterable[Record], now_ns: int) -> None:
        """Take in what was recorded; what belongs to payments of another take is left out."""
        prefix = prefix_of(self.number)
        mine = [one for one in records if _belongs(one, prefix)]
        self._store.ingest(mine)
        self._failed += self.live.add(mine)
        self.money.heard(mine, now_ns)

    def look(self, now_ns: int) -> None:
        """Find where payments broke, and judge those that are old enough."""
        due = 0
        for _, ended_ns in self._failed[:MOST_BROKEN_AT_ONCE]:
            due += now_ns - ended_ns > BROKEN_AFTER_NS
        for payment, _ in self._failed[:due]:
            self.live.broken(self._store.story(payment))
        del self._failed[:due]
        self.money.judge(now_ns)
        self.live.forget(now_ns)

    def finish(
        self, now_ns: int, *, name: str, title: str, command: Callable[[Path], str],
        place: Path | None, offered: int, hits: dict[str, int], dropped: int, engine: EngineFacts,
    ) -> tuple[Path, Result]:  # fmt: skip
        """Write the experiment and the report, as a run would. All is healed and drained.

        `place` is the folder of recorded experiments; None: the file stays with the run.
        """
        assert self.start_ns is not None
        declared = experiment_of(self.recording, self.at_s(now_ns), name=name, title=title)
        inputs = self.folder / "inputs"
        path = (place or inputs) / f"{name}.yaml"
        words = command(path)
        text = file_text(declared, chain=self._chain.model.chain, seed=self._seed, command=words)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error
        experiment = load_experiment(str(path), self._chain.model)
        keep_inputs(self.folder, self._chain, experiment)
        store, start_s = self._store, self.start_ns / 1e9
        for key, value in {
            "timeline": experiment.model.moments(start_s), "planned": offered, "offered": offered,
            "drained_s": now_ns / 1e9, "fault_hits": hits,
            "engine_events_dropped": dropped,
        }.items():  # fmt: skip
            store.set_meta(key, value)
        order = Order(self._chain, experiment, self.folder.parent, self._seed, None, words)
        analysis = analyse(store, self._chain.model, experiment.model, problems=self.problems)
        store.thin(self._seed)
        store.close()
        result = result_of(order, self.folder, self.started, analysis, engine)
        return path, publish(result, self.folder)

    def discard(self) -> None:
        """Nothing was recorded: leave nothing behind."""
        self._store.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _belongs(record: Record, prefix: str) -> bool:
    if isinstance(record, FaultSwitch | EngineEvent | Standstill) or not record.payment:
        return True
    number = record.payment.removeprefix(prefix)
    return record.payment.startswith(prefix) and number.startswith("p")
