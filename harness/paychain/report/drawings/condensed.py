"""A long chain for the map: rows of links at which nothing happened become one box each.

Otherwise the place where payments broke lies far off the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from paychain.analysis.measures.measures import Break, HopMeasure
from paychain.report.drawings.flows import InjectedFault, PhaseCount, Traffic
from paychain.report.result import CallEdge, ChainFacts, LinkNode

MIN_LINKS = 3  # links in a row: fewer are not worth hiding


@dataclass(frozen=True, kw_only=True)
class CondensedTraffic:
    """The traffic of a chain, part of whose links stand for several."""

    chain: ChainFacts
    hops: Sequence[HopMeasure]
    breaks: Sequence[Break]
    faults: Sequence[InjectedFault]
    phases: Sequence[PhaseCount]


def condensed(traffic: Traffic) -> Traffic:
    """The same traffic with each such row as a link called `12 links`, whose title names them."""
    nodes = {link.name: link for link in traffic.chain.links}
    names: dict[str, str] = {}  # of what is replaced
    boxes: dict[str, LinkNode] = {}
    for row in _rows(traffic):
        name = f"{len(row)} links"
        number = sum(box.startswith(name) for box in boxes)
        name += f" ({number + 1})" if number else ""
        boxes[name] = LinkNode(name, "", "", ", ".join(row))
        names |= dict.fromkeys(row, name)
    links = [boxes[names[name]] if name in names else node for name, node in nodes.items()]
    edges = [
        CallEdge(names.get(edge.caller, edge.caller), edge.operation, *_end(edge, names))
        for edge in traffic.chain.edges
        if names.get(edge.caller) is None or names.get(edge.caller) != names.get(edge.callee)
    ]
    hops = [
        msgspec.structs.replace(
            hop, caller=names.get(hop.caller, hop.caller), callee=names.get(hop.callee, hop.callee)
        )
        for hop in traffic.hops
        if names.get(hop.caller) is None or names.get(hop.caller) != names.get(hop.callee)
    ]
    return CondensedTraffic(
        chain=msgspec.structs.replace(
            traffic.chain, links=list({link.name: link for link in links}.values()), edges=edges
        ),
        hops=hops,
        breaks=traffic.breaks,
        faults=traffic.faults,
        phases=traffic.phases,
    )


def _end(edge: CallEdge, names: dict[str, str]) -> tuple[str, int]:
    return names.get(edge.callee, edge.callee), edge.route


def _rows(traffic: Traffic) -> Iterator[list[str]]:
    """Links in a row, each called by the one before it alone, at which nothing happened.

    Where calls failed further on, each link of a row passed the same failures back.
    """
    callers: dict[str, set[str]] = {}
    callees: dict[str, set[str]] = {}
    for edge in traffic.chain.edges:
        callers.setdefault(edge.callee, set()).add(edge.caller)
        callees.setdefault(edge.caller, set()).add(edge.callee)
    busy = {link.name for link in traffic.chain.links if link.is_own} | {*traffic.chain.entries}
    busy |= {name for fault in traffic.faults for name in fault.links}
    for group in traffic.breaks:
        busy |= {group.caller, group.callee}
    to, of = _calls(traffic)

    def is_quiet(name: str) -> bool:
        is_in_row = len(callers.get(name, ())) == 1 and len(callees.get(name, ())) == 1
        return is_in_row and name not in busy and _passes_on(to.get(name, {}), of.get(name, {}))

    for link in traffic.chain.links:
        if not is_quiet(link.name) or is_quiet(next(iter(callers[link.name]))):
            continue
        row = [link.name]
        while is_quiet(after := next(iter(callees[row[-1]]))) and after not in row:
            row.append(after)
        if len(row) >= MIN_LINKS:
            yield row


Calls = dict[str, tuple[int, int]]  # by operation: payments, and calls that failed


def _calls(traffic: Traffic) -> tuple[dict[str, Calls], dict[str, Calls]]:
    """The calls to each link, and those that it makes."""
    to: dict[str, Calls] = {}
    of: dict[str, Calls] = {}
    for hop in traffic.hops:
        for calls in (to.setdefault(hop.callee, {}), of.setdefault(hop.caller, {})):
            payments, failed = calls.get(hop.operation, (0, 0))
            calls[hop.operation] = payments + hop.payments, failed + hop.failed_sent
    return to, of


def _passes_on(to: Calls, of: Calls) -> bool:
    """Whether a link failed exactly where the link behind it did."""
    has_failed = any(failed for calls in (to, of) for _, failed in calls.values())
    return not has_failed or to == of
