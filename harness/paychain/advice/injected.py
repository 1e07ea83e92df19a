"""What an experiment injected into a chain, as advice on what came of it asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from paychain.faults.kind import FaultKind, OutageKind
from paychain.faults.kinds.fork import Fork
from paychain.faults.kinds.lies import Lies
from paychain.faults.kinds.wrong_answer import WrongAnswer
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.fallbacks.queue import Queue
from paychain.model.operations import LOOKS, MOVES_MONEY
from paychain.model.places import InLinkPlace, links_of, place_of
from paychain.model.review.calls import declared_calls

_FALSELY_APPROVED = frozenset({"no_approval_without_money", "paid_orders_have_money"})
# A query asks whether there is any.
_ASKS_FOR_MONEY = MOVES_MONEY | {"forward", "query"}


class Injected:
    """The faults and scripts of an experiment, by what they did to the links of a chain."""

    def __init__(self, chain: Chain, experiment: Experiment) -> None:
        self._chain, self._experiment = chain, experiment

    @cached_property
    def crashed(self) -> frozenset[str]:
        """The links that were crashed so that they lost what they had in memory.

        A crash that loses what is on disk as well is not among them: no key of the chain helps
        then.
        """
        crashed: set[str] = set()
        for fault in self._experiment.faults:
            if isinstance(fault.parameters, OutageKind) and not fault.parameters.forgets:
                crashed.update(links_of(self._chain, fault))
        return frozenset(crashed)

    def has(self, kind: type[FaultKind]) -> bool:
        """Whether there was a fault of this kind."""
        return any(isinstance(fault.parameters, kind) for fault in self._experiment.faults)

    @cached_property
    def deceived(self) -> frozenset[str]:
        """The looks at a ledger that asked as many nodes that lied as had to agree."""
        lying = self._lying()
        found = set()
        for declared in declared_calls(self._chain):
            pick = declared.call.pick
            asked, agree = (declared.call.targets, 1) if pick is None else (pick.of, pick.agree)
            if declared.operation in LOOKS and len(lying.intersection(asked)) >= agree:
                found.add(declared.subject)
        return frozenset(found)

    def _lying(self) -> set[str]:
        """The nodes that said what is untrue at some time: as the chain declares, or by a fault.

        What a node says of a branch that the rest does not follow is untrue as well.
        """
        found = {name for name, link in self._chain.links.items() if link.lies}
        for fault in self._experiment.faults:
            if isinstance(fault.parameters, Lies | Fork):
                found.update(links_of(self._chain, fault))
        return found

    @cached_property
    def outlasted(self) -> frozenset[str]:
        """Calls whose queues deliver for longer than all faults last, from the first to the last.

        None when there are scripts: how long what they do lasts is not known.
        """
        if self._experiment.scripts:
            return frozenset()
        starts = min((fault.at for fault in self._experiment.faults), default=0.0)
        lasted = self._experiment.faults_last - starts
        found = set()
        for declared in declared_calls(self._chain):
            queues = [step.queue for step in declared.call.fallback if isinstance(step, Queue)]
            if queues and lasted < min(queue.within for queue in queues):
                found.add(declared.subject)
        return frozenset(found)

    @cached_property
    def falsely_approved(self) -> frozenset[str]:
        """The money rules that a false approval breaks, whatever an own service's code does.

        A provider that reports an approval without having one leaves nothing to ask for, whether it
        lies itself or believes a link behind it. Whoever is not asked for money approves none.
        """
        asked = self._asked_for_money()
        own = self._chain.own_services()
        false = (
            spot.link in asked
            and spot.caller in (None, *own, *asked)
            and spot.operation in (None, *_ASKS_FOR_MONEY)
            for spot in self._said_approved()
        )
        return _FALSELY_APPROVED if any(false) else frozenset()

    def _said_approved(self) -> Iterator[InLinkPlace]:
        """Where false approvals were injected."""
        for fault in self._experiment.faults:
            if _is_approval(fault.parameters):
                yield from place_of(self._chain, fault).spots
        for script in self._experiment.scripts:
            for step in script.steps:
                if step.link is not None and _is_approval(step.fault):
                    yield InLinkPlace(step.link, operation=step.operation)

    def _asked_for_money(self) -> frozenset[str]:
        """The links that own services ask for money, directly or through others."""
        found: set[str] = set()
        asking = set(self._chain.own_services())
        while asking:
            asked = {
                target
                for name in asking
                for operation, call in self._chain.calls_of(name).items()
                if operation in _ASKS_FOR_MONEY
                for target in call.targets
            }
            asking = asked - found
            found |= asked
        return frozenset(found)


def _is_approval(parameters: object) -> bool:
    return isinstance(parameters, WrongAnswer) and parameters.says == "approved"
