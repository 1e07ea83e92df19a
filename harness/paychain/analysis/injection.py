"""Whether what was injected is what was declared: when each fault was on, and who switched it.

    planned     |---- on ----|            applied 2 s late, healed in time: not the declared fault
    switched          |--on--|

What the engine and the links noted of their switches, and the run did not ask for, was done by
somebody else. Either makes a run inconclusive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.measures.windows import by_fault
from paychain.analysis.store.store import RunStore
from paychain.declaration.quantity import seconds_text
from paychain.faults.fault import Fault
from paychain.faults.kind import OutageKind
from paychain.model.experiment import Times
from paychain.payments.journal import EngineEvent, FaultSwitch, LinkSwitch

LATE_NS = 250_000_000  # a switch may be this late, or by a share of how long its fault lasts
LATE_SHARE = 0.05
HALF = 0.5  # of a short fault: what lost or gained more is another fault
EARLY_NS = 10_000_000  # only a load that failed leaves switches to be done before their time
APART_NS = 50_000_000  # how far apart two machines' clocks may show one moment
_ENGINE_SWITCHES = frozenset(
    {
        "proxy_created",
        "proxy_deleted",
        "proxy_enabled",
        "proxy_disabled",
        "toxic_added",
        "toxic_updated",
        "toxic_removed",
        "reset",
    }
)
_BY_ACTION = {  # of the run: what the engine notes of it
    "applied": frozenset({"toxic_added", "proxy_disabled"}),
    "healed": frozenset({"toxic_removed", "proxy_enabled"}),
}
_WHAT = {  # of somebody else, in words
    "proxy_created": "a proxy was made",
    "proxy_deleted": "the proxy was removed",
    "proxy_enabled": "the proxy was enabled",
    "proxy_disabled": "the proxy was disabled",
    "toxic_added": "a toxic was added",
    "toxic_updated": "a toxic was changed",
    "toxic_removed": "a toxic was removed",
    "reset": "all faults were reset",
    "applied": "a fault was applied",
    "healed": "a fault was healed",
    "connected": "its routes were set",
}
MAX_NAMED = 3  # switches of somebody else that are named


def injection_problems(run: MeasuredRun) -> list[str]:
    """Why the faults of a run are not the declared ones, in sentences."""
    store = run.store
    switches = list(store.rows(FaultSwitch))
    mine = by_fault(switches)
    found: list[str] = []
    for fault in run.experiment.faults:
        found += _wrong_times(fault, mine[fault.id])
    return [*found, *_of_somebody_else(store, switches, run.times)]


def _wrong_times(fault: Fault, switches: Sequence[FaultSwitch]) -> Iterator[str]:
    """The latest switch of a fault, and how long it was on in all, where they are wrong."""
    if any(switch.error for switch in switches):
        return  # a problem of its own
    windows = [
        _Window(fault, applied, healed)
        for applied, healed in zip(switches[::2], switches[1::2], strict=False)
    ]
    if any(window.is_early for window in windows):
        return
    late = max(windows, key=lambda window: window.late_ns - window.limit_ns, default=None)
    if late is not None and late.late_ns > late.limit_ns:
        yield (
            f"fault {fault.id} was {late.latest} {_text(late.late_ns)} after its time "
            f"(limit {_text(late.limit_ns)}): not the declared fault"
        )
    declared_ns = sum(window.declared_ns for window in windows)
    lasted_ns = sum(window.lasted_ns for window in windows)
    limit_ns = max(LATE_SHARE * declared_ns, min(LATE_NS, HALF * declared_ns))
    if abs(lasted_ns - declared_ns) > limit_ns:
        yield (
            f"fault {fault.id} was on for {_text(lasted_ns)} instead of {_text(declared_ns)}: "
            "not the declared fault"
        )


class _Window:
    """One time that a fault was on."""

    def __init__(self, fault: Fault, applied: FaultSwitch, healed: FaultSwitch) -> None:
        # A process that was killed takes time to start again: that is part of the outage.
        is_outage = isinstance(fault.parameters, OutageKind)
        off_ns = healed.asked_ns if is_outage else healed.acknowledged_ns
        applied_late_ns = applied.acknowledged_ns - applied.planned_ns
        healed_late_ns = off_ns - healed.planned_ns
        self.declared_ns = healed.planned_ns - applied.planned_ns
        self.lasted_ns = off_ns - applied.acknowledged_ns
        self.limit_ns = max(LATE_NS, LATE_SHARE * self.declared_ns)
        self.late_ns = max(applied_late_ns, healed_late_ns)
        self.latest = "applied" if applied_late_ns >= healed_late_ns else "healed"
        self.is_early = min(applied_late_ns, healed_late_ns) < -EARLY_NS


def _text(ns: float) -> str:
    return seconds_text(ns / 1e9)


@dataclass
class _Ordered:
    """What the run requested, by fault and by hop."""

    by_fault: dict[str, list[FaultSwitch]] = field(default_factory=lambda: defaultdict(list))
    by_hop: dict[str, list[FaultSwitch]] = field(default_factory=lambda: defaultdict(list))
    heals: list[FaultSwitch] = field(default_factory=list)  # in links

    @classmethod
    def of(cls, switches: Iterable[FaultSwitch]) -> _Ordered:
        ordered = cls()
        for switch in switches:
            ordered.by_fault[switch.fault].append(switch)
            if switch.place == "link":
                ordered.heals += [switch] * (switch.action == "healed")
            else:
                for hop in switch.targets:
                    ordered.by_hop[hop].append(switch)
        return ordered

    def has_engine_switch(self, event: EngineEvent) -> bool:
        """Whether the run asked an engine for it then."""
        of = self.by_fault[event.fault] if event.toxic else self.by_hop[event.proxy]
        return any(
            event.kind in _BY_ACTION[switch.action]
            and event.proxy in switch.targets
            and _is_within(event.at_ns, switch)
            for switch in of
        )

    def has_link_switch(self, event: LinkSwitch) -> bool:
        """Whether the run asked a link for it then.

        A link that starts again, or goes on, is given its routes and every fault anew.
        """
        return any(
            event.action == switch.action and _is_within(event.at_ns, switch)
            for switch in self.by_fault[event.fault]
        ) or any(_is_within(event.at_ns, switch) for switch in self.heals)


def _is_within(at_ns: int, switch: FaultSwitch) -> bool:
    """Whether it may have been done for that switch. One without an answer may be done later."""
    is_over = at_ns > switch.acknowledged_ns + APART_NS and not switch.error
    return at_ns >= switch.asked_ns - APART_NS and not is_over


def _of_somebody_else(
    store: RunStore, switches: Sequence[FaultSwitch], times: Times
) -> Iterator[str]:
    ordered = _Ordered.of(switches)
    start_ns = int(times.load_start_s * 1e9)
    strange = [
        *_before(ordered, store, start_ns),
        *(
            (event.at_ns, f"{event.proxy}: {_WHAT[event.kind]}".removeprefix(": "))
            for event in store.rows(EngineEvent)
            if event.kind in _ENGINE_SWITCHES and event.at_ns > start_ns
            if not ordered.has_engine_switch(event)
        ),
        *(
            (event.at_ns, f"{event.process}: {_WHAT[event.action]}")
            for event in store.rows(LinkSwitch)
            if event.at_ns > start_ns and not ordered.has_link_switch(event)
        ),
    ]
    if not strange:
        return
    strange.sort()
    named = "; ".join(
        f"{what} at {at_ns / 1e9 - times.load_start_s:.1f} s" for at_ns, what in strange[:MAX_NAMED]
    )
    more = f"; and {len(strange) - MAX_NAMED} more" if len(strange) > MAX_NAMED else ""
    yield f"somebody else switched faults during the run: {named}{more}"


def _before(ordered: _Ordered, store: RunStore, start_ns: int) -> Iterator[tuple[int, str]]:
    """What was on when the load began although the run had not applied it."""
    toxics: dict[tuple[str, str], EngineEvent] = {}
    disabled: dict[str, EngineEvent] = {}
    for event in store.rows(EngineEvent):
        if event.at_ns > start_ns:
            continue
        if event.kind == "toxic_added":
            toxics[event.proxy, event.toxic or ""] = event
        elif event.kind == "toxic_removed":
            toxics.pop((event.proxy, event.toxic or ""), None)
        elif event.kind == "proxy_disabled":
            disabled[event.proxy] = event
        elif event.kind == "proxy_enabled":
            disabled.pop(event.proxy, None)
        elif event.kind == "proxy_deleted":
            # Whatever it was used for, it is in nobody's way any more.
            disabled.pop(event.proxy, None)
            toxics = {key: toxic for key, toxic in toxics.items() if key[0] != event.proxy}
    for toxic in toxics.values():
        if not _is_on(ordered.by_fault[toxic.fault], start_ns):
            yield toxic.at_ns, f"{toxic.proxy}: {_WHAT[toxic.kind]}"
    for stop in disabled.values():
        if not _is_on(ordered.by_hop[stop.proxy], start_ns):
            yield stop.at_ns, f"{stop.proxy}: {_WHAT[stop.kind]}"
    faults: dict[tuple[str, str], LinkSwitch] = {}
    for switch in store.rows(LinkSwitch):
        if switch.at_ns <= start_ns and switch.action == "applied":
            faults[switch.process, switch.fault] = switch
        elif switch.at_ns <= start_ns and switch.action == "healed":
            faults.pop((switch.process, switch.fault), None)
    for switch in faults.values():
        if not _is_on(ordered.by_fault[switch.fault], start_ns):
            yield switch.at_ns, f"{switch.process}: {_WHAT[switch.action]}"


def _is_on(switches: Sequence[FaultSwitch], start_ns: int) -> bool:
    """Whether the run itself had applied one of them by the start."""
    return any(
        switch.action == "applied" and switch.asked_ns <= start_ns + APART_NS for switch in switches
    )
