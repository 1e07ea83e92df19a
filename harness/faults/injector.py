"""Switches faults on running proxies and mocks, and says when each took effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import requests

from harness.faults.control import EngineControl, EngineError
from harness.faults.timeline import Switch, toxics_for
from harness.model.fault import Down
from harness.payments.journal import FaultSwitch

TIMEOUT_S = (2.0, 5.0)


class Injector:
    """Applies and heals. Faults that overlap on a hop compose and heal apart from each other."""

    def __init__(
        self, control: EngineControl, services: list[str], now_ns: Callable[[], int]
    ) -> None:
        self._control = control
        self._services = services  # control API addresses
        self._now_ns = now_ns
        self._session = requests.Session()
        self._session.trust_env = False
        self._down: Counter[str] = Counter()  # how many faults hold a proxy down
        self._on: dict[str, Switch] = {}
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
        except (EngineError, requests.RequestException) as failure:
            error = str(failure)
        if switch.action == "apply":
            self._on[fault.id] = switch
        else:
            self._on.pop(fault.id, None)
        return FaultSwitch(
            fault.id, "applied" if switch.action == "apply" else "healed", planned_ns,
            asked_ns if switch.action == "apply" else self._now_ns(),
            "link" if fault.acts_in_link else "hop",
            list(switch.place.links or switch.place.hops), error,
        )  # fmt: skip

    def heal_all(self) -> None:
        """Take off whatever is on, as far as the other side still answers."""
        for switch in list(self._on.values()):
            healed = Switch(switch.at_s, switch.fault, "heal", switch.place)
            self.switch(healed, self._now_ns())

    def link_hits(self) -> dict[str, int]:
        """How many requests each in-link fault acted on."""
        total: Counter[str] = Counter()
        for url in self._services:
            total.update(self._session.get(f"{url}/faults", timeout=TIMEOUT_S).json())
        return dict(total)

    def _in_link(self, switch: Switch) -> None:
        fault = switch.fault
        for url in self._services:
            path = f"{url}/faults/{fault.id}"
            if switch.action == "heal":
                response = self._session.delete(path, timeout=TIMEOUT_S)
            else:
                order = {
                    "links": switch.place.links, "kind": fault.kind,
                    "parameters": fault.parameters.model_dump(),
                    "caller": switch.place.caller, "operation": switch.place.operation,
                }  # fmt: skip
                response = self._session.post(path, json=order, timeout=TIMEOUT_S)
            if response.status_code != 200:
                raise EngineError(f"{path}: {response.text}", response.status_code)

    def _on_hops(self, switch: Switch) -> None:
        fault = switch.fault
        if isinstance(fault.parameters, Down):
            self._hold_down(switch)
            return
        if switch.action == "heal":
            self._count(switch)
        for hop in switch.place.hops:
            for order in toxics_for(fault.parameters):
                name = f"{fault.id}_{order.stream}"
                if switch.action == "heal":
                    self._control.remove_toxic(hop, name)
                else:
                    self._control.add_toxic(
                        hop, name, order.kind, order.stream, fault.parameters.share,
                        order.attributes,
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
                if name.rpartition("_")[0] == switch.fault.id:
                    self.hits[switch.fault.id] += toxic["connections"]
