"""One run, from its spec to its verdict.

    RunSpec ─ open chain, run.db ─> start ─ conduct ─ stop ─> RunFacts ─ finish ─> Finished
              real or virtual                │ records into run.db
                                             └ events to its followers

`environment/conductor.py` drives the experiment; `finish.py` judges what it left behind. Whoever
follows a run, with metrics or to compare it with itself, is a `RunFollower`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

import msgspec

from paychain.analysis.measures.phases import phase_at
from paychain.analysis.store.facts import RunFacts, Started
from paychain.analysis.store.store import RunStore
from paychain.engine.errors import EngineError
from paychain.environment.conductor import ExperimentProgress, RunObserver, conduct
from paychain.environment.own.not_started import NotStarted
from paychain.environment.running_chain import RunningChain
from paychain.model.experiment import Times
from paychain.payments.errors import HarnessError, sentence_of
from paychain.payments.journal import Record
from paychain.processes.interrupted import keeping
from paychain.processes.wall_clock import ClockStart
from paychain.report.outputs import STORE_NAME
from paychain.runs.chains import OpenChain
from paychain.runs.finish import facts_of, finish, written
from paychain.runs.follower import Followers, Look, RunFollower
from paychain.runs.interruption import Interruption
from paychain.runs.spec import Finished, RunSpec, new_folder
from paychain.simulation.simulate import FAILURES


def run(spec: RunSpec, open_chain: OpenChain, followers: Iterable[RunFollower] = ()) -> Finished:
    """Run an experiment on a chain and judge it, in real or in virtual time.

    `open_chain`: usually `chain_of(spec)`. `followers`: in this order they are told what happens. A
    failure of the harness itself, or of a follower, makes the verdict inconclusive, which then says
    why. Raises UserError when nothing could be started, an own service included, with nothing left
    running; HarnessError when no result can be written.
    """
    with Interruption() as interruption, closing(Followers(followers)) as follower:
        return _run(spec, open_chain, interruption, follower)


def _run(
    spec: RunSpec,
    open_chain: OpenChain,
    interruption: Interruption,
    follower: Followers,
) -> Finished:
    begun = ClockStart.now()
    folder = new_folder(spec.out, begun.at, spec.inputs.name)
    store = _new_store(spec, folder, begun.at)
    recorder = _Recorder(spec, store, follower)
    follower.begin(folder)
    chain = open_chain(folder, follower.message)
    conducted = ExperimentProgress()
    was_interrupted = False
    not_started: NotStarted | None = None
    begun_s = time.perf_counter()
    try:
        interruption.watch(chain)
        _conduct(spec, chain, conducted, recorder)
    except KeyboardInterrupt:
        was_interrupted = True
        conducted.problems.insert(0, "the run was interrupted")
    except NotStarted as error:
        not_started = error
    except Exception as error:
        conducted.problems.append(_problem(error))
    finally:
        # From here on only stopping is left; a signal must not cut it short.
        interruption.ignore()
        _stop(chain, conducted, recorder)
    if not_started is not None:
        store.close()
        raise not_started
    interruption.finish(follower.message)
    _remove_empty(folder)
    took_s = time.perf_counter() - begun_s
    facts = _facts(spec, chain, conducted, recorder, begun, took_s)
    facts = msgspec.structs.replace(facts, interrupted=was_interrupted)
    facts.problems.extend(follower.failures if facts.problems else follower.check())
    with keeping(f"its records are in {folder}; `paychain judge` gives the verdict"):
        return finish(spec.inputs, facts, store, folder)


def _remove_empty(folder: Path) -> None:
    """Remove the folders that an interrupted run has not begun to fill: evidence has none."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # one that holds anything stays
                path.rmdir()


def _new_store(spec: RunSpec, folder: Path, started: datetime) -> RunStore:
    """The run's database, and its inputs beside it. Raises HarnessError when it cannot be made."""
    try:
        kept = spec.inputs.keep(folder)
        store = RunStore.create(folder / STORE_NAME)
        store.write_started(
            Started(
                chain=spec.chain.path.name,
                experiment=spec.experiment.path.name,
                chain_home=str(spec.chain.path.parent.absolute()),
                experiment_home=str(spec.experiment.path.parent.absolute()),
                inputs=kept,
                names=dict(spec.names),
                seed=spec.seed,
                command=spec.command,
                started_at=written(started),
                virtual=spec.virtual,
            )
        )
    except (OSError, sqlite3.Error) as error:
        raise HarnessError(f"cannot write to {folder}: {sentence_of(error)}") from error
    return store


