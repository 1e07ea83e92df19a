"""Which process runs which links, and which fault engine has the proxy of which hop.

    payments of an entry ─> calls over each hop ─> work of each link and proxy ─> processes

A Python process uses one core, however many links it runs. So the links, and the proxies in front
of them, are shared out over several: by the work that a payment makes for each.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from paychain.model.chain import Chain
from paychain.model.experiment import MAX_PROCESSES, MIN_PROCESSES, NumberOfProcesses
from paychain.model.hop import Hop
from paychain.model.own_services import observed_hops
from paychain.model.policy import Call

# Processor time of one request for its callee, its caller and a proxy without toxics, which takes
# 60 to 90 us on a busy machine. Fitted to processes of one to three links without service times.
RECEIVING, CALLING, RELAYING = 3.0, 2.2, 1.0
SELDOM = 0.05  # of a call's requests go to a fallback, or are reversals, queries, disputes
PER_CORE = 2  # processes at most, where nobody says how many
MAX_RATE = 20.0  # requests over a hop for one payment: links may call each other in a circle


@dataclass(frozen=True)
class ProcessShares:
    """What each process gets. The first engine has every hop that no other one has."""

    links: tuple[tuple[str, ...], ...]
    hops: tuple[frozenset[str], ...]


@dataclass(frozen=True)
class _Unit:
    """What stays together, and the work that it makes for one payment."""

    names: tuple[str, ...]
    work: float


_Division = tuple[list[list[_Unit]], list[list[_Unit]]]  # of links and of hops, by process


def share_out(chain: Chain, processes: NumberOfProcesses, *, has_engines: bool) -> ProcessShares:
    """Share the links and proxies of this machine out over this number of processes.

    Isolated links are not among them: each has a process of its own. `has_engines`: the fault
    engine is the embedded one, of which several can run; otherwise all processes are for links.
    """
    rates = requests(chain)
    links = _units_of_links(chain, rates)
    hops = _units_of_hops(chain, rates) if has_engines else []
    if isinstance(processes, int):
        of_links, of_hops = _divided(links, hops, processes)
    else:
        of_links, of_hops = _balanced(links, hops)
    return ProcessShares(_names(of_links), tuple(frozenset(names) for names in _names(of_hops)))


def _balanced(links: Sequence[_Unit], hops: Sequence[_Unit]) -> _Division:
    """Over as few processes as keep all cores of this machine busy.

    Work does not divide evenly: with one process for each core, one of them may have most of it,
    and the other cores wait. So there are more, until none has more work than a core's share, or
    than the one link that has most.
    """
    cores = _cores()
    enough = max([_work([*links, *hops]) / cores, *(unit.work for unit in [*links, *hops])])
    fewest, most = max(MIN_PROCESSES, cores), max(MIN_PROCESSES, PER_CORE * cores)
    best = _divided(links, hops, min(fewest, MAX_PROCESSES))
    for processes in range(fewest + 1, min(most, MAX_PROCESSES) + 1):
        if _busiest(best) <= enough:
            break
        best = min(best, _divided(links, hops, processes), key=_busiest)
    return best


def _divided(links: Sequence[_Unit], hops: Sequence[_Unit], processes: int) -> _Division:
    """Over so many processes, as evenly as can be."""
    if not hops:
        return _split(links, processes), []
    # However few there are, links and proxies need a process each.
    tried = [
        (_split(links, max(1, processes - engines)), _split(hops, engines))
        for engines in range(1, max(MIN_PROCESSES, processes))
    ]
    return min(tried, key=lambda each: _unevenness([*each[0], *each[1]]))


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))  # a container may have fewer than the machine
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def requests(chain: Chain) -> dict[str, float]:
    """About how many requests go over each hop for one payment, all policies at rest."""
    at_link = dict.fromkeys(chain.links, 0.0)
    entries = {entry: 1 / len(chain.entries) for entry in chain.entries}
    # Each round reaches links one call further away from the entries.
    for _ in chain.links:
        reached = dict.fromkeys(chain.links, 0.0) | entries
        for hop, rate in _calls(chain, at_link):
            reached[hop.callee] = min(MAX_RATE, reached.get(hop.callee, 0.0) + rate)
        if reached == at_link:
            break
        at_link = reached
    rates = {hop.name: entries[hop.callee] for hop in chain.entry_hops()}
    for hop, rate in _calls(chain, at_link):
        rates[hop.name] = rate
    return rates


def _calls(chain: Chain, at_link: dict[str, float]) -> Iterable[tuple[Hop, float]]:
    """Every hop between links, with its requests, by the requests that reach each link."""
    for hop in chain.hops():
        if hop.caller not in at_link:
            continue  # a customer's
        call = chain.calls_of(hop.caller).get(hop.operation)
        yield hop, at_link[hop.caller] * (_share(call, hop) if call is not None else _aside(hop))


def _share(call: Call, hop: Hop) -> float:
    """The share of a call's requests that goes to one of its targets."""
    asked = [call.to, *(call.quorum.others if call.quorum is not None else ())]
    taking_tenders = [name for name, _ in call.shared_tenders]
    return 1.0 if hop.callee in (*asked, *taking_tenders) else SELDOM


