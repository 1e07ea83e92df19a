"""Many links that do the same: those of one provider are shown together, in drawings and tables."""

from __future__ import annotations

from paychain.report.result import ChainFacts, LinkNode

MIN_LINKS = 6  # links that do the same: fewer have room of their own each


def alike_links(chain: ChainFacts) -> dict[str, list[str]]:
    """Links that stand between the same links, by what stands for those of one provider.

    `node-1 to -7` stands for seven of them. A link that is not alike to many is in none.
    """
    callers: dict[str, set[str]] = {}
    callees: dict[str, set[str]] = {}
    for edge in chain.edges:
        callers.setdefault(edge.callee, set()).add(edge.caller)
        callees.setdefault(edge.caller, set()).add(edge.callee)
    alike: dict[tuple[str, frozenset[str], frozenset[str]], list[LinkNode]] = {}
    for link in chain.links:
        if link.is_own or link.name in chain.entries:
            continue
        place = frozenset(callers.get(link.name, ())), frozenset(callees.get(link.name, ()))
        alike.setdefault((link.role, *place), []).append(link)
    found: dict[str, list[str]] = {}
    for links in alike.values():
        if len(links) < MIN_LINKS:
            continue
        zones: dict[str, list[str]] = {}
        for link in links:
            zones.setdefault(link.depends_on[0] if link.depends_on else "", []).append(link.name)
        for inside in zones.values():
            if len(inside) > 1:
                found[f"{inside[0]} to {_number(inside[-1])}"] = inside
    return found


def _number(name: str) -> str:
    """`-7` of `node-7`; the name itself where it has no number."""
    stem, dash, number = name.rpartition("-")
    return dash + number if stem and number.isdecimal() else name
