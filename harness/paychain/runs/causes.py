"""What of a review can be the cause of what a run found, by what the run injected."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from paychain.faults.kind import OutageKind
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.fallbacks.queue import Queue
from paychain.model.finding_kinds import Kind
from paychain.model.places import affected_links
from paychain.model.review import ReviewFinding
from paychain.model.review.calls import declared_calls


def possible_causes(
    review: Sequence[ReviewFinding],
    experiment: Experiment,
    chain: Chain,
    given_up: Collection[str] = (),
) -> list[ReviewFinding]:
    """The review's findings without those that this experiment cannot have brought about.

    `given_up`: the calls whose queues gave up something in the run: also after a fault that was
    shorter, as they try after a pause only, and one request after the other.
    """
    crashes = any(isinstance(fault.parameters, OutageKind) for fault in experiment.faults)
    impossible: set[tuple[Kind, str]] = set()
    if not experiment.scripts:
        in_time = set(_queues_in_time(chain, experiment)).difference(given_up)
        impossible = {("queue_given_up_early", at) for at in in_time}
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