def _aside(hop: Hop) -> float:
    """Requests of no declared call: captures and webhooks come once, others seldom."""
    return 1.0 if hop.operation in ("capture", "notify") else SELDOM


def _units_of_links(chain: Chain, rates: dict[str, float]) -> list[_Unit]:
    here = [
        name
        for name, link in chain.links.items()
        if not link.isolate and link.service is None and chain.host_of(name) is None
    ]
    work = dict.fromkeys(chain.links, 0.0)
    for hop in chain.hops():
        if hop.callee in work:
            work[hop.callee] += RECEIVING * rates[hop.name]
        if hop.caller in work:
            work[hop.caller] += CALLING * rates[hop.name]
    # Attempts of an own service are counted over all links that it calls, in one table.
    called = {name for own in chain.own_services() for name in chain.callees_of(own)}
    if called:
        called |= {hop.callee for hop in observed_hops(chain)}
    return _units(here, work, called)


def _units_of_hops(chain: Chain, rates: dict[str, float]) -> list[_Unit]:
    elsewhere = {link for placed in chain.hosts.values() if placed.engine for link in placed.links}
    names = [hop.name for hop in chain.hops() if hop.callee not in elsewhere]
    # Exchanges of observed hops are compared with each other: one engine notes them, in order.
    observed = {hop.name for hop in observed_hops(chain)}
    return _units(names, {name: RELAYING * rates[name] for name in names}, observed)


def _units(names: Sequence[str], work: dict[str, float], together: Collection[str]) -> list[_Unit]:
    """One for each name; those that belong together are one, which comes first."""
    joined = tuple(name for name in names if name in together)
    units = [_Unit(joined, sum(work[name] for name in joined))] if joined else []
    return units + [_Unit((name,), work[name]) for name in names if name not in together]


def _split(units: Sequence[_Unit], parts: int) -> list[list[_Unit]]:
    """The most work first, each unit to whom has least; the first unit is in the first part."""
    shares: list[list[_Unit]] = [list(units[:1])] + [[] for _ in range(parts - 1)]
    for unit in sorted(units[1:], key=lambda each: -each.work):
        min(shares, key=_work).append(unit)
    return [share for share in shares if share]


def _work(share: Iterable[_Unit]) -> float:
    return sum(unit.work for unit in share)


def _busiest(division: _Division) -> float:
    """The work of the process that has most."""
    return max(map(_work, [*division[0], *division[1]]), default=0.0)


def _unevenness(shares: Sequence[Sequence[_Unit]]) -> tuple[float, float]:
    """First how much the busiest process works, then how unlike the others are."""
    work = [_work(share) for share in shares]
    return max(work, default=0.0), sum(each * each for each in work)


def _names(shares: Iterable[Iterable[_Unit]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(name for unit in share for name in unit.names) for share in shares)
