"""How often calls found as many nodes as they need in one run, beside what the formula says.

Only the first call of a payment counts: it comes when the customer does, whatever state the nodes
are in. Those that follow come more often the worse things are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from paychain.analysis.nodes.breaking import nodes_of, zones_of
from paychain.analysis.nodes.k_of_n import enough, exact, spread_of_states, worth
from paychain.analysis.store.store import RunStore
from paychain.faults.fault import Fault
from paychain.faults.kinds.down import Down
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment, Times
from paychain.model.nodes import GATEWAY
from paychain.model.pick import Pick
from paychain.payments.journal import DecisionKind, HopRecord

CONFIDENCE = 0.95  # of all rows of a run together
SETTLE_S = 0.5  # after a zone went or came back, until every connection has noticed
MIN_CALLS = 20


class CallsDuringOutage(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of one operation while the same zones were gone. Shares are of 1.

    `expected`: how many of them find enough nodes, by the formula; `observed`: how many did, with
    the interval around it. `worth`: how many independent calls they are worth.
    """

    gone: list[str]  # zones
    operation: str
    needed: int  # nodes
    asked: int  # at most
    calls: int
    worth: float
    expected: float
    observed: float
    low: float
    high: float

    @property
    def is_plain(self) -> bool:
        """Whether every call found enough nodes, or none did, as the formula says to a permille."""
        return self.observed in (0.0, 1.0) and abs(self.expected - self.observed) < 5e-4

    @property
    def agrees(self) -> bool:
        """Whether the formula's value lies within the interval."""
        return self.low <= self.expected <= self.high


@dataclass(frozen=True, kw_only=True)
class _Asks:
    """A call that goes to the nodes, maybe over a gateway."""

    caller: str
    operation: str
    pick: Pick
    by_gateway: bool

    @property
    def longest_s(self) -> float:
        """Seconds until it ends, at most."""
        return self.pick.timeout * (1 + self.pick.most - min(self.pick.ask, self.pick.most))


@dataclass(frozen=True)
class _Stretch:
    """A time in which the same zones are gone, in seconds of the run's clock."""

    from_s: float
    until_s: float
    gone: frozenset[str]


def found(
    chain: Chain, experiment: Experiment, times: Times, store: RunStore
) -> list[CallsDuringOutage]:
    """A row for each operation and each set of zones that was gone for long enough to tell."""
    calls = {asks: _first_calls(store, asks) for asks in _asking(chain)}
    stretches = list(_stretches(experiment, times))
    zones = frozenset(zones_of(chain))
    rows = []
    for asks, first in calls.items():
        by_gone: dict[frozenset[str], list[_Stretch]] = defaultdict(list)
        for stretch in stretches:
            # While the caller itself is down it asks no nodes.
            if not stretch.gone & set(chain.links[asks.caller].depends_on):
                by_gone[stretch.gone & zones].append(stretch)
        for gone, same in by_gone.items():
            spans = [
                (stretch.from_s + SETTLE_S, stretch.until_s - asks.longest_s)
                for stretch in same
                if stretch.until_s - asks.longest_s > stretch.from_s + SETTLE_S
            ]
            ends = [
                is_found
                for at_s, is_found in first
                if any(start <= at_s < end for start, end in spans)
            ]
            if len(ends) >= MIN_CALLS:
                rows.append((asks, gone, [end - start for start, end in spans], ends))
    # All rows are held against the formula together: of twenty at 95 % one would be outside.
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(rows))
    return [_row(chain, *row, confidence) for row in rows]


def expected(chain: Chain, operation: str, gone: frozenset[str]) -> float:
    """How many calls of an operation find enough nodes while these zones are gone."""
    (asks,) = (each for each in _asking(chain) if each.operation == operation)
    return _expected(chain, asks, gone)


def _expected(chain: Chain, asks: _Asks, gone: frozenset[str]) -> float:
    if asks.by_gateway and gone & set(chain.links[GATEWAY].depends_on):
        return 0.0
    return enough(_on(chain, gone), asks.pick.agree, asks.pick.most)


