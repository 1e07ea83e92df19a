"""Which hops of a chain lead out of the user's own services, and what they lead to."""

from __future__ import annotations

from collections.abc import Iterator

from paychain.model.chain import Chain
from paychain.model.disputes import DISPUTE
from paychain.model.hop import Hop
from paychain.protocol.dialects.vendors import APIS
from paychain.protocol.vendor import is_secret_of_api

_ALL = ("authorise", "capture", "void", "refund", "query")


def is_mock(chain: Chain, link: str) -> bool:
    """Whether a link is ours: it notes what own services ask of it."""
    return link not in chain.own_services()


def providers_side(chain: Chain) -> set[str]:
    """The mocks that stand for somebody else's systems: payment providers, and what is theirs.

    Links that speak a provider's API, and those that only such links lead to. How they work inside
    is nothing that the user of the chain could change.
    """
    own = chain.own_services()
    found = {name for name, link in chain.links.items() if link.dialect.is_vendors}
    callers: dict[str, set[str]] = {}
    for name in chain.links:
        for target in chain.callees_of(name):
            callers.setdefault(target, set()).add(name)
    while behind := {
        name
        for name, of_name in callers.items()
        if name not in found and name not in own and name not in chain.entries and of_name <= found
    }:
        found |= behind
    return found


def secrets_shared_with(chain: Chain, service: str) -> list[str]:
    """The links whose secret an own service has: those that send it webhooks, and those that it
    calls and whose API is called with the secret, too.
    """
    called = chain.callees_of(service)
    found = []
    for name, link in chain.links.items():
        is_sender = link.webhooks is not None and link.webhooks.to == service
        is_vendors = name in called and link.dialect.is_vendors
        if is_sender or (is_vendors and is_secret_of_api(APIS[link.dialect.name])):
            found.append(name)
    return found


def own_callers(chain: Chain) -> list[str]:
    """The links that are not mocks. Only they call a link in the words of its vendor."""
    return list(dict.fromkeys(hop.caller for hop in observed_hops(chain)))


def observed_hops(chain: Chain) -> list[Hop]:
    """The hops out of own services: only the fault engine sees their results at the caller."""
    own = chain.own_services()
    return [
        hop
        for hop in chain.hops()
        if hop.caller in own
        or (
            hop.callee in chain.links
            and chain.links[hop.callee].dialect.is_vendors
            and hop.operation != DISPUTE
        )
    ]


def calls_over(chain: Chain, hop: str) -> Iterator[str]:
    """The names of the calls that go over a hop: an own service has one hop for all it asks."""
    caller, _, callee = hop.split(".")
    yield hop
    if caller in chain.own_services():
        for operation in _ALL:
            yield Hop(caller=caller, operation=operation, callee=callee).name
