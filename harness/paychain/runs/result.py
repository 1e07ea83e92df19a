"""From an analysed run to its result: what was run, where, and what came of it."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import msgspec

from paychain.analysis.analyse import Analysis
from paychain.analysis.measures.measures import Stopped, ToleranceResult
from paychain.analysis.store.facts import RunFacts
from paychain.model.experiment import Experiment
from paychain.model.loading import Loaded
from paychain.model.review.remedy import Remedy
from paychain.report.result import (
    LoadFacts,
    Result,
)
from paychain.runs.spec import Inputs


def result_of(inputs: Inputs, facts: RunFacts, analysis: Analysis, run_id: str) -> Result:
    """Everything result.json reports of a run that is over. `analysis`: with its remedies."""
    experiment = inputs.experiment.model
    result = Result(
        run_id=run_id,
        verdict=analysis.verdict,
        reasons=analysis.reasons,
        chain=inputs.declared.chain,
        experiment=inputs.declared.experiment,
        seed=facts.seed,
        virtual=facts.virtual,
        compression=facts.compression,
        started_at=facts.started_at,
        ended_at=facts.ended_at,
        engine=facts.engine,
        load=_load_facts(experiment, facts, analysis),
        tolerances=_tolerances(inputs.experiment, analysis),
        hosts=facts.hosts,
        services=facts.services,
        stopped=_stopped(inputs.experiment, facts.stopped),
        environment=_environment(),
        review=[
            msgspec.structs.replace(finding, place=_shown(finding.place))
            for finding in inputs.review
        ],
        command=facts.command,
        assurance=experiment.assurance.model_dump(mode="json", exclude_none=True),
        **analysis.measured,
    )
    return _with_shown_remedies(result)


def _tolerances(experiment: Loaded[Experiment], analysis: Analysis) -> list[ToleranceResult]:
    """Each judged limit with the line that sets it."""
    return [
        msgspec.structs.replace(
            tolerance, place=_place(experiment, tolerance.measure, tolerance.phase)
        )
        for tolerance in analysis.tolerances
    ]


def _load_facts(experiment: Experiment, facts: RunFacts, analysis: Analysis) -> LoadFacts:
    """What was to be offered and what was. Users set their own pace: no plan, and no lag."""
    has_users = experiment.load.users is not None
    due = facts.planned if facts.planned is not None else analysis.offered
    return LoadFacts(
        rate=due / experiment.load_lasts,
        planned=facts.planned,
        offered=analysis.offered,
        recorded=analysis.punctuality.recorded,
        lag_p99_ms=None if has_users else analysis.punctuality.p99_ms,
        lag_max_ms=None if has_users else analysis.punctuality.longest_ms,
        arrivals=str(experiment.load),
        workers=facts.workers,
        users=experiment.load.users or 0,
        caveat=experiment.load.caveat,
    )


def _place(experiment: Loaded[Experiment], measure: str, phase: str) -> str:
    """`chaos/steady.yaml:6:3`, the line that sets a limit."""
    return _shown(experiment.place("tolerances", measure, phase))


def _stopped(experiment: Loaded[Experiment], stopped: Stopped | None) -> Stopped | None:
    """Why a run was stopped, with the line that declares it."""
    if stopped is None:
        return None
    conditions = [condition.text for condition in experiment.model.stop_when]
    place = experiment.place("stop_when", conditions.index(stopped.condition))
    return msgspec.structs.replace(stopped, place=_shown(place))


def _with_shown_remedies(result: Result) -> Result:
    """The result with the files of its remedies named as its places are."""
    return msgspec.structs.replace(
        result,
        review=[
            msgspec.structs.replace(
                finding, remedy=_shown_remedy(finding.remedy) if finding.remedy else None
            )
            for finding in result.review
        ],
        tolerances=[
            msgspec.structs.replace(item, remedies=[_shown_remedy(each) for each in item.remedies])
            for item in result.tolerances
        ],
        money=msgspec.structs.replace(
            result.money,
            rules=[
                msgspec.structs.replace(
                    rule, remedies=[_shown_remedy(each) for each in rule.remedies]
                )
                for rule in result.money.rules
            ],
        ),
    )


def _shown_remedy(remedy: Remedy) -> Remedy:
    file = _shown(f"{remedy.file}:1:1").rsplit(":", 2)[0]
    return msgspec.structs.replace(remedy, file=file)


def _shown(place: str) -> str:
    """A place as seen from where the run was started; a shipped file by its name alone."""
    name, line, column = place.rsplit(":", 2)
    path = Path(name)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path.name if path.is_absolute() else path.as_posix()}:{line}:{column}"


def _environment() -> dict[str, str]:
    return {
        "paychain": version("paychain"),
        "python": platform.python_version(),
        "locust": version("locust"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