def _row(
    chain: Chain,
    asks: _Asks,
    gone: frozenset[str],
    spans_s: list[float],
    ends: list[bool],
    confidence: float,
) -> CallsDuringOutage:
    share = _expected(chain, asks, gone)
    states = spread_of_states(_on(chain, gone), asks.pick.agree, asks.pick.most)
    independent = worth(len(ends), share, states, spans_s, _lasts_s(chain))
    observed = sum(ends) / len(ends)
    low, high = exact(observed, independent, confidence)
    return CallsDuringOutage(
        gone=sorted(gone),
        operation=asks.operation,
        needed=asks.pick.agree,
        asked=asks.pick.most,
        calls=len(ends),
        worth=independent,
        expected=share,
        observed=observed,
        low=low,
        high=high,
    )


def _on(chain: Chain, gone: frozenset[str]) -> list[float]:
    """How likely each node is on."""
    links = (chain.links[name] for name in nodes_of(chain).names)
    return [
        0.0 if gone & set(link.depends_on) else link.churn.on if link.churn is not None else 1.0
        for link in links
    ]


def _lasts_s(chain: Chain) -> float:
    """How long a state of the nodes lasts: the time constant of the slowest that come and go."""
    churns = [zone.churn for zone in nodes_of(chain).zones.values() if zone.churn is not None]
    return max((churn.lasts * (1 - churn.on) for churn in churns), default=0.0)


def _asking(chain: Chain) -> Iterator[_Asks]:
    """The calls of links outside the template that go to its nodes."""
    outside = [name for name in chain.links if name not in nodes_of(chain).all_names]
    for caller in outside:
        for operation, call in chain.calls_of(caller).items():
            behind = chain.links[GATEWAY].calls.get(operation) if call.to == GATEWAY else None
            pick = call.pick if behind is None else behind.pick
            if pick is not None:
                yield _Asks(
                    caller=caller, operation=operation, pick=pick, by_gateway=behind is not None
                )


def _first_calls(store: RunStore, asks: _Asks) -> list[tuple[float, bool]]:
    """When each payment's first call began, in seconds, and whether it found enough nodes."""
    began: dict[str, HopRecord] = {}
    for hop in store.rows(HopRecord):
        if (hop.caller, hop.operation) == (asks.caller, asks.operation):
            known = began.get(hop.payment)
            if known is None or hop.started_ns < known.started_ns:
                began[hop.payment] = hop
    if asks.by_gateway:
        return [(hop.started_ns / 1e9, hop.result.worked) for hop in began.values()]
    ended: dict[str, tuple[int, bool]] = {}
    for kind in (DecisionKind.AGREED, DecisionKind.TOO_FEW):
        for decision in store.decisions(kind):
            if (decision.link, decision.operation) == (asks.caller, asks.operation):
                known_end = ended.get(decision.payment)
                if known_end is None or decision.at_ns < known_end[0]:
                    ended[decision.payment] = decision.at_ns, kind is DecisionKind.AGREED
    return [
        (hop.started_ns / 1e9, ended[payment][1])
        for payment, hop in began.items()
        if payment in ended
    ]


def _stretches(experiment: Experiment, times: Times) -> Iterator[_Stretch]:
    """The load's time in stretches between which zones go or come back.

    Those with a fault that does not take a whole zone are left out: no formula is for them.
    """
    windows = [
        (times.faults_start_s + start_s, times.faults_start_s + end_s, _zones(fault))
        for fault in experiment.faults
        for start_s, end_s, fault in fault.windows()
    ]
    edges = {times.before_start_s, times.load_end_s}
    edges |= {edge for start_s, end_s, _ in windows for edge in (start_s, end_s)}
    inside = sorted(edge for edge in edges if times.before_start_s <= edge <= times.load_end_s)
    for from_s, until_s in pairwise(inside):
        on = [zones for start_s, end_s, zones in windows if start_s <= from_s < end_s]
        known = [zones for zones in on if zones is not None]
        if len(known) == len(on):
            yield _Stretch(from_s, until_s, frozenset().union(*known))


def _zones(fault: Fault) -> frozenset[str] | None:
    """The zones that a fault takes as a whole; None when it does something else."""
    named = [target.provider for target in fault.every_target]
    is_whole = isinstance(fault.parameters, Down) and fault.parameters.share >= 1
    zones = frozenset(zone for zone in named if zone is not None)
    return zones if is_whole and len(zones) == len(named) else None
