"""How often each fault really acted: what the engine and the links did, and what callers met."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from paychain.analysis.measures.windows import Window, by_fault, windows_by_target, windows_of
from paychain.analysis.store.calls import (
    calls_during,
    calls_to,
    has_call,
    refusals,
)
from paychain.analysis.store.store import RunStore
from paychain.analysis.store.work_left import has_work_left
from paychain.faults.kind import FreezeKind, HopFaultKind, OutageKind, StateFaultKind
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.own_services import calls_over
from paychain.model.places import links_of
from paychain.payments.journal import EngineEvent, FaultSwitch

_STOPPED = "proxy stopped"  # how the engine words that it cut a connection by stopping a proxy


@dataclass
class _Hits:
    """What one fault on a hop did so far.

    `windows` are the times (ns) it was on, by hop; `connections` those it acted on, as proxy and
    number; `refused` attempts to connect.
    """

    parameters: HopFaultKind
    windows: Mapping[str, Sequence[Window]]
    connections: set[tuple[str, int | None]] = field(default_factory=set)
    refused: int = 0

    @property
    def stops_proxies(self) -> bool:
        """Whether it stops whole proxies: then no toxic reports what it does."""
        return not self.parameters.toxics()

    def was_on(self, hop: str, at_ns: int) -> bool:
        """Whether the fault was on at a hop at a time."""
        return any(start <= at_ns <= end for start, end in self.windows.get(hop, ()))


def fault_hits(
    store: RunStore,
    chain: Chain,
    experiment: Experiment,
    in_links: Mapping[str, int] | None,
    *,
    has_dropped: bool = False,
) -> dict[str, int | None]:
    """What each fault affected, by its id: connections on a hop, requests in a link.

    0: no traffic met it. None: unknown. `in_links`: requests that each in-link fault acted
    on, as the links counted; None when they could not say. `has_dropped`: the engine's log dropped
    events, so what is not in it may have happened all the same.
    """
    on_hops = hop_hits(store, experiment)
    switches = by_fault(switch for switch in store.rows(FaultSwitch) if not switch.error)
    outages = _Outages(chain, experiment, switches)
    hits: dict[str, int | None] = {}
    for fault in experiment.faults:
        windows = windows_of(switches[fault.id])
        if isinstance(fault.parameters, OutageKind):
            links = links_of(chain, fault)
            hits[fault.id] = _outage_hits(
                store, links, windows, outages, forgets=fault.parameters.forgets
            )
        elif isinstance(fault.parameters, FreezeKind) or (
            isinstance(fault.parameters, StateFaultKind) and fault.parameters.lasts
        ):
            affected = [(link, *window) for link in links_of(chain, fault) for window in windows]
            hits[fault.id] = sum(calls_during(store, *during) for during in affected) or int(
                any(outages.found_work(store, link, since_ns) for link, since_ns, _ in affected)
            )
        elif fault.acts_in_link:
            hits[fault.id] = in_links.get(fault.id, 0) if in_links is not None else None
        else:
            counted = on_hops.get(fault.id)
            if not counted and has_dropped:
                counted = None
            hops = {hop for switch in switches[fault.id] for hop in switch.targets}
            calls = {call for hop in hops for call in calls_over(chain, hop)}
            hits[fault.id] = _checked(store, calls, windows, counted)
    return hits


def _checked(
    store: RunStore, calls: Iterable[str], windows: list[Window], counted: int | None
) -> int | None:
    """What the engine counted, or 0 where no call can have met the fault.

    An engine that stops a proxy also cuts connections that nobody uses; one that reports nothing
    may have done nothing.
    """
    if not windows:
        return counted
    since_ns, until_ns = windows[0][0], windows[-1][1]
    return counted if has_call(store, calls, since_ns, until_ns) else 0


class _Outages:
    """When links died so that they may have lost work: what they had only in memory, or all.

    An own service knows what its code has stored, so nothing of its work counts as lost.
    """

    def __init__(
        self, chain: Chain, experiment: Experiment, switches: Mapping[str, Sequence[FaultSwitch]]
    ) -> None:
        self._began_ns: defaultdict[str, list[int]] = defaultdict(list)
        for fault in experiment.faults:
            if not isinstance(fault.parameters, OutageKind):
                continue
            for name in links_of(chain, fault):
                link = chain.links[name]
                loses_work = link.outbox == "memory" or fault.parameters.forgets
                if loses_work and link.service is None:
                    began_ns = (start for start, _ in windows_of(switches.get(fault.id, ())))
                    self._began_ns[name] += began_ns

    def found_work(self, store: RunStore, link: str, at_ns: int) -> bool:
        """Whether what happened to a link at a time found it with something to deliver."""
        before = [began_ns for began_ns in self._began_ns[link] if began_ns < at_ns]
        return has_work_left(store, link, at_ns, before)


def _outage_hits(
    store: RunStore,
    links: Iterable[str],
    windows: Iterable[Window],
    outages: _Outages,
    *,
    forgets: bool,
) -> int:
    """Calls to a link that failed while its process was gone.

    At least one where the link died with work to deliver, and where it forgot its books, if any
    call ever came to it before it died.
    """
    met = was_used = 0
    for since_ns, until_ns in windows:
        for link in links:
            failed, before = calls_to(store, link, since_ns, until_ns)
            met += failed
            was_used |= forgets and before > 0
            was_used |= not met and outages.found_work(store, link, since_ns)
    return met or int(was_used)


def hop_hits(store: RunStore, experiment: Experiment) -> dict[str, int]:
    """Connections that each fault on a hop acted on, and attempts to connect that it refused.

    By the fault's id. Empty without events of the engine: a Toxiproxy server reports none.
    """
    switches = by_fault(store.rows(FaultSwitch))
    hits = {
        fault.id: _Hits(fault.parameters, windows_by_target(switches[fault.id]))
        for fault in experiment.faults
        if isinstance(fault.parameters, HopFaultKind)
    }
    if not hits:
        return {}
    has_events = False
    for event in store.rows(EngineEvent):
        has_events = True
        _count(hits, event)
    if not has_events:
        return {}
    # A refused connection leaves no event, so it is counted where its caller recorded it.
    refusing = [counted for counted in hits.values() if counted.parameters.refuses_all]
    if refusing:
        for hop, at_ns in refusals(store):
            for counted in refusing:
                counted.refused += counted.was_on(hop, at_ns)
    return {fault: len(counted.connections) + counted.refused for fault, counted in hits.items()}


def _count(hits: dict[str, _Hits], event: EngineEvent) -> None:
    connection = (event.proxy, event.connection)
    # There are two ways a fault acts on a connection: by a toxic, which names its fault, and by
    # stopping the proxy, which is attributed by place and time.
    if event.fault in hits and event.kind in ("toxic_hit", "refused"):
        hits[event.fault].connections.add(connection)
    elif event.kind == "closed" and event.detail.startswith(_STOPPED):
        for counted in hits.values():
            if counted.stops_proxies and counted.was_on(event.proxy, event.at_ns):
                counted.connections.add(connection)
