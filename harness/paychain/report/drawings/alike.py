"""Many links that do the same, for the map: those of one provider become one box.

Twenty nodes between the same callers and the same ledger are told apart by the zone that they are
in, and a map with a box for each is taller than the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from paychain.analysis.measures.measures import Break, HopMeasure
from paychain.report.drawings.flows import InjectedFault, PhaseCount, Traffic
from paychain.report.result import CallEdge, ChainFacts, LinkNode
from paychain.report.text.alike_links import alike_links


@dataclass(frozen=True)
class FaultedBoxes:
    """A fault, with the boxes in the place of the links that it acted on."""

    id: str
    links: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Grouped:
    """The traffic of a chain, some of whose links stand for several: `members`, by their name."""

    chain: ChainFacts
    hops: Sequence[HopMeasure]
    breaks: Sequence[Break]
    faults: Sequence[InjectedFault]
    phases: Sequence[PhaseCount]
    members: dict[str, list[str]] = field(default_factory=dict)


def grouped(traffic: Traffic) -> Grouped:
    """The same traffic with one link, called `node-1 to node-7`, for each provider's alike ones."""
    members = alike_links(traffic.chain)
    if not members:
        return Grouped(
            chain=traffic.chain,
            hops=traffic.hops,
            breaks=traffic.breaks,
            faults=traffic.faults,
            phases=traffic.phases,
        )
    names = {name: group for group, links in members.items() for name in links}

    def of(name: str) -> str:
        return names.get(name, name)

    nodes = {link.name: link for link in traffic.chain.links}
    links: dict[str, LinkNode] = {}
    for name, node in nodes.items():
        group = of(name)
        if group != name:
            zone = list(node.depends_on[:1])
            title = ", ".join(members[group])
            node = LinkNode(group, node.role, node.provider, title, providers=zone)
        links.setdefault(group, node)
    edges: dict[tuple[str, str, str], CallEdge] = {}
    for edge in traffic.chain.edges:
        key = of(edge.caller), edge.operation, of(edge.callee)
        known = edges.get(key)
        # The best route to any of them is the one to the box.
        route = min(edge.route, known.route) if known is not None else edge.route
        edges[key] = CallEdge(*key, route)
    return Grouped(
        chain=msgspec.structs.replace(
            traffic.chain, links=list(links.values()), edges=list(edges.values())
        ),
        hops=_hops(traffic, names),
        breaks=[
            msgspec.structs.replace(each, caller=of(each.caller), callee=of(each.callee))
            for each in traffic.breaks
        ],
        faults=[
            FaultedBoxes(fault.id, list(dict.fromkeys(map(of, fault.links))))
            for fault in traffic.faults
        ],
        phases=traffic.phases,
        members=members,
    )


def _hops(traffic: Traffic, names: dict[str, str]) -> list[HopMeasure]:
    """Each hop once, with all that its links carried together.

    How many payments that were is known up to their sum, and to all there were.
    """
    offered = next((phase.offered for phase in traffic.phases if phase.kind == "all"), 0)
    found: dict[tuple[str, str, str], HopMeasure] = {}
    for hop in traffic.hops:
        caller, callee = names.get(hop.caller, hop.caller), names.get(hop.callee, hop.callee)
        if (caller, callee) == (hop.caller, hop.callee):
            found[caller, hop.operation, callee] = hop
            continue
        known = found.get((caller, hop.operation, callee))
        before = known.payments if known else 0
        found[caller, hop.operation, callee] = msgspec.structs.replace(
            hop,
            caller=caller,
            callee=callee,
            payments=min(before + hop.payments, max(offered, before, hop.payments)),
            executions=hop.executions + (known.executions if known else 0),
            failed=hop.failed + (known.failed if known else 0),
            short_circuited=hop.short_circuited + (known.short_circuited if known else 0),
        )
    return list(found.values())
