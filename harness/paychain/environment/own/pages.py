"""Where customers find the pages of the providers that an own service pays at. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from paychain.environment.own.tls_ends import NO_TLS, TlsEnds
from paychain.environment.own.variables import Address
from paychain.model.chain import Chain
from paychain.services.vendor_declared import hosts_of


def pages_of(
    chain: Chain,
    hops: Mapping[str, Address],
    links: Mapping[str, Address],
    ends: TlsEnds = NO_TLS,
) -> dict[str, str]:
    """Where a provider itself listens, by each host and port that its pages may name.

    A provider names the address that it was asked at: the near end of its hop (`hops`), one that
    speaks TLS, or its own host name. Customers go to it (`links`) by a way of their own: what
    strikes the hop of the service does not strike them.
    """
    own = chain.own_services()
    found: dict[str, str] = {}
    for hop in chain.hops():
        link = chain.links[hop.callee]
        if hop.caller not in own or not link.dialect.is_vendors:
            continue
        near = _written(hops[hop.name])
        secure = ends.near(hop.caller).get(hop.callee)
        listens = _written(links[hop.callee]) if hop.callee in links else near
        named = [
            near,
            listens,
            *([_written(secure)] if secure is not None else []),
            *hosts_of(link),
        ]
        for host in named:
            found.setdefault(host, listens)
    return found


def _written(address: Address) -> str:
    host, port = address
    return f"{host}:{port}"
