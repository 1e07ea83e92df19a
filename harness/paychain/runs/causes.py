"""What of a review can be the cause of what a run found, by what the run injected."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from paychain.faults.kind import FaultKind, OutageKind
from paychain.faults.kinds.fork import Fork
from paychain.faults.kinds.lies import Lies
from paychain.faults.kinds.reverts import Reverts
from paychain.faults.kinds.wrong_answer import WrongAnswer
from paychain.faults.kinds.wrong_network import WrongNetwork
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.fallbacks.queue import Queue
from paychain.model.finding_kinds import Kind
from paychain.model.operations import LOOKS, MOVES_MONEY
from paychain.model.places import InLinkPlace, links_of, place_of
from paychain.model.review import ReviewFinding
from paychain.model.review.calls import declared_calls

# Weaknesses that cost nothing as long as every node tells the truth.
_OF_LIES: frozenset[Kind] = frozenset({"one_node_believed", "quorum_at_one_provider"})
# Weaknesses that only one kind of fault makes use of.
_OF_ONE_FAULT: dict[Kind, type[FaultKind]] = {
    "network_not_checked": WrongNetwork,
    "receipt_not_checked": Reverts,
}
_FALSELY_APPROVED = frozenset({"no_approval_without_money", "paid_orders_have_money"})
# A query asks whether there is any.
_ASKS_FOR_MONEY = MOVES_MONEY | {"forward", "query"}


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
    for kind, fault_kind in _OF_ONE_FAULT.items():
        if not any(isinstance(fault.parameters, fault_kind) for fault in experiment.faults):
            impossible |= {(kind, name) for name in chain.links}
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

    A crash that loses what is on disk as well is not among them: no key of the chain helps then.
    """
    crashed: set[str] = set()
    for fault in experiment.faults:
        if isinstance(fault.parameters, OutageKind) and not fault.parameters.forgets:
            crashed.update(links_of(chain, fault))
    return frozenset(crashed)


def lying_links(chain: Chain, experiment: Experiment) -> frozenset[str]:
    """The nodes that say what is untrue at some time: as the chain declares, or by a fault.

    What a node says of a branch that the rest does not follow is untrue as well.
    """
    found = {name for name, link in chain.links.items() if link.lies}
    for fault in experiment.faults:
        if isinstance(fault.parameters, Lies | Fork):
            found.update(links_of(chain, fault))
    return frozenset(found)


def _deceived(chain: Chain, lying: Collection[str]) -> Iterator[str]:
    """Looks at a ledger that ask as many nodes that lie as have to agree."""
    for declared in declared_calls(chain):
        pick = declared.call.pick
        asked, agree = (declared.call.targets, 1) if pick is None else (pick.of, pick.agree)
        if declared.operation in LOOKS and len(set(asked).intersection(lying)) >= agree:
            yield declared.subject


def rules_of_false_approvals(chain: Chain, experiment: Experiment) -> frozenset[str]:
    """The money rules that an injected false approval breaks, whatever an own service's code does.

    A provider that reports an approval without having one leaves nothing to ask for, whether it
    lies itself or believes a link behind it. Whoever is not asked for money approves none.
    """
    asked = _asked_for_money(chain)
    false = (
        spot.link in asked
        and spot.caller in (None, *chain.own_services(), *asked)
        and spot.operation in (None, *_ASKS_FOR_MONEY)
        for spot in _said_approved(chain, experiment)
    )
    return _FALSELY_APPROVED if any(false) else frozenset()


def _said_approved(chain: Chain, experiment: Experiment) -> Iterator[InLinkPlace]:
    """Where false approvals are injected."""
    for fault in experiment.faults:
        if _is_approval(fault.parameters):
            yield from place_of(chain, fault).spots
    for script in experiment.scripts:
        for step in script.steps:
            if step.link is not None and _is_approval(step.fault):
                yield InLinkPlace(step.link, operation=step.operation)


def _is_approval(parameters: object) -> bool:
    return isinstance(parameters, WrongAnswer) and parameters.says == "approved"


def _asked_for_money(chain: Chain) -> frozenset[str]:
    """The links that own services ask for money, directly or through others."""
    found: set[str] = set()
    asking = set(chain.own_services())
    while asking:
        asked = {
            target
            for name in asking
            for operation, call in chain.calls_of(name).items()
            if operation in _ASKS_FOR_MONEY
            for target in call.targets
        }
        asking = asked - found
        found |= asked
    return frozenset(found)
