"""Refused connections of own services: they leave no trace and are inferred.

While a fault keeps a hop from listening, the operating system refuses whoever connects: the engine
learns of no request, and a service keeps no journal of ours. A call was refused where all of this
holds:

- the payment was at the service while the hop refused connections;
- no request of it came over that hop;
- every route before it was refused, or failed, too;
- the service then used a later route, or failed itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from paychain.analysis.attribution.own_run import OwnRun, Spans
from paychain.analysis.measures.windows import Window, windows_of_any
from paychain.analysis.store.store import RunStore
from paychain.faults.kind import HopFaultKind
from paychain.model.experiment import Experiment
from paychain.model.own_services import own_callers
from paychain.payments.journal import HopRecord
from paychain.payments.outcome import HopResult

BATCH = 1_000  # hops added to the store at once
REFUSES = "refuse"  # the toxic that refuses connections


class _Parent(NamedTuple):
    """A hop that brought a payment to an own service."""

    payment: str
    span: str
    started_ns: int
    ended_ns: int
    result: HopResult


class _AttemptSeen(NamedTuple):
    """A request that the service made below it."""

    attempt: int
    worked: bool


def refused_hops(run: OwnRun) -> None:
    """Each call of an own service that must have been refused is a hop, too."""
    store, chain = run.store, run.chain
    windows = _windows(store, run.experiment)
    if not windows:
        return
    hops: list[HopRecord] = []
    for service in own_callers(chain):
        for operation, call in chain.calls_of(service).items():
            routes = [(to, windows.get(f"{service}.{operation}.{to}", [])) for to in call.targets]
            if not any(refusing for _, refusing in routes):
                continue
            for parent in _parents(store, service):
                hops += _refused(store, parent, service, operation, routes, run.spans)
                if len(hops) >= BATCH:
                    store.ingest(hops)
                    hops.clear()
    store.ingest(hops)


def _windows(store: RunStore, experiment: Experiment) -> dict[str, list[Window]]:
    """When each hop refused connections, by its name."""
    refusing = {
        fault.id
        for fault in experiment.faults
        if isinstance(fault.parameters, HopFaultKind)
        and (
            fault.parameters.refuses_all
            or any(toxic.kind == REFUSES for toxic in fault.parameters.toxics())
        )
    }
    return windows_of_any(store, refusing)


def _parents(store: RunStore, service: str) -> Iterator[_Parent]:
    rows = store.select(
        "SELECT payment, span, started_ns, ended_ns, result FROM hop "
        "WHERE callee = ? AND operation != 'notify' ORDER BY payment, started_ns",
        (service,),
    )
    for payment, span, started_ns, ended_ns, result in rows:
        yield _Parent(payment, span, started_ns, ended_ns, HopResult(result))


def _refused(
    store: RunStore,
    parent: _Parent,
    service: str,
    operation: str,
    routes: list[tuple[str, list[Window]]],
    spans: Spans,
) -> Iterator[HopRecord]:
    """The routes that were refused to one payment at one of its times at the service."""
    met = [
        min(filter(None, (_first(each, parent) for each in windows)), default=None)
        for _, windows in routes
    ]
    if not any(met):
        return
    seen = _seen(store, parent, operation)
    for number, (to, _) in enumerate(routes):
        before = seen.get(to, [])
        if before:
            # It came through, and what worked ends the way.
            if any(request.worked for request in before):
                return
            continue
        later = [request for other, _ in routes[number + 1 :] for request in seen.get(other, [])]
        at_ns = met[number]
        if at_ns is None or not (later or not parent.result.worked):
            return
        yield HopRecord(
            payment=parent.payment,
            attempt=min((request.attempt for request in later), default=1),
            span=spans.new(),
            parent=parent.span,
            caller=service,
            operation=operation,
            callee=to,
            route=number,
            try_number=1,
            started_ns=at_ns + number,  # in their order, where all were refused
            ended_ns=at_ns + number,
            result=HopResult.REFUSED,
            code="",
        )


def _first(window: Window, parent: _Parent) -> int | None:
    """When a payment first met it at the service; None when it never did."""
    from_ns, until_ns = window
    at_ns = max(from_ns, parent.started_ns)
    return at_ns if at_ns <= min(until_ns, parent.ended_ns) else None


def _seen(store: RunStore, parent: _Parent, operation: str) -> dict[str, list[_AttemptSeen]]:
    """The requests below a hop, by the link that they went to."""
    seen: dict[str, list[_AttemptSeen]] = defaultdict(list)
    for callee, attempt, result in store.select(
        "SELECT callee, attempt, result FROM hop "
        "WHERE payment = ? AND parent = ? AND operation = ?",
        (parent.payment, parent.span, operation),
    ):
        seen[callee].append(_AttemptSeen(attempt, HopResult(result).worked))
    return seen
