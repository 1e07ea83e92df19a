"""A run by hand: what is recorded from the start of a load until it is saved or ended."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import msgspec

from paychain.analysis.store.store import RunStore
from paychain.board.experiment_file import experiment_of, file_text
from paychain.board.live import LiveRecords
from paychain.board.money import MoneyWatch
from paychain.board.session_ids import SessionIds
from paychain.board.timeline import FaultTimeline
from paychain.environment.conductor import ExperimentProgress
from paychain.environment.running_chain import ChainReport
from paychain.model.chain import Chain
from paychain.model.experiment import Times
from paychain.model.loading import Loaded, load_experiment
from paychain.payments.errors import UserError
from paychain.payments.journal import EngineEvent, FaultSwitch, LinkSwitch, Record, Stall
from paychain.processes.wall_clock import ClockStart
from paychain.report.result import Result
from paychain.runs.finish import facts_of, finish
from paychain.runs.spec import Inputs, new_folder

NAME = "by-hand"
HOPS_WITHIN_NS = 500_000_000  # after a payment failed, all its hops are recorded
MAX_BREAKS_AT_ONCE = 300  # looked for in one step: the board stays responsive


class RecordedRun:
    """The records of one run in its run.db, and what they show during the run."""

    def __init__(
        self,
        number: int,
        chain: Loaded[Chain],
        out: Path,
        begun: ClockStart,
        *,
        seed: int,
        ids: SessionIds,
    ) -> None:
        self.number = number
        self._begun = begun
        self.folder = new_folder(out, begun.at, f"{chain.model.chain}-{NAME}")
        self.timeline = FaultTimeline()
        self.live = LiveRecords()
        self.start_ns: int | None = None  # of the load
        self.problems: list[str] = []
        self.pending: list[str] = []  # payments that were not final when the drain ended
        self.collecting: list[str] = []  # those of which nothing gives money back
        self._chain = chain
        self._seed, self._ids = seed, ids
        self._store = RunStore.create(self.folder / "run.db")
        self.money = MoneyWatch(chain.model, self._store.story)
        self._failed: list[tuple[str, int]] = []  # whose break point is not looked for yet
        self._before: list[FaultSwitch] = []  # switched before the load began

    @property
    def has_begun(self) -> bool:
        """Whether the load has started."""
        return self.start_ns is not None

    def begin(self, start_ns: int) -> None:
        """The load began. Faults that are on already count from here."""
        self.start_ns = start_ns
        start_s = start_ns / 1e9
        self._store.begin(
            Times(
                load_start_s=start_s,
                before_start_s=start_s,
                faults_start_s=start_s,
                load_end_s=start_s,
            )
        )
        self._store.ingest(
            msgspec.structs.replace(switch, effective_ns=start_ns, planned_ns=start_ns)
            for switch in self._before
            if switch.fault in self.timeline.faults
        )

    def at_s(self, at_ns: int) -> float:
        """Seconds since the load began; below 0 before."""
        return (at_ns - self.start_ns) / 1e9 if self.start_ns is not None else -1.0

    def switched(self, record: FaultSwitch, fault: dict[str, object]) -> None:
        """A fault was applied or healed."""
        at_s = self.at_s(record.effective_ns)
        if record.action == "applied":
            self.timeline.inject(record.fault, fault, at_s)
        else:
            self.timeline.heal(record.fault, at_s)
        if self.has_begun:
            self._store.ingest([record])
        else:
            self._before.append(record)

    def add(self, records: Iterable[Record], now_ns: int) -> None:
        """Add records, except those of payments of another run of the session."""
        mine = [record for record in records if self._belongs(record)]
        self._store.ingest(mine)
        self._failed += self.live.add(mine)
        self.money.add(mine, now_ns)

    def _belongs(self, record: Record) -> bool:
        if isinstance(record, FaultSwitch | EngineEvent | LinkSwitch | Stall) or not record.payment:
            return True
        return self._ids.belongs(self.number, record.payment)

    def evaluate(self, now_ns: int) -> None:
        """Find where payments broke, and judge those that are final."""
        due = 0
        for _, ended_ns in self._failed[:MAX_BREAKS_AT_ONCE]:
            due += now_ns - ended_ns > HOPS_WITHIN_NS
        for payment, _ in self._failed[:due]:
            self.live.add_break(self._store.story(payment))
        del self._failed[:due]
        self.money.judge(now_ns)
        self.live.forget(now_ns)

    def finish(
        self,
        ended_ns: int,
        *,
        drained_ns: int | None,
        name: str,
        title: str,
        command: Callable[[Path], str],
        folder: Path | None,
        offered: int,
        hits: dict[str, int] | None,
        report: ChainReport,
    ) -> tuple[Path, Result]:
        """Write the experiment and the report as `paychain run` does, after heal and drain.

        `ended_ns` is when the load ended, `drained_ns` when all requests and reversals were final;
        None: the run did not get there, so its money rules are not judged as final. `offered`:
        payments that the load started. `folder` is where recorded experiments are kept; None: the
        file stays in the run's folder. Raises UserError where it cannot be written.
        """
        assert self.start_ns is not None
        declared = experiment_of(self.timeline, self.at_s(ended_ns), name=name, title=title)
        path = (folder or self.folder / "inputs") / f"{name}.yaml"
        words = command(path)
        text = file_text(declared, chain=self._chain.model.chain, seed=self._seed, command=words)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error
        experiment = load_experiment(str(path), self._chain.model)
        inputs = Inputs(self._chain, experiment)
        inputs.keep(self.folder)
        conducted = ExperimentProgress(
            times=experiment.model.times(self.start_ns / 1e9),
            drained_s=drained_ns / 1e9 if drained_ns is not None else None,
            pending=self.pending,
            collecting=self.collecting,
            fault_hits=hits,
            problems=self.problems,
        )
        facts = facts_of(
            conducted,
            replace(report, planned=offered, offered=offered),
            seed=self._seed,
            command=words,
            begun=self._begun,
        )
        return path, finish(inputs, facts, self._store, self.folder).result

    def discard(self) -> None:
        """Remove the folder: nothing was recorded."""
        self._store.close()
        shutil.rmtree(self.folder, ignore_errors=True)
