"""Switches faults on running proxies and mocks, and says when each took effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from paychain.engine.errors import EngineError
from paychain.engine.timeline import Switch
from paychain.faults.fault import Fault
from paychain.faults.kind import HopFaultKind
from paychain.faults.toxic_spec import ToxicSpec, Unfit
from paychain.model.places import Place
from paychain.payments.journal import FaultSwitch


class HopFaults(Protocol):
    """What an injector needs of a fault engine; each method raises EngineError."""

    def enable(self, name: str, *, enabled: bool) -> None:
        """Start or stop a proxy."""

    def add_toxic(self, proxy: str, name: str, toxic: ToxicSpec, toxicity: float) -> None:
        """Add a toxic to a proxy; `toxicity`: on which share of the connections, from 0 to 1."""

    def remove_toxic(self, proxy: str, name: str) -> None:
        """Remove a toxic from a proxy."""


class LinkFaults(Protocol):
    """Switches in-link faults. Raises EngineError when the other side rejects a request."""

    def apply(self, fault: Fault, place: Place) -> None:
        """Switch a fault on."""

    def heal(self, fault_id: str) -> None:
        """Switch a fault off; one that is off stays off."""

    def hits(self) -> dict[str, int]:
        """How many requests each fault acted on."""


class Injector:
    """Applies and heals. Faults that overlap on a hop compose and heal apart from each other."""

    def __init__(
        self, control: HopFaults, services: Sequence[LinkFaults], now_ns: Callable[[], int]
    ) -> None:
        self._control = control
        self._services = services
        self._now_ns = now_ns
        self._on: dict[str, Switch] = {}  # by fault: what was applied last and holds
        # A switch may be repeated after an error: holders are a set, so it counts once.
        self._down: dict[str, set[str]] = {}  # by proxy: ids of the faults that hold it down

    def switch(self, switch: Switch, planned_ns: int) -> FaultSwitch:
        """Do one switch; what went wrong is in the record, not raised."""
        fault = switch.fault
        error = ""
        # A fault may act from its request until its end is acknowledged.
        asked_ns = self._now_ns()
        try:
            if fault.acts_in_link:
                self._in_link(switch)
            else:
                self._on_hops(switch)
        except EngineError as failure:
            error = str(failure)
        done_ns = self._now_ns()
        if switch.action == "apply":
            self._on[fault.id] = switch
        elif not error:
            self._on.pop(fault.id, None)
        return FaultSwitch(
            fault=fault.id,
            action="applied" if switch.action == "apply" else "healed",
            planned_ns=planned_ns,
            effective_ns=asked_ns if switch.action == "apply" else done_ns,
            place="link" if fault.acts_in_link else "hop",
            targets=list(switch.place.links or switch.place.hops),
            error=error,
            took_ns=done_ns - asked_ns,
        )

    def heal_all(self, planned_ns: int) -> list[FaultSwitch]:
        """Take off every fault that is on, at once."""
        return [
            self.switch(replace(switch, action="heal"), planned_ns)
            for switch in list(self._on.values())
        ]

    def link_hits(self) -> dict[str, int]:
        """How many requests each in-link fault acted on so far; 0 for one that met none."""
        total: Counter[str] = Counter()
        for service in self._services:
            total.update(service.hits())
        return dict(total)

    def _in_link(self, switch: Switch) -> None:
        for service in self._services:
            if switch.action == "heal":
                service.heal(switch.fault.id)
            else:
                service.apply(switch.fault, switch.place)

    def _on_hops(self, switch: Switch) -> None:
        fault, parameters = switch.fault, switch.fault.parameters
        assert isinstance(parameters, HopFaultKind), f"{fault.kind} does not act on a hop"
        try:
            toxics = parameters.toxics()
        except Unfit as error:
            raise EngineError(f"{fault.kind}: {error}") from error
        if not toxics:
            self._hold_down(switch)
            return
        for hop in _in_order(switch):
            for toxic in toxics:
                if switch.action == "heal":
                    self._control.remove_toxic(hop, toxic.name(fault.id))
                else:
                    self._control.add_toxic(hop, toxic.name(fault.id), toxic, parameters.share)

    def _hold_down(self, switch: Switch) -> None:
        for hop in _in_order(switch):
            holders = self._down.setdefault(hop, set())
            if switch.action == "apply":
                holders.add(switch.fault.id)
                if len(holders) == 1:
                    self._control.enable(hop, enabled=False)
            else:
                holders.discard(switch.fault.id)
                if not holders:
                    self._control.enable(hop, enabled=True)


def _in_order(switch: Switch) -> tuple[str, ...]:
    """The hops of a fault: the hops of reversals come last, and the fault is injected there first.

    An engine outside switches hop by hop, milliseconds apart. In the other order, a payment that
    the fault broke could still be reversed through a hop that the fault has not reached yet.
    """
    hops = switch.place.hops
    return hops[::-1] if switch.action == "apply" else hops
