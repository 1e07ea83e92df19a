"""The near ends of own services' hops that speak TLS: one process holds them all.

A link with `tls: true` is reached by https; a service with `proxy: true` reaches the providers'
own host names through a forward proxy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from paychain.environment.own.variables import Address
from paychain.environment.tls.plan import COMMAND, NearEnd, NearEndsPlan, NearEndsReady
from paychain.environment.tls.refusals import refused
from paychain.model.chain import Chain
from paychain.model.hop import Hop
from paychain.payments.journal import EngineEvent
from paychain.processes.children import Children
from paychain.processes.files import write_atomically
from paychain.processes.loopback import LOOPBACK
from paychain.services.vendor_declared import hosts_of

NAME = "TLS near ends"
REFUSED = "tls.refused"


@dataclass(frozen=True)
class TlsEnds:
    """Where own services find the near ends that speak TLS, and what makes them trust these."""

    # By caller and link.
    near_ends: Mapping[str, Mapping[str, Address]] = field(default_factory=dict)
    trust: Mapping[str, str] = field(default_factory=dict)
    proxies: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by caller

    def near(self, service: str) -> dict[str, Address]:
        """The near ends of a service that speak TLS, by link."""
        return dict(self.near_ends.get(service, {}))

    def variables(self, service: str) -> dict[str, str]:
        """What a service needs in its environment; nothing for one without TLS."""
        if service not in self.near_ends and service not in self.proxies:
            return {}
        return {**self.trust, **self.proxies.get(service, {})}


NO_TLS = TlsEnds()


def refused_at(folder: Path, at_ns: int) -> list[EngineEvent]:
    """Connections to the near ends of a run's processes that could not be secured."""
    return refused(folder / REFUSED, at_ns)


def open_tls_ends(chain: Chain, hops: Mapping[str, Address], children: Children) -> TlsEnds:
    """Start the process that holds them, where a chain has any. `hops`: the plain near ends.

    Raises UserError when it does not start.
    """
    own = chain.own_services()
    secure = [hop for hop in chain.hops() if hop.caller in own and chain.links[hop.callee].tls]
    proxied = {
        name: {
            host: _plain(hop, hops)
            for hop in chain.hops()
            if hop.caller == name
            for host in hosts_of(chain.links[hop.callee])
        }
        for name, service in own.items()
        if service.proxy
    }
    if not secure and not proxied:
        return NO_TLS
    ready = _start(secure, proxied, hops, children)
    near_ends: dict[str, dict[str, Address]] = {}
    for hop in secure:
        near_ends.setdefault(hop.caller, {})[hop.callee] = (LOOPBACK, ready.ports[hop.name])
    return TlsEnds(near_ends, ready.variables, ready.proxies)


def _start(
    secure: list[Hop],
    proxied: Mapping[str, dict[str, NearEnd]],
    hops: Mapping[str, Address],
    children: Children,
) -> NearEndsReady:
    folder = children.folder
    ready = folder / "tls.ready"
    plan = NearEndsPlan(
        near_ends=tuple(_plain(hop, hops) for hop in secure),
        proxies=dict(proxied),
        folder=str(folder),
        ready=str(ready),
        refused=str(folder / REFUSED),
    )
    path = Path(folder, "tls.plan")
    write_atomically(path, plan)
    child = children.start(NAME, [*COMMAND, str(path)])
    children.wait_for(child, ready)
    return msgspec.json.decode(ready.read_bytes(), type=NearEndsReady)


def _plain(hop: Hop, hops: Mapping[str, Address]) -> NearEnd:
    host, port = hops[hop.name]
    return NearEnd(name=hop.name, upstream=f"{host}:{port}")