def _facts(
    spec: RunSpec,
    chain: RunningChain,
    conducted: ExperimentProgress,
    recorder: _Recorder,
    begun: ClockStart,
    took_s: float,
) -> RunFacts:
    """What is known of a run that has ended. `took_s`: real seconds that it lasted."""
    if conducted.times is None:
        conducted.times = spec.experiment.model.times(chain.now_ns() / 1e9)
    facts = facts_of(
        conducted,
        chain.report(),
        seed=spec.seed,
        command=spec.command,
        begun=begun,
        virtual=chain.is_virtual,
    )
    if recorder.lost:
        facts = msgspec.structs.replace(facts, incomplete=[recorder.lost, *facts.incomplete])
    if chain.is_virtual:
        facts = _compared_with_real_time(facts, chain, took_s, recorder)
    return facts


def _conduct(
    spec: RunSpec, chain: RunningChain, conducted: ExperimentProgress, recorder: _Recorder
) -> None:
    declared, experiment = spec.chain.model, spec.experiment.model
    recorder.message(
        f"{experiment.experiment} on {declared.chain}"
        f"{' in virtual time' * spec.virtual}, seed {spec.seed}; "
        f"{experiment.load_lasts:.0f} s of load"
    )
    chain.start()
    conduct(chain, declared, experiment, spec.plan, conducted, recorder)


def _stop(chain: RunningChain, conducted: ExperimentProgress, recorder: _Recorder) -> None:
    """Leave nothing running, and keep every record. What goes wrong is a problem of the run."""
    try:
        chain.stop()
    except Exception as error:
        conducted.problems.append(_problem(error))
    try:
        for records in chain.collect():
            recorder.add(records)
    except Exception as error:
        conducted.problems.append(_problem(error))


def _problem(error: Exception) -> str:
    if isinstance(error, FAILURES):
        return f"the simulation failed: {type(error).__name__}: {error}"
    if isinstance(error, EngineError):
        return str(error)
    return sentence_of(error)


class _Recorder(RunObserver):
    """Keeps a run's records in run.db, and tells those who follow it."""

    def __init__(self, spec: RunSpec, store: RunStore, follower: RunFollower) -> None:
        self.wants_looks = not spec.virtual  # a virtual run is over at once
        self.lost = ""  # why records are missing in run.db
        self._experiment = spec.experiment.model
        self._store, self._follower = store, follower
        self._times: Times | None = None

    def begin(self, times: Times) -> None:
        """From here on records count."""
        self._times = times
        self._store.begin(times)

    def add(self, records: Sequence[Record]) -> None:
        """Keep them. Raises HarnessError when that is not possible."""
        self._follower.add(records)
        try:
            self._store.ingest(records)
        except sqlite3.Error as error:
            self.lost = f"run.db is incomplete: {error}"
            raise HarnessError(self.lost) from error

    def look(self, now_s: float, faults: Sequence[str], load: str) -> None:
        """Say where the run is."""
        assert self._times is not None
        phase = phase_at(now_s, self._times, self._experiment.faults_last)
        load_s = max(0.0, now_s - self._times.load_start_s)
        self._follower.look(Look(load_s, phase, faults, load))

    def message(self, text: str) -> None:
        """Pass it on."""
        self._follower.message(text)


def _compared_with_real_time(
    facts: RunFacts, chain: RunningChain, took_s: float, recorder: _Recorder
) -> RunFacts:
    """With how much faster than real time the run was, unless it did not come to its end."""
    if facts.drained_s is None:
        return facts
    passed_s = chain.now_ns() / 1e9
    times = passed_s / took_s
    digits = 0 if times >= 10 else 1
    recorder.message(f"{passed_s:.1f} s simulated in {took_s:.1f} s (× {times:.{digits}f})")
    return msgspec.structs.replace(facts, compression=times)
