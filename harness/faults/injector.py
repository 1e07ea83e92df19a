"""Switches faults on running proxies and mocks, and says when each took effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from harness.faults.control import EngineError
from harness.faults.links import LinkFaults
from harness.faults.timeline import Switch
from harness.faults.toxic_order import Unfit, orders_for
from harness.payments.journal import FaultSwitch


class HopFaults(Protocol):
    """What an injector needs of a fault engine; each method raises EngineError."""

    def enable(self, name: str, *, enabled: bool) -> None:
        """Start or stop a proxy."""

    def add_toxic(
        self, proxy: str, name: str, kind: str, stream: str, toxicity: float,
        attributes: dict[str, int],
    ) -> None:  # fmt: skip
        """Add a toxic to a proxy."""

    def remove_toxic(self, proxy: str, name: str) -> None:
        """Remove a toxic from a proxy."""


class Injector:
    """Applies and heals. Faults that overlap on a hop compose and heal apart from each other."""

    def __init__(
        self, control: HopFaults, services: Sequence[LinkFaults], now_ns: Callable[[], int]
    ) -> None:
        self._control = control
        self._services = services
        self._now_ns = now_ns
        self._on: dict[str, Switch] = {}  # by fault: what was applied last and holds
        self._down: Counter[str] = Counter()  # how many faults hold a proxy down

    def switch(self, switch: Switch, planned_ns: int) -> FaultSwitch:
        """Do one switch; what went wrong is in the record, not raised."""
        fault = switch.fault
        error = ""
        # A fault may act from the moment it is asked for, and until its end is acknowledged.
        asked_ns = self._now_ns()
        try:
            if fault.acts_in_link:
                self._in_link(switch)
            else:
                self._on_hops(switch)
        except EngineError as failure:
            error = str(failure)
        if switch.action == "apply":
            self._on[fault.id] = switch
        elif not error:
            self._on.pop(fault.id, None)
        return FaultSwitch(
            fault.id, "applied" if switch.action == "apply" else "healed", planned_ns,
            asked_ns if switch.action == "apply" else self._now_ns(),
            "link" if fault.acts_in_link else "hop",
            list(switch.place.links or switch.place.hops), error,
        )  # fmt: skip

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
        fault = switch.fault
        try:
            orders = orders_for(fault.parameters)
        except Unfit as error:
            raise EngineError(f"{fault.kind}: {error}") from error
        if not orders:
            self._hold_down(switch)
            return
        for hop in _in_order(switch):
            for order in orders:
                if switch.action == "heal":
                    self._control.remove_toxic(hop, order.name(fault.id))
                else:
                    self._control.add_toxic(
                        hop, order.name(fault.id), order.kind, order.stream,
                        fault.parameters.share, order.attributes,
                    )  # fmt: skip

    def _hold_down(self, switch: Switch) -> None:
        for hop in _in_order(switch):
            if switch.action == "apply":
                self._down[hop] += 1
                if self._down[hop] == 1:
                    self._control.enable(hop, enabled=False)
            else:
                self._down[hop] -= 1
                if self._down[hop] == 0:
                    self._control.enable(hop, enabled=True)


def _in_order(switch: Switch) -> tuple[str, ...]:
    """The hops of a fault: what undoes comes after what it undoes, so it is struck before.

    A real engine is told hop by hop, milliseconds apart. Struck in the other order, what a payment
    lost to the fault could still be reversed through it.
    """
    hops = switch.place.hops
    return hops[::-1] if switch.action == "apply" else hops
