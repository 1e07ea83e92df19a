"""What of a review can be the cause of what a run found, by what the run injected."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from paychain.faults.kind import OutageKind
from paychain.faults.kinds.crash import Crash
from paychain.faults.kinds.lies import Lies
from paychain.faults.kinds.wrong_network import WrongNetwork
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.fallbacks.queue import Queue
from paychain.model.finding_kinds import Kind
from paychain.model.operations import LOOKS
from paychain.model.places import affected_links
from paychain.model.review import ReviewFinding
from paychain.model.review.calls import declared_calls

# Weaknesses that cost nothing as long as every node tells the truth.
_OF_LIES: frozenset[Kind] = frozenset({"one_node_believed", "quorum_at_one_provider"})


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
    crashed = crashed_links(chain, experiment)
    deceived = set(_deceived(chain, lying_links(chain, experiment)))
    # What is due goes nowhere by a webhook that is refused, however long that is repeated.
    refused = {finding.at for finding in review if finding.kind == "webhook_refused"}
    impossible: set[tuple[Kind, str]] = set()
    if not experiment.scripts:
        in_time = set(_queues_in_time(chain, experiment)).difference(given_up)
        impossible = {("queue_given_up_early", at) for at in in_time}
    impossible |= {("webhook_given_up_early", at) for at in refused}
    if not any(isinstance(fault.parameters, WrongNetwork) for fault in experiment.faults):
        impossible |= {("network_not_checked", name) for name in chain.links}
    return [
        finding
        for finding in review
        if (finding.kind != "memory_outbox" or finding.at.partition(".")[0] in crashed)
        and (finding.kind not in _OF_LIES or finding.at in deceived)
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
    """The links that an experiment crashes so that they lose what they have in memory.

    Not those that lose what they have on disk as well: no key of the chain would help these.
    """
    lost: dict[bool, set[str]] = {True: set(), False: set()}
    for fault in experiment.faults:
        if isinstance(fault.parameters, OutageKind):
            forgets = isinstance(fault.parameters, Crash) and fault.parameters.forgets
            for target in fault.every_target:
                lost[forgets].update(affected_links(chain, target))
    return frozenset(lost[False] - lost[True])


def lying_links(chain: Chain, experiment: Experiment) -> frozenset[str]:
    """The nodes that lie at some time: as the chain declares, or while a fault makes them."""
    found = {name for name, link in chain.links.items() if link.lies}
    for fault in experiment.faults:
        if isinstance(fault.parameters, Lies):
            for target in fault.every_target:
                found.update(affected_links(chain, target))
    return frozenset(found)


def _deceived(chain: Chain, lying: Collection[str]) -> Iterator[str]:
    """Looks at a ledger that ask as many nodes that lie as have to agree."""
    for declared in declared_calls(chain):
        pick = declared.call.pick
        asked, agree = (declared.call.targets, 1) if pick is None else (pick.of, pick.agree)
        if declared.operation in LOOKS and len(set(asked).intersection(lying)) >= agree:
            yield declared.subject
