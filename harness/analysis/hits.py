"""How often each fault on a hop really acted: what the engine did, and what callers met."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.analysis.store import RunStore
from harness.model.experiment import Experiment
from harness.model.fault import Down, Fault, Refuse
from harness.payments.journal import EngineEvent, FaultSwitch

_STOPPED = "proxy stopped"  # how the engine says that it cut a connection for that reason


@dataclass
class _Struck:
    """What one fault on a hop did so far. `windows` are the times it was on, per hop."""

    fault: Fault
    windows: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    connections: set[tuple[str, int | None]] = field(default_factory=set)
    refused: int = 0

    @property
    def stops_proxies(self) -> bool:
        return isinstance(self.fault.parameters, Down) and self.fault.parameters.share >= 1

    @property
    def refuses_all(self) -> bool:
        """Nothing listens, so the engine sees nothing of it; only the callers do."""
        refuses = isinstance(self.fault.parameters, Refuse) and self.fault.parameters.share >= 1
        return refuses or self.stops_proxies

    def held(self, hop: str, at_ns: int) -> bool:
        return any(start <= at_ns <= end for start, end in self.windows[hop])


def hop_hits(store: RunStore, experiment: Experiment) -> dict[str, int]:
    """Connections that each fault on a hop acted on, and attempts to make one that it refused.

    Empty without events of the engine: a real Toxiproxy server cannot say.
    """
    struck = {fault.id: _Struck(fault) for fault in experiment.faults if not fault.acts_in_link}
    if not struck:
        return {}
    _windows(struck, store.rows(FaultSwitch))
    has_events = False
    for event in store.rows(EngineEvent):
        has_events = True
        _count(struck, event)
    if not has_events:
        return {}
    if any(one.refuses_all for one in struck.values()):
        for hop, at_ns in store.refusals():
            for one in struck.values():
                one.refused += one.refuses_all and one.held(hop, at_ns)
    return {fault: len(one.connections) + one.refused for fault, one in struck.items()}


def _windows(struck: dict[str, _Struck], switches: Iterable[FaultSwitch]) -> None:
    for switch in switches:
        if switch.fault not in struck:
            continue
        for hop in switch.targets:
            windows = struck[switch.fault].windows[hop]
            if switch.action == "applied":
                windows.append((switch.effective_ns, math.inf))
            elif windows:
                windows[-1] = (windows[-1][0], switch.effective_ns)


def _count(struck: dict[str, _Struck], event: EngineEvent) -> None:
    connection = (event.proxy, event.connection)
    if event.fault in struck and event.kind in ("toxic_hit", "refused"):
        struck[event.fault].connections.add(connection)
    elif event.kind == "closed" and event.detail.startswith(_STOPPED):
        for one in struck.values():
            if one.stops_proxies and one.held(event.proxy, event.at_ns):
                one.connections.add(connection)
