"""Where each hop begins: a proxy on the run's own engine, or on that of another machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from paychain.engine.control import RequestReading
from paychain.engine.errors import EngineError
from paychain.engine.proxies import Proxies
from paychain.environment.own.not_started import NotStarted
from paychain.environment.own.services import OwnServices
from paychain.environment.remote.remote import Remote
from paychain.model.chain import Chain
from paychain.model.hop import Hop
from paychain.model.operations import CUSTOMER
from paychain.model.own_services import is_mock, observed_hops
from paychain.processes.loopback import LOOPBACK, is_loopback

Address = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class NearEnds:
    """Opens the near ends of a chain's hops. `remotes` are its other machines, by name."""

    chain: Chain
    proxies: Proxies
    remotes: Mapping[str, Remote]
    own: OwnServices
    entry_host: str  # where customers reach the entries
    first_port: int  # of the hops here, in the order of the chain; 0: any
    id_prefix: str  # of the payments that observed requests may name

    def open(self, links: Mapping[str, Address]) -> tuple[dict[str, Address], dict[str, Address]]:
        """Make the proxy of every hop in front of these `links`.

        Its address, by hop, and where customers reach each link, by link.
        """
        observed = {hop.name for hop in observed_hops(self.chain)}
        opened: dict[str, Address] = {}
        for hop in self.chain.hops():
            host, port = links[hop.callee]
            far = self._remote_of(hop.callee)
            upstream = f"{far.address if far else host}:{port}"
            # On a machine with an engine the proxy stands before its links: the call crosses the
            # network once, then meets the fault. Otherwise the proxy is on the run's own engine,
            # at the address by which the caller reaches this machine.
            if far is not None and far.engine is not None:
                address = self.proxies.create(hop.name, upstream, far.address, far.name)
            else:
                address = self._create_here(hop, upstream, is_observed=hop.name in observed)
            opened[hop.name] = _read(address)
        return opened, self._open_pages(links)

    def _open_pages(self, links: Mapping[str, Address]) -> dict[str, Address]:
        """Where customers reach the providers of own services, whose pages they may visit.

        It is where the provider listens, which only customers on this machine reach; for others a
        proxy that no fault is on, at the address by which they reach the entries.
        """
        reached = dict(links)
        for name in dict.fromkeys(hop.callee for hop in self.chain.hops()):
            if not self.chain.links[name].dialect.is_vendors or name not in links:
                continue
            host, port = links[name]
            far = self._remote_of(name)
            if far is not None:
                reached[name] = (far.address, port)
            elif not is_loopback(self.entry_host):
                proxy = f"{CUSTOMER}.pages.{name}"
                address = self.proxies.create(proxy, f"{host}:{port}", self.entry_host)
                reached[name] = _read(address)
        return reached

    def _create_here(self, hop: Hop, upstream: str, *, is_observed: bool) -> str:
        """The proxy of a hop on the run's own engine; returns its address."""
        observed = None
        if is_observed:
            observed = RequestReading(self.id_prefix, is_blind=not is_mock(self.chain, hop.callee))
        port = self.own.fixed_port(hop)
        if not port and self.first_port:
            port = self.first_port + [known.name for known in self.chain.hops()].index(hop.name)
        try:
            return self.proxies.create(
                hop.name, upstream, self._host_for(hop.caller), port=port, observed=observed
            )
        except EngineError as error:
            if not port:
                raise
            where = "with --port" if self.first_port else "under ports:"
            raise NotStarted(
                f"port {port}, at which {hop.caller} reaches {hop.callee}, cannot be opened",
                hint=f"choose another one {where} ({error})",
            ) from error

    def _host_for(self, caller: str) -> str:
        """Where a caller finds the near ends of its hops on the engine that is here."""
        if caller == CUSTOMER:
            return self.entry_host
        remote = self._remote_of(caller)
        return remote.near if remote is not None else LOOPBACK

    def _remote_of(self, link: str) -> Remote | None:
        host = self.chain.host_of(link)
        return self.remotes[host] if host is not None else None


def _read(address: str) -> Address:
    host, _, port = address.rpartition(":")
    return host, int(port)
