"""What must hold of a template of nodes, and of the chain that it is in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from paychain.declaration.problem import Problem, unknown
from paychain.declaration.text import KeyPath
from paychain.model.chain import Chain
from paychain.model.link_checks import check_link
from paychain.model.nodes import GATEWAY, NODES, Nodes

_WHOLE = 1e-6  # shares that add up to the whole but for this do


def check_nodes(chain: Chain) -> list[Problem]:
    """Names that are free, shares that add up, as many nodes as have to agree, somebody who asks.

    Of the links that it unfolds into one is checked for all.
    """
    nodes = chain.nodes
    if nodes is None:
        return []
    clashes = list(_clashes(chain, nodes))
    problems = [*clashes, *_providers(chain, nodes), *_numbers(nodes)]
    if clashes:
        return problems
    first = nodes.names[0]
    is_asked = any(
        target in (first, GATEWAY) for link in chain.links for target in _targets(chain, link)
    )
    if not is_asked:
        hint = "write to: nodes in a call of a wallet"
        problems.append(Problem((NODES,), "no call goes to the nodes", hint))
    problems += _policies(chain)
    for name in (first, *([GATEWAY] if nodes.gateway is not None else [])):
        problems += [
            problem
            for problem in check_link(chain, name)
            if problem.path[2:3] not in (("provider",), ("providers",))
        ]
    return problems


def _targets(chain: Chain, link: str) -> list[str]:
    """The links that somebody outside the template calls."""
    nodes = chain.nodes
    is_outside = nodes is not None and link not in nodes.all_names
    return chain.callees_of(link) if is_outside else []


def _policies(chain: Chain) -> Iterator[Problem]:
    """A call that asks some of many nodes chooses by the template, and by nothing else."""
    for name, link in chain.links.items():
        for operation, call in link.calls.items():
            for key in ("prefer", "hedge", "tenders"):
                if call.pick is not None and getattr(call, key):
                    what = f"a call to nodes has no '{key}'"
                    hint = "the template says which nodes are asked: ask, agree, re_pick"
                    yield Problem(("links", name, "calls", operation, key), what, hint)


def _clashes(chain: Chain, nodes: Nodes) -> Iterator[Problem]:
    """Names of links that are the template's. It is not unfolded then, and has none of them."""
    # An unfolded chain has all of them, and no link `nodes`.
    names = {NODES, *nodes.all_names}
    taken = names & set(chain.links)
    if taken == set(nodes.all_names):
        return
    for name in sorted(taken):
        yield Problem(
            (NODES,), f"link '{name}' has a name that is reserved for the nodes", "rename the link"
        )


def _providers(chain: Chain, nodes: Nodes) -> Iterator[Problem]:
    """Zones, clients and whoever runs the gateway are providers of the chain."""
    named: list[tuple[str, KeyPath]] = [(zone, (NODES, "zones", zone)) for zone in nodes.zones]
    named += [(client, (NODES, "clients", client)) for client in nodes.clients]
    if nodes.gateway is not None:
        named.append((nodes.gateway.provider, (NODES, "gateway", "provider")))
    for name, at in named:
        if name not in chain.providers:
            yield unknown(at, "provider", name, chain.providers)


def _numbers(nodes: Nodes) -> Iterator[Problem]:
    """Shares of the whole, and numbers of nodes that there are."""
    yield from _whole("zones", nodes.zone_shares)
    if nodes.clients:
        yield from _whole("clients", nodes.clients)
    if nodes.ask > nodes.count:
        what = f"{nodes.ask} nodes are asked, but there are {nodes.count}"
        yield Problem((NODES, "ask"), what, "lower it, or raise count")
    most = min(nodes.count, nodes.ask + nodes.re_pick)
    if nodes.agree > most:
        what = f"{nodes.agree} nodes must agree, but at most {most} are asked"
        yield Problem((NODES, "agree"), what, "lower it, or raise ask, re_pick or count")


def _whole(key: str, shares: Mapping[str, float]) -> Iterator[Problem]:
    total = sum(shares.values())
    if abs(total - 1) > _WHOLE:
        what = f"the shares of {key} add up to {total * 100:.6g}%"
        yield Problem((NODES, key), what, "make them add up to 100%")
