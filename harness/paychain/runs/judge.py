"""A run that ended before is judged again, by its records, its facts and its inputs alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from paychain.analysis.store.facts import RunFacts, Started
from paychain.analysis.store.queries import last_event_ns
from paychain.analysis.store.store import RunStore
from paychain.model.loading import load_chain, load_experiment
from paychain.payments.errors import UserError
from paychain.processes.files import refuse_unwritable
from paychain.processes.locks import only_process
from paychain.report.evidence.files import leave_out
from paychain.report.evidence.history import is_signed
from paychain.report.outputs import STORE_NAME, refuse_changed
from paychain.report.result import FILE_NAME
from paychain.runs.finish import judge_again, written
from paychain.runs.kept import CHAIN, EXPERIMENT, REPLAY, kept_files
from paychain.runs.spec import Finished, Inputs

KILLED = "the run did not come to its end: its process was ended"


def judge_run(folder: Path) -> Finished:
    """Judge a run directory again and write its reports anew.

    A run whose process was ended before its drain is inconclusive. Raises UserError for what is no
    run, is signed, or has not all of its records any more.
    """
    if is_signed(folder):
        hint = "copy it without its signature, then judge the copy"
        raise UserError(f"{folder} is signed and must not change", hint=hint)
    path = folder / STORE_NAME
    if not path.is_file():
        raise UserError(f"no {STORE_NAME} in {folder}", hint="name a run directory")
    refuse_unwritable(folder)
    with only_process(folder, "judging"):
        return _judge(folder, path)


def _judge(folder: Path, path: Path) -> Finished:
    refuse_changed(folder, made_anew=(FILE_NAME,))
    store = RunStore.reopen(path)
    if store.kept_one_in > 1:
        what = f"{path} holds a sample of a long run: its verdict stands in result.json"
        raise UserError(what, hint="paychain report renders it again")
    started = store.started()
    inputs = inputs_of(folder, started)
    facts = store.facts() if store.has_facts else _of_killed(store, started, inputs)
    # Both are made anew. Should this process end meanwhile, the run can still be judged again.
    leave_out(folder, {STORE_NAME, FILE_NAME})
    return judge_again(inputs, facts, store, folder)


def inputs_of(run: Path, started: Started) -> Inputs:
    """The files of a run directory's run, as they are kept there. Raises UserError."""
    kept = kept_files(run, started)
    chain = load_chain(str(kept[CHAIN]), kept=kept)
    experiment = load_experiment(
        str(kept[EXPERIMENT]), chain.model, started.names, replay=kept.get(REPLAY)
    )
    # Places are shown as they were: where the user's own files are.
    return Inputs(
        replace(chain, path=Path(started.chain_home, started.chain)),
        replace(experiment, path=Path(started.experiment_home, started.experiment)),
    )


def _of_killed(store: RunStore, started: Started, inputs: Inputs) -> RunFacts:
    """What is known of a run that did not come to its end, up to its last record."""
    times = store.times()
    last_s = (last_event_ns(store) or 0) / 1e9
    if times is None:
        times = inputs.experiment.model.times(0.0).cut_short(0.0)
    else:
        lasted_s = last_s - times.load_start_s
        if lasted_s < times.load_end_s - times.load_start_s:
            times = times.cut_short(max(0.0, lasted_s))
    # The run's clock begins with the run, near enough; that of a virtual one is no real time.
    lived = timedelta(seconds=0.0 if started.virtual else last_s)
    return RunFacts(
        times=times,
        seed=started.seed,
        command=started.command,
        started_at=started.started_at,
        ended_at=written(datetime.fromisoformat(started.started_at) + lived),
        virtual=started.virtual,
        planned=None,
        problems=[KILLED],
        incomplete=[KILLED],
    )
