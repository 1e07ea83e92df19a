"""The end of every run, real, virtual or by hand: its records and facts become its result."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from paychain.advice.advise import with_remedies
from paychain.analysis.analyse import Analysis, analyse
from paychain.analysis.attribution.observe import add_own_hops
from paychain.analysis.store.facts import RunFacts, ServiceFacts
from paychain.analysis.store.store import RunStore
from paychain.environment.conductor import ExperimentProgress
from paychain.environment.running_chain import ChainReport
from paychain.model.experiment import Times
from paychain.payments.errors import HarnessError, sentence_of
from paychain.processes.wall_clock import ClockStart
from paychain.report.outputs import publish
from paychain.runs.result import result_of
from paychain.runs.spec import Finished, Inputs


def facts_of(
    conducted: ExperimentProgress,
    report: ChainReport,
    *,
    seed: int,
    command: str,
    begun: ClockStart,
    virtual: bool = False,
    interrupted: bool = False,
) -> RunFacts:
    """The facts of a run that ends now, for its run.db. Its times must be known."""
    assert conducted.times is not None
    return RunFacts(
        times=conducted.times,
        seed=seed,
        command=command,
        started_at=written(begun.at),
        ended_at=written(begun.until_now()),
        virtual=virtual,
        # What is not offered any more, because nothing is understood, is not missed.
        planned=None if conducted.misfit else report.planned,
        offered=report.offered,
        drained_s=conducted.drained_s,
        pending=conducted.pending,
        collecting=conducted.collecting,
        stopped=conducted.stopped,
        fault_hits=conducted.fault_hits,
        engine=report.engine,
        engine_events_dropped=report.engine_events_dropped,
        workers=report.workers,
        hosts=report.hosts,
        services=[_since_load(service, conducted.times) for service in report.services],
        problems=[*conducted.problems, *report.problems, *report.incomplete],
        incomplete=report.incomplete,
        misfit=conducted.misfit,
        interrupted=interrupted,
    )


def _since_load(service: ServiceFacts, times: Times) -> ServiceFacts:
    """The same, its failures timed from the start of the load."""
    failures = [
        replace(failure, at_s=failure.at_s - times.load_start_s) for failure in service.failures
    ]
    return replace(service, failures=failures)


def finish(inputs: Inputs, facts: RunFacts, store: RunStore, folder: Path) -> Finished:
    """Judge a run whose records are all in the store, and write every report into its folder.

    When that fails, such as on a full disk, the result is inconclusive and says why. Raises
    HarnessError when not even that can be written.
    """
    try:
        store.write_facts(facts)
        return _judged(inputs, facts, store, folder)
    except Exception as error:
        return _without_records(inputs, facts, folder, error)


def judge_again(inputs: Inputs, facts: RunFacts, store: RunStore, folder: Path) -> Finished:
    """Like `finish`, of a run that ended before; nothing is written when that fails."""
    store.restore(facts.times)
    return _judged(inputs, facts, store, folder)


def _judged(inputs: Inputs, facts: RunFacts, store: RunStore, folder: Path) -> Finished:
    store.mark_recorded()
    store.settle()  # the run is whole from here on, whatever becomes of this process
    add_own_hops(store, inputs.chain.model, inputs.experiment.model)
    analysis = _analysed(inputs, facts, store)
    store.close_thinned(facts.seed)
    result = result_of(inputs, facts, analysis, run_id=folder.resolve().name)
    return Finished(folder, publish(result, folder), facts.interrupted)


def _analysed(inputs: Inputs, facts: RunFacts, store: RunStore) -> Analysis:
    """What was measured and judged, with what to change where something was broken."""
    analysis = analyse(store, inputs.chain.model, inputs.experiment.model, facts)
    return with_remedies(analysis, inputs.chain, inputs.experiment.model, inputs.review)


def _without_records(inputs: Inputs, facts: RunFacts, folder: Path, error: Exception) -> Finished:
    """The result of a run whose records cannot be read or kept: nothing of them is judged."""
    why = f"the run could not be judged: {sentence_of(error)}"
    nothing = replace(
        facts,
        times=facts.times.cut_short(0.0),
        planned=0,
        offered=0,
        problems=list(dict.fromkeys([*facts.problems, why])),
        incomplete=[why],
    )
    store = RunStore.create(Path(":memory:"))
    try:
        store.begin(nothing.times)
        analysis = _analysed(inputs, nothing, store)
        result = result_of(inputs, nothing, analysis, run_id=folder.resolve().name)
        return Finished(folder, publish(result, folder), facts.interrupted)
    except Exception as further:
        if not isinstance(further, OSError):
            raise HarnessError(why) from error
        again = sentence_of(further)
        raise HarnessError(why if why.endswith(again) else f"{why}; {again}") from error


def written(moment: datetime) -> str:
    """ISO 8601, to the second."""
    return moment.isoformat(timespec="seconds")
