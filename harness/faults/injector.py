"""Switches faults on running proxies and mocks, and says when each took effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from harness.faults.control import EngineError
from harness.faults.links import LinkFaults
from harness.faults.timeline import Switch
from harness.faults.toxic_order import Unfit, fault_of, orders_for
from harness.model.fault import Fault
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

    def counters(self) -> dict[str, Any]:
        """Counters per proxy; empty for an engine that has none."""


class Injector:
    """Applies and heals. Faults that overlap on a hop compose and heal apart from each other."""

    def __init__(
        self, control: HopFaults, services: Sequence[LinkFaults], now_ns: Callable[[], int]
    ) -> None:
        self._control = control
        self._services = services
        self._now_ns = now_ns
        self._down: Counter[str] = Counter()  # how many faults hold a proxy down
        self.hits: Counter[str] = Counter()  # on hops, as far as the engine can say

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
        return FaultSwitch(
            fault.id, "applied" if switch.action == "apply" else "healed", planned_ns,
            asked_ns if switch.action == "apply" else self._now_ns(),
            "link" if fault.acts_in_link else "hop",
            list(switch.place.links or switch.place.hops), error,
        )  # fmt: skip

    def tally(
        self, faults: Iterable[Fault], *, counts_connections: bool
    ) -> dict[str, dict[str, int | str | None]]:
        """How often each fault acted; None where the engine cannot say."""
        in_links: Counter[str] = Counter()
        for service in self._services:
            in_links.update(service.hits())
        return {
            fault.id: {"hits": in_links[fault.id], "unit": "requests"}
            if fault.acts_in_link
            else {
                "hits": self.hits[fault.id] if counts_connections else None, "unit": "connections",
            }
            for fault in faults
        }  # fmt: skip

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
        if switch.action == "heal":
            self._count(switch)
        for hop in switch.place.hops:
            for order in orders:
                if switch.action == "heal":
                    self._control.remove_toxic(hop, order.name(fault.id))
                else:
                    self._control.add_toxic(
                        hop, order.name(fault.id), order.kind, order.stream,
                        fault.parameters.share, order.attributes,
                    )  # fmt: skip

    def _hold_down(self, switch: Switch) -> None:
        live = self._control.counters() if switch.action == "apply" else {}
        for hop in switch.place.hops:
            if switch.action == "apply":
                self._down[hop] += 1
                self.hits[switch.fault.id] += int(live.get(hop, {}).get("live", 0))
                if self._down[hop] == 1:
                    self._control.enable(hop, enabled=False)
            else:
                self._down[hop] -= 1
                if self._down[hop] == 0:
                    self._control.enable(hop, enabled=True)

    def _count(self, switch: Switch) -> None:
        """Take a toxic's hits before it goes."""
        counted: dict[str, Any] = self._control.counters()
        for hop in switch.place.hops:
            for name, toxic in counted.get(hop, {}).get("toxics", {}).items():
                if fault_of(name) == switch.fault.id:
                    self.hits[switch.fault.id] += toxic["connections"]
