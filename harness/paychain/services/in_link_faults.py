"""In-link faults: what no TCP proxy can do, switched on running links."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from paychain.faults.kind import (
    LinkFaultKind,
    OutageKind,
    ProcessFaultKind,
    RequestFaultKind,
    StateFaultKind,
)
from paychain.model.places import InLinkPlace
from paychain.payments.chance import draw
from paychain.payments.journal import DecisionKind
from paychain.protocol.message import PaymentRequest
from paychain.services.context import Context
from paychain.services.rate_window import RateWindow

RequestKey = tuple[str, int, str]  # payment, attempt, operation


@dataclass(slots=True, kw_only=True)
class ActiveFault:
    """One in-link fault that is switched on, and where: at which spots."""

    id: str
    parameters: LinkFaultKind
    spots: tuple[InLinkPlace, ...]
    seen: Counter[RequestKey] = field(default_factory=Counter)
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)  # by link and payment
    limits: dict[str, RateWindow] = field(default_factory=dict)  # by link
    healed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def links(self) -> frozenset[str]:
        """The links in which it acts."""
        return frozenset(spot.link for spot in self.spots)

    def applies_to(self, link: str, caller: str, operation: str, request: PaymentRequest) -> bool:
        """Whether this request is one of those that it is for, whatever its share."""
        if not isinstance(self.parameters, RequestFaultKind):
            return False
        if not any(spot.covers(link, caller, operation) for spot in self.spots):
            return False
        only = self.parameters.only
        return only is None or only.includes(
            request.instrument.identity, request.instrument.group, request.merchant
        )

    def chooses(self, link: str, payment: str) -> bool:
        """Count a request that it is for; whether it acts on a request of this number."""
        assert isinstance(self.parameters, RequestFaultKind)
        if not self.parameters.is_numbered:
            return True
        self.requests[link, payment] += 1
        return self.parameters.chooses(self.requests[link, payment])

    def admits(self, link: str, now_ns: int) -> bool:
        """Whether a request is within the rate that the fault leaves to the link."""
        assert isinstance(self.parameters, RequestFaultKind)
        rate = self.parameters.limit_per_s
        if rate is None:
            return False
        if link not in self.limits:
            self.limits[link] = RateWindow(rate)
        return self.limits[link].admits(now_ns)


class Stoppable(Protocol):
    """A link that can die and come back, or stop and go on, and whose state a fault can change."""

    name: str

    def crash(self) -> None:
        """Stop at once: nothing is answered, nothing is finished."""

    def revive(self, *, forgets: bool) -> None:
        """Come back on the same address."""

    def freeze(self) -> None:
        """Neither read nor answer anything until `thaw`."""

    def thaw(self) -> None:
        """Go on where it stopped."""

    def apply(self, fault: StateFaultKind, window: str) -> int:
        """Let a fault change what the link knows; returns how many payments that touched.

        `window` names this time that the fault is on; it is the same in all its links.
        """

    def heal(self, fault: StateFaultKind, window: str) -> None:
        """End what it changed."""


class InLinkFaults:
    """The in-link faults of one process, shared by its links."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._active: dict[str, ActiveFault] = {}
        self._links: dict[str, Stoppable] = {}
        self._requests: dict[str, Counter[tuple[str, str]]] = {}  # by fault, over all its windows
        self._windows: Counter[str] = Counter()  # by fault: how often it was switched on
        self._dead: set[str] = set()  # links that an outage has stopped
        self._forgetting: set[str] = set()  # links that are down and will know nothing
        self.hits: dict[str, int] = {}

    def watch_over(self, link: Stoppable) -> None:
        """Know a link that an outage or a freeze may stop."""
        self._links[link.name] = link

    def apply(self, fault: ActiveFault) -> None:
        """Switch a fault on; switching it on again replaces it."""
        before = self._active.get(fault.id)
        if before is not None:  # what was stuck on it stays stuck
            fault.healed = before.healed
        # A fault that flaps goes on counting the requests of a payment where it stopped.
        fault.requests = self._requests.setdefault(fault.id, fault.requests)
        self._active[fault.id] = fault
        self._windows[fault.id] += before is None
        self.hits.setdefault(fault.id, 0)
        # Switched on again, it has changed the link's state already.
        if isinstance(fault.parameters, StateFaultKind) and before is None:
            for link in self._acted_on_by(fault):
                self.hits[fault.id] += link.apply(fault.parameters, self._window(fault))
        if isinstance(fault.parameters, ProcessFaultKind):
            for link in self._acted_on_by(fault):
                self._stop(link, fault.parameters)
                self.hits[fault.id] += 1

    def heal(self, fault_id: str) -> None:
        """Switch a fault off; one that is off stays off."""
        fault = self._active.pop(fault_id, None)
        if fault is None:
            return
        fault.healed.set()
        if isinstance(fault.parameters, StateFaultKind):
            for link in self._acted_on_by(fault):
                link.heal(fault.parameters, self._window(fault))
        if isinstance(fault.parameters, ProcessFaultKind):
            for link in self._acted_on_by(fault):
                if isinstance(fault.parameters, OutageKind) and fault.parameters.forgets:
                    self._forgetting.add(link.name)
                if not self._is_down(link):
                    self._go_on(link)

    def _stop(self, link: Stoppable, how: ProcessFaultKind) -> None:
        if isinstance(how, OutageKind):
            self._dead.add(link.name)
            link.crash()
        else:
            link.freeze()

    def _go_on(self, link: Stoppable) -> None:
        """Nothing stops the link any more. One that died meanwhile begins anew."""
        link.thaw()
        if link.name in self._dead:
            forgets = link.name in self._forgetting
            link.revive(forgets=forgets)
            if forgets:
                self._change_again(link)
        self._dead.discard(link.name)
        self._forgetting.discard(link.name)

    def _change_again(self, link: Stoppable) -> None:
        """Change a link that knows nothing of before as the faults do that last.

        Their hits were counted when they were switched on.
        """
        for fault in self._active.values():
            kind = fault.parameters
            if isinstance(kind, StateFaultKind) and kind.lasts and link.name in fault.links:
                link.apply(kind, self._window(fault))

    def _window(self, fault: ActiveFault) -> str:
        """The name of the time that a fault is on: every process has switched it on as often."""
        return f"{fault.id}.{self._windows[fault.id]}"

    def _is_down(self, link: Stoppable) -> bool:
        """Whether another fault still stops it."""
        return any(
            isinstance(fault.parameters, ProcessFaultKind) and link.name in fault.links
            for fault in self._active.values()
        )

    def _acted_on_by(self, fault: ActiveFault) -> list[Stoppable]:
        return [link for name, link in self._links.items() if name in fault.links]

    def _counted_as(self, fault: ActiveFault, key: RequestKey, link: str) -> RequestKey:
        """What a repeat is counted by, over all links that a fault acts in.

        No process counts the requests of another's links: there each link counts its own.
        """
        if fault.links <= self._links.keys():
            return key
        payment, attempt, operation = key
        return payment, attempt, f"{operation} {link}"

    def affecting(
        self, context: Context, caller: str, operation: str, request: PaymentRequest
    ) -> list[ActiveFault]:
        """The faults that act on this request, drawn by their share; each is journalled.

        The draw is keyed by payment, attempt, operation and how often that was asked before: a
        repeat is drawn anew, and a run with the same seed draws the same.
        """
        if not self._active:
            return []
        affecting = []
        key = (request.payment, request.attempt, operation)
        for fault in self._active.values():
            if not fault.applies_to(context.link, caller, operation, request):
                continue
            assert isinstance(fault.parameters, RequestFaultKind)
            if not fault.chooses(context.link, request.payment):
                continue
            counted = self._counted_as(fault, key, context.link)
            nth = fault.seen[counted] = fault.seen[counted] + 1
            if draw(self._seed, fault.id, *counted, nth) >= fault.parameters.share:
                continue
            if fault.admits(context.link, context.now_ns()):
                continue
            self.hits[fault.id] += 1
            context.decided(
                DecisionKind.FAULT_HIT,
                operation,
                caller,
                payment=request.payment,
                attempt=request.attempt,
                detail=fault.id,
            )
            affecting.append(fault)
        return affecting
