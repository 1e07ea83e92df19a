"""For how long a fault keeps every request of some hops from being answered.

A share of errors, or an answer that is a little late, delays what is sent until it is answered; it
stops nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from paychain.faults.fault import Fault
from paychain.faults.kind import (
    FaultKind,
    FreezeKind,
    OutageKind,
    RequestFaultKind,
    SharedFaultKind,
)
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.hop import Hop
from paychain.model.places import Place, place_of
from paychain.payments.codes import is_technical, lookup

Chosen = Callable[[Hop], bool]


def stopped_s(chain: Chain, experiment: Experiment, chosen: Chosen, timeout_s: float) -> float:
    """Seconds of the longest time in which one of the chosen hops carries no answer; 0 without any.

    `timeout_s`: how long a caller waits for one.
    """
    hops = [hop for hop in chain.hops() if chosen(hop)]
    # Only reversals are repeated until they are approved.
    are_reversals = all(hop.operation == "void" for hop in hops)
    times = (
        standstill_s(fault, timeout_s, declines_end=not are_reversals)
        for fault in experiment.faults
        if _covers_any(chain, place_of(chain, fault), hops)
    )
    return max(times, default=0.0)


def standstill_s(fault: Fault, timeout_s: float, *, declines_end: bool = True) -> float:
    """Seconds of the longest window of a fault that lets nothing through; 0 if none does.

    `declines_end`: what is declined is not sent again.
    """
    windows = (
        end - start
        for start, end, like in fault.windows()
        if _stops(like.parameters, timeout_s, declines_end=declines_end)
    )
    return max(windows, default=0.0)


def down_s(chain: Chain, experiment: Experiment, link: str) -> float:
    """Seconds of the longest time in which a link's process does nothing; 0 without any."""
    return max(
        (
            fault.lasts
            for fault in experiment.faults
            if isinstance(fault.parameters, OutageKind | FreezeKind)
            and link in place_of(chain, fault).links
        ),
        default=0.0,
    )


def _covers_any(chain: Chain, place: Place, hops: list[Hop]) -> bool:
    disturbed = [hop for hop in chain.hops() if hop.name in place.hops]
    return any(
        any(hop == other or _is_one_way(chain, hop, other) for other in disturbed)
        or any(spot.covers(hop.callee, hop.caller, hop.operation) for spot in place.spots)
        for hop in hops
    )


def _is_one_way(chain: Chain, hop: Hop, other: Hop) -> bool:
    """Whether two hops are one connection: an own service knows one address of a provider."""
    is_provider = chain.links[hop.callee].dialect.is_vendors
    return is_provider and (hop.caller, hop.callee) == (other.caller, other.callee)


def _stops(kind: FaultKind, timeout_s: float, *, declines_end: bool) -> bool:
    """Whether every request meets it, and none that does is answered within its timeout."""
    if isinstance(kind, SharedFaultKind) and kind.share < 1:
        return False
    if isinstance(kind, RequestFaultKind) and (kind.is_numbered or kind.limit_per_s is not None):
        return False
    if declines_end and any(map(_is_final, kind.decline_codes.values())):
        return False
    return kind.stops(timeout_s)


def _is_final(code: str) -> bool:
    """Whether a decline with this code is the answer, and no failure of the link."""
    return lookup(code) is not None and not is_technical(code)
