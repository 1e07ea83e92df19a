"""What result.json says of the files that were run, whatever came of the run."""

from __future__ import annotations

from typing import NamedTuple

from paychain.analysis.nodes.breaking import behind
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.fallbacks.step import Failover
from paychain.model.loading import Loaded
from paychain.payments.journal import DecisionKind
from paychain.report.result import (
    CallEdge,
    ChainFacts,
    DeclaredFallback,
    ExperimentFacts,
    LinkNode,
)


class DeclaredFacts(NamedTuple):
    """Of both files."""

    chain: ChainFacts
    experiment: ExperimentFacts


def chain_facts(loaded: Loaded[Chain]) -> ChainFacts:
    """The chain as reports draw it."""
    chain = loaded.model
    edges: list[CallEdge] = []
    for caller in chain.links:
        for operation, call in chain.calls_of(caller).items():
            for route, callee in enumerate(call.targets):
                first = call.is_first(callee)
                edges.append(CallEdge(caller, operation, callee, 0 if first else route))
    return ChainFacts(
        name=chain.chain,
        title=chain.title,
        file=loaded.path.name,
        sha256=loaded.sha256,
        currency=chain.currency,
        entries=list(chain.entries),
        deadline_ms=chain.deadline * 1000,
        links=[
            LinkNode(
                name,
                link.role,
                next(iter(link.depends_on), ""),
                link.title,
                is_own=link.service is not None,
                providers=list(link.depends_on),
            )
            for name, link in chain.links.items()
        ],
        edges=edges,
        providers={name: provider.kind for name, provider in chain.providers.items()},
        fallbacks=_fallbacks(chain),
        front=behind(chain),
    )


def _fallbacks(chain: Chain) -> list[DeclaredFallback]:
    """Retries and fallback steps of every call, used or not."""
    found = []
    for link in chain.links:
        for operation, call in chain.calls_of(link).items():
            name = f"{link}.{operation}"
            if call.retry is not None:
                found.append(DeclaredFallback(name, "retry", call.to))
            if call.pick is not None and call.pick.re_pick:
                kind = DecisionKind.RE_PICKED.value
                found += [DeclaredFallback(name, kind, to) for to in call.pick.of]
            for step in call.steps:
                # Called as its uses are, so that the two can be set side by side.
                kind = step.decision.value
                targets = step.targets if isinstance(step, Failover) else [""]
                found += [DeclaredFallback(name, kind, to) for to in targets]
    return found


def experiment_facts(loaded: Loaded[Experiment]) -> ExperimentFacts:
    """Which experiment was run, with the file of recorded arrivals that it replays."""
    experiment = loaded.model
    recorded = experiment.load.arrivals.recorded if experiment.load.arrivals else None
    return ExperimentFacts(
        name=experiment.experiment,
        title=experiment.title,
        file=loaded.path.name,
        sha256=loaded.sha256,
        based_on=experiment.based_on,
        time_scale=experiment.time_scale,
        replay=recorded.path.name if recorded else "",
        replay_sha256=recorded.sha256 if recorded else "",
        stop_when=[condition.text for condition in experiment.stop_when],
    )
