"""From an analysed run to its result: what was run, where, and what came of it."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from harness.analysis.analyse import Analysis
from harness.analysis.measured import Stopped
from harness.model.chain import Chain
from harness.model.experiment import Experiment
from harness.model.fallback import STEPS, FailoverTo, Split
from harness.model.loading import Loaded
from harness.model.review import ReviewFinding, review
from harness.order import Order
from harness.report.result import (
    CallEdge,
    ChainFacts,
    DeclaredFallback,
    EngineFacts,
    ExperimentFacts,
    HostFacts,
    LinkNode,
    LoadFacts,
    Result,
    WorkerFacts,
)


def result_of(
    order: Order, folder: Path, started: datetime, analysis: Analysis, engine: EngineFacts,
    *, virtual: bool = False, compression: float | None = None, workers: Sequence[WorkerFacts] = (),
    hosts: Sequence[HostFacts] = (),
) -> Result:  # fmt: skip
    """Everything result.json says of a run that is over."""
    experiment = order.experiment.model
    return Result(
        run_id=folder.name,
        verdict=analysis.verdict,
        reasons=analysis.reasons,
        chain=chain_facts(order.chain),
        experiment=ExperimentFacts(
            experiment.experiment,
            experiment.title,
            order.experiment.path.name,
            order.experiment.sha256,
            experiment.based_on,
            experiment.time_scale,
            [one.text for one in experiment.stop_when],
        ),
        seed=order.seed,
        virtual=virtual,
        compression=compression,
        started_at=started.isoformat(timespec="seconds"),
        ended_at=datetime.now(UTC).isoformat(timespec="seconds"),
        engine=engine,
        load=LoadFacts(
            (analysis.planned if analysis.planned is not None else analysis.offered)
            / experiment.load_lasts,
            analysis.planned,
            analysis.offered,
            analysis.recorded,
            None if experiment.load.users else analysis.lag_p99_ms,
            None if experiment.load.users else analysis.lag_max_ms,
            str(experiment.load),
            list(workers),
            experiment.load.users or 0,
            experiment.load.hides,
        ),
        phases=analysis.phases,
        faults=analysis.faults,
        tolerances=[
            msgspec.structs.replace(one, place=_place(order.experiment, one.measure, one.phase))
            for one in analysis.tolerances
        ],
        breaks=analysis.breaks,
        hops=analysis.hops,
        fallbacks=analysis.fallbacks,
        risks=analysis.risks,
        recovery=analysis.recovery,
        money=analysis.money,
        seconds=analysis.seconds,
        hosts=list(hosts),
        stood_still=analysis.stood_still,
        stopped=_stopped(order.experiment, analysis.stopped),
        environment=_environment(),
        review=_reviewed(order.chain),
        command=order.command,
        assurance=experiment.assurance.model_dump(mode="json", exclude_none=True),
    )


def _place(experiment: Loaded[Experiment], measure: str, phase: str) -> str:
    """`chaos/steady.yaml:6:3`, the line that sets a limit."""
    return _shown(experiment.place("tolerances", measure, phase))


def _stopped(experiment: Loaded[Experiment], stopped: Stopped | None) -> Stopped | None:
    """Why a run was stopped, with the line that declares it."""
    if stopped is None:
        return None
    conditions = [one.text for one in experiment.model.stop_when]
    place = experiment.place("stop_when", conditions.index(stopped.condition))
    return msgspec.structs.replace(stopped, place=_shown(place))


def _reviewed(chain: Loaded[Chain]) -> list[ReviewFinding]:
    """What the chain's declaration already says about how it will fail."""
    return [msgspec.structs.replace(one, place=_shown(one.place)) for one in review(chain)]


def _shown(place: str) -> str:
    """A place as seen from where the run was started; a shipped file by its name alone."""
    name, line, column = place.rsplit(":", 2)
    path = Path(name)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path.name if path.is_absolute() else path.as_posix()}:{line}:{column}"


def chain_facts(loaded: Loaded[Chain]) -> ChainFacts:
    """The chain as reports draw it."""
    chain = loaded.model
    edges: list[CallEdge] = []
    for caller in chain.links:
        for operation, call in chain.calls_of(caller).items():
            for route, callee in enumerate(call.targets):
                edges.append(CallEdge(caller, operation, callee, route))
    return ChainFacts(
        chain.chain, chain.title, loaded.path.name, loaded.sha256, chain.currency, chain.entry,
        chain.deadline * 1000,
        [
            LinkNode(name, link.role, link.provider or "", link.title)
            for name, link in chain.links.items()
        ],
        edges,
        {name: provider.kind for name, provider in chain.providers.items()},
        _fallbacks(chain),
    )  # fmt: skip


def _fallbacks(chain: Chain) -> list[DeclaredFallback]:
    """Retries and fallback steps of every call, used or not."""
    found = []
    for link in chain.links:
        for operation, call in chain.calls_of(link).items():
            name = f"{link}.{operation}"
            if call.retry is not None:
                found.append(DeclaredFallback(name, "retry", call.to))
            for step in call.fallback:
                if isinstance(step, FailoverTo | Split):
                    targets = [step.to] if isinstance(step, FailoverTo) else list(step.split)
                    found += [DeclaredFallback(name, "failover", to) for to in targets]
                else:
                    kind = next(key for key in STEPS if hasattr(step, key))
                    found.append(DeclaredFallback(name, kind, ""))
    return found


def _environment() -> dict[str, str]:
    return {
        "paychain": version("paychain"),
        "python": platform.python_version(),
        "locust": version("locust"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
