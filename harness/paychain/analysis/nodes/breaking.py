"""What breaks an arrangement of nodes: the smallest sets of zones, and what stands in front."""

from __future__ import annotations

from itertools import combinations

from paychain.model.chain import Chain
from paychain.model.nodes import GATEWAY, Nodes
from paychain.model.review.providers import NONE, LargestPayment, links_of
from paychain.model.roles import ROLES

MAX_TOGETHER = 3  # zones that are looked at together


def breaking_zones(chain: Chain) -> list[tuple[str, ...]]:
    """The smallest sets of zones without which no payment succeeds; single ones come first."""
    zones = zones_of(chain)
    found: list[tuple[str, ...]] = []
    for size in range(1, MAX_TOGETHER + 1):
        for together in combinations(zones, size):
            if not any(set(smaller) <= set(together) for smaller in found):
                gone = frozenset().union(*(links_of(chain, zone) for zone in together))
                if LargestPayment(chain, gone).anywhere() == NONE:
                    found.append(together)
    return found


def zones_of(chain: Chain) -> list[str]:
    """The providers that its nodes depend on, and a gateway in front of them."""
    names = nodes_of(chain).all_names
    return list(dict.fromkeys(zone for name in names for zone in chain.links[name].depends_on))


def in_front(chain: Chain) -> list[tuple[str, str]]:
    """Single links that every request to the nodes passes, each with who runs or carries it.

    The gateway of the nodes, and an edge that no payment can avoid.
    """
    return [
        (name, ", ".join(link.depends_on))
        for name, link in chain.links.items()
        if (name == GATEWAY or ROLES[link.role].only_forwards) and is_single(chain, name)
    ]


def behind(chain: Chain) -> str:
    """A sentence: that something single stands in front of many operators; "" if nothing does."""
    front = in_front(chain) if chain.nodes is not None else []
    if not front or nodes_of(chain).count == 1:
        return ""
    names = " and ".join(one_of(*each) for each in front)
    return (
        f"{nodes_of(chain).count} node operators stand behind one {names}: while that is down, "
        "their number makes no difference."
    )


def one_of(name: str, provider: str) -> str:
    """What stands in front, in words: `gateway (cloudflare)`, `edge shop-edge (cloudflare)`."""
    what = "gateway" if name == GATEWAY else f"edge {name}"
    return f"{what} ({provider})" if provider else what


def shared_parts(chain: Chain) -> list[str]:
    """The links that no payment can avoid, beside the nodes and what stands in front of them."""
    apart = {*nodes_of(chain).all_names, *(name for name, _ in in_front(chain))}
    return [name for name in chain.links if name not in apart and is_single(chain, name)]


def is_single(chain: Chain, link: str) -> bool:
    """Whether no payment succeeds without a link."""
    return LargestPayment(chain, frozenset({link})).anywhere() == NONE


def nodes_of(chain: Chain) -> Nodes:
    """The template of a chain that has one."""
    assert chain.nodes is not None
    return chain.nodes
