"""In-link faults: what no TCP proxy can do, switched on running links."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.model.fault import Crash
from harness.payments.chance import draw
from harness.payments.journal import DecisionKind
from harness.services.context import Context
from harness.services.message import PaymentRequest


@dataclass(slots=True)
class ActiveFault:
    """One in-link fault that is switched on. `caller`/`operation` narrow it to one call."""

    id: str
    parameters: Any  # one of harness.model.fault.LINK_KINDS
    links: frozenset[str]
    caller: str | None = None
    operation: str | None = None
    seen: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    healed: asyncio.Event = field(default_factory=asyncio.Event)

    def strikes(self, link: str, caller: str, operation: str, request: PaymentRequest) -> bool:
        """Whether this request is one of those that it is for, whatever its share."""
        if isinstance(self.parameters, Crash) or link not in self.links:
            return False
        if self.caller not in (None, caller) or self.operation not in (None, operation):
            return False
        only = self.parameters.only
        return only is None or only.strikes(
            request.card.number, request.card.scheme, request.merchant
        )


class Crashable(Protocol):
    """A link that can die and come back."""

    name: str

    def crash(self) -> None:
        """Stop at once: nothing is answered, nothing is finished."""

    def revive(self, *, forgets: bool) -> None:
        """Come back on the same address."""


class InLinkFaults:
    """The in-link faults of one process, shared by its links."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._active: dict[str, ActiveFault] = {}
        self._links: dict[str, Crashable] = {}
        self._forgetting: set[str] = set()  # links that are down and will know nothing
        self.hits: dict[str, int] = {}

    def watch_over(self, link: Crashable) -> None:
        """Know a link that crashes may strike."""
        self._links[link.name] = link

    def apply(self, fault: ActiveFault) -> None:
        """Switch a fault on; switching it on again replaces it."""
        before = self._active.get(fault.id)
        if before is not None:  # what was stuck on it stays stuck
            fault.healed = before.healed
        self._active[fault.id] = fault
        self.hits.setdefault(fault.id, 0)
        if isinstance(fault.parameters, Crash):
            for link in self._struck(fault):
                link.crash()
                self.hits[fault.id] += 1

    def heal(self, fault_id: str) -> None:
        """Switch a fault off; one that is off stays off."""
        fault = self._active.pop(fault_id, None)
        if fault is None:
            return
        fault.healed.set()
        if isinstance(fault.parameters, Crash):
            for link in self._struck(fault):
                if fault.parameters.forgets:
                    self._forgetting.add(link.name)
                if not self._is_down(link):
                    link.revive(forgets=link.name in self._forgetting)
                    self._forgetting.discard(link.name)

    def _is_down(self, link: Crashable) -> bool:
        """Whether another crash still holds it."""
        return any(
            isinstance(fault.parameters, Crash) and link.name in fault.links
            for fault in self._active.values()
        )

    def _struck(self, fault: ActiveFault) -> list[Crashable]:
        return [link for name, link in self._links.items() if name in fault.links]

    def striking(
        self, context: Context, caller: str, operation: str, request: PaymentRequest
    ) -> list[ActiveFault]:
        """The faults that act on this request, drawn by their share; each is journalled.

        The draw is keyed by payment, attempt, operation and how often that was asked before: a
        repeat meets its own fate, and a run with the same seed meets the same ones.
        """
        if not self._active:
            return []
        struck = []
        key = (request.payment, request.attempt, operation)
        for fault in self._active.values():
            if not fault.strikes(context.link, caller, operation, request):
                continue
            nth = fault.seen[key] = fault.seen[key] + 1
            if draw(self._seed, fault.id, *key, nth) >= fault.parameters.share:
                continue
            self.hits[fault.id] += 1
            context.decided(
                DecisionKind.FAULT_HIT, operation, caller, payment=request.payment,
                attempt=request.attempt, detail=fault.id,
            )  # fmt: skip
            struck.append(fault)
        return struck
