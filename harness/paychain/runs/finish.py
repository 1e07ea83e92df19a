"""The end of every run, real, virtual or by hand: its records and facts become its result."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from paychain.analysis.analyse import analyse
from paychain.analysis.attribution.observe import add_own_hops
from paychain.analysis.store.facts import RunFacts, ServiceFacts
from paychain.analysis.store.store import RunStore
from paychain.environment.conductor import Conducted
from paychain.environment.running_chain import ChainReport
from paychain.model.experiment import Times
from paychain.report.outputs import publish
from paychain.runs.result import result_of
from paychain.runs.spec import Finished, Inputs


def facts_of(
    conducted: Conducted,
    report: ChainReport,
    *,
    seed: int,
    command: str,
    started: datetime,
    virtual: bool = False,
    interrupted: bool = False,
) -> RunFacts:
    """The facts of a run that ends now, for its run.db. Its times must be known."""
    assert conducted.times is not None
    return RunFacts(
        times=conducted.times,
        seed=seed,
        command=command,
        started_at=_written(started),
        ended_at=_written(datetime.now(UTC)),
        virtual=virtual,
        planned=conducted.planned,
        offered=report.offered,
        drained_s=conducted.drained_s,
        pending=conducted.pending,
        stopped=conducted.stopped,
        fault_hits=conducted.fault_hits,
        engine=report.engine,
        engine_events_dropped=report.engine_events_dropped,
        workers=report.workers,
        hosts=report.hosts,
        services=[_since_load(service, conducted.times) for service in report.services],
        problems=[*conducted.problems, *report.problems, *report.incomplete],
        incomplete=report.incomplete,
        interrupted=interrupted,
    )


def _since_load(service: ServiceFacts, times: Times) -> ServiceFacts:
    """The same, its failures timed from the start of the load."""
    failures = [
        replace(failure, at_s=failure.at_s - times.load_start_s) for failure in service.failures
    ]
    return replace(service, failures=failures)


def finish(inputs: Inputs, facts: RunFacts, store: RunStore, folder: Path) -> Finished:
    """Judge a run whose records are all in the store, and write every report into its folder."""
    store.write_facts(facts)
    add_own_hops(store, inputs.chain.model, inputs.experiment.model)
    analysis = analyse(store, inputs.chain.model, inputs.experiment.model, facts)
    store.close_thinned(facts.seed)
    result = result_of(inputs, facts, analysis, run_id=folder.name)
    return Finished(folder, publish(result, folder), facts.interrupted)


def _written(moment: datetime) -> str:
    """ISO 8601, to the second."""
    return moment.isoformat(timespec="seconds")
