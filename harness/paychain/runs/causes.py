"""What of a review can be the cause of what a run found, by what the run injected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paychain.faults.kind import OutageKind
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.fallbacks.queue import Queue
from paychain.model.finding_kinds import Kind
from paychain.model.places import affected_links
from paychain.model.review import ReviewFinding
from paychain.model.review.calls import declared_calls


def possible_causes(
    review: Sequence[ReviewFinding], experiment: Experiment, chain: Chain
) -> list[ReviewFinding]:
    """The review's findings without those that this experiment cannot have brought about."""
    crashes = any(isinstance(fault.parameters, OutageKind) for fault in experiment.faults)
    impossible: set[tuple[Kind, str]] = set()
    if not experiment.scripts:
        impossible = {("queue_given_up_early", at) for at in _queues_in_time(chain, experiment)}
    return [
        finding
        for finding in review
        if (crashes or finding.kind != "memory_outbox")
        and (finding.kind, finding.at) not in impossible
    ]


def _queues_in_time(chain: Chain, experiment: Experiment) -> Iterator[str]:
    """Calls whose queues deliver for longer than all faults last, from the first to the last."""
    starts = min((fault.at for fault in experiment.faults), default=0.0)
    for declared in declared_calls(chain):
        queues = [step.queue for step in declared.call.fallback if isinstance(step, Queue)]
        if queues and experiment.faults_last - starts < min(queue.within for queue in queues):
            yield declared.subject


def crashed_links(chain: Chain, experiment: Experiment) -> frozenset[str]:
    """The links that an experiment crashes, and with them what they have in memory."""
    return frozenset(
        link
        for fault in experiment.faults
        if isinstance(fault.parameters, OutageKind)
        for target in fault.every_target
        for link in affected_links(chain, target)
    )
