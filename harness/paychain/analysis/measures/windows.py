"""From when until when faults were on, as they were really switched."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable

from paychain.analysis.store.store import RunStore
from paychain.payments.journal import FaultSwitch

Window = tuple[int, float]
"""From and until when a fault was on (ns); infinity: it was never healed."""


def by_fault(switches: Iterable[FaultSwitch]) -> defaultdict[str, list[FaultSwitch]]:
    """The switches of each fault, by its id."""
    found: defaultdict[str, list[FaultSwitch]] = defaultdict(list)
    for switch in switches:
        found[switch.fault].append(switch)
    return found


def windows_of(switches: Iterable[FaultSwitch]) -> list[Window]:
    """When one fault was on; its switches in their order."""
    windows: list[Window] = []
    for switch in switches:
        if switch.action == "applied":
            windows.append((switch.effective_ns, math.inf))
        elif windows:
            windows[-1] = (windows[-1][0], switch.effective_ns)
    return windows


def windows_by_target(switches: Iterable[FaultSwitch]) -> dict[str, list[Window]]:
    """When one fault was on at each of its targets: hops or links, by their names."""
    of_target: dict[str, list[FaultSwitch]] = defaultdict(list)
    for switch in switches:
        for target in switch.targets:
            of_target[target].append(switch)
    return {target: windows_of(switched) for target, switched in of_target.items()}


def windows_of_any(store: RunStore, faults: Collection[str]) -> dict[str, list[Window]]:
    """When any of these faults was on at each target; the windows of two faults may overlap."""
    windows: dict[str, list[Window]] = defaultdict(list)
    if not faults:
        return windows
    worked = (switch for switch in store.rows(FaultSwitch) if not switch.error)
    for fault, switches in by_fault(worked).items():
        if fault in faults:
            for target, of_target in windows_by_target(switches).items():
                windows[target] += of_target
    return windows
