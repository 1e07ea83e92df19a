"""What a chain runs on: the fault engine, the mock services, and a proxy on every hop."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import requests

from harness.children import Child, Children
from harness.faults import engine as engines
from harness.faults.ability import refuse_mixed
from harness.faults.control import EngineError
from harness.faults.links import LinkFaults, RemoteLinkFaults
from harness.faults.proxies import HERE, Proxies
from harness.hosts.remote import Remote
from harness.isolated import IsolatedLink, Life
from harness.load.processes import TOKEN_VARIABLE
from harness.model.chain import CUSTOMER, Chain
from harness.model.loading import Loaded
from harness.payments.errors import UserError
from harness.services.plan import Ready, ServicesPlan, write_whole

LOOPBACK = "127.0.0.1"
READY_WITHIN_S = 20.0
CONTROL_S = 5.0  # a services process answers its control API within this


class Stage:
    """The processes of one chain. `children` holds them all, `spools` what they write."""

    def __init__(
        self, chain: Loaded[Chain], folder: Path, *, seed: int, epoch_ns: int,
        services: tuple[str, ...], toxiproxy: str | None, entry_host: str = LOOPBACK,
    ) -> None:  # fmt: skip
        self.children = Children(folder)
        self.engine: engines.Engine | None = None  # the run's own
        self.proxies = Proxies()
        self.spools: list[Path] = []
        self.addresses: dict[str, tuple[str, int]] = {}  # near end of each hop
        self._chain, self._loaded = chain.model, chain
        self._shared: list[str] = []  # control APIs of processes that live as long as the run
        self._isolated: list[IsolatedLink] = []
        self._remotes: dict[str, Remote] = {}  # by the names of their hosts
        self._folder = folder
        self._seed, self._epoch_ns = seed, epoch_ns
        self._services = services
        self._toxiproxy = toxiproxy
        self._entry_host = entry_host
        self._token = os.environ.get(TOKEN_VARIABLE, "")  # links on other machines want a proof
        self._session = requests.Session()
        self._session.trust_env = False  # never through a corporate proxy

    def start(self) -> None:
        """Engine, mocks, proxies; all ready when this returns. Raises UserError, EngineError."""
        self.engine = engines.start(self._toxiproxy, self.children, self._seed)
        refuse_mixed(self._loaded, self.engine.name)
        self.proxies.add_engine(HERE, self.engine.control, self._epoch_ns)
        ports = self._start_services()
        for name, placed in self._chain.hosts.items():
            remote = self._remotes[name] = Remote(name, placed, self._loaded, self._token)
            remote.begin(self._seed, self._epoch_ns, self.spool(f"host-{name}"))
            ports |= remote.ports
            if remote.engine is not None:
                self.proxies.add_engine(name, remote.engine, remote.epoch_ns)
        for hop in self._chain.hops():
            far = self._remote_of(hop.callee)
            upstream = f"{far.placed.address if far else LOOPBACK}:{ports[hop.callee]}"
            if far is not None and far.engine is not None:
                address = self.proxies.create(hop.name, upstream, far.placed.address, far.name)
            else:
                address = self.proxies.create(hop.name, upstream, self._near(hop.caller))
            host, _, port = address.rpartition(":")
            self.addresses[hop.name] = (host, int(port))
        for url in self._controls:
            self._connect(url)
        for one in self._remotes.values():
            one.order("/routes", self.addresses)

    @property
    def link_faults(self) -> list[LinkFaults]:
        """What switches the in-link faults of every services process."""
        elsewhere = [RemoteLinkFaults(one.url, one.sender()) for one in self._remotes.values()]
        return [*map(RemoteLinkFaults, self._shared), *self._isolated, *elsewhere]

    @property
    def remotes(self) -> list[Remote]:
        """The links of other machines."""
        return list(self._remotes.values())

    @property
    def entry_url(self) -> str:
        """Where customers pay."""
        host, port = self.addresses[self._chain.hops()[0].name]
        return f"http://{host}:{port}"

    def spool(self, stem: str) -> Path:
        """A new spool file for a process that records."""
        path = self._folder / f"{stem}.spool"
        self.spools.append(path)
        return path

    def check(self) -> None:
        """Raises UserError when one of the processes died, or another machine is silent."""
        dead = self.children.dead()
        if dead:
            raise UserError(dead[0].obituary())
        for remote in self._remotes.values():
            if remote.problem:
                raise UserError(remote.problem)

    def drain(self, within_s: float) -> int:
        """Wait until every request and reversal is final; how many still are not."""
        order, longest_s = {"within_s": within_s}, within_s + CONTROL_S
        here = sum(
            int(self._post(f"{url}/drain", order, longest_s)["pending"]) for url in self._controls
        )
        return here + sum(
            int(one.order("/drain", order, longest_s)["pending"]) for one in self.remotes
        )

    def stop(self) -> None:
        """Stop every process; leave nothing on an engine that somebody else runs."""
        if self.engine is not None and self.engine.child is not None and self.engine.control.lost:
            self.engine.child.process.kill()  # it would not hear a gentle word
        if self.engine is not None and self.engine.child is None:
            for hop in self.proxies.hops_on(HERE):
                try:
                    self.engine.control.destroy(hop)
                except EngineError:
                    continue
        for remote in self._remotes.values():
            remote.end()
        self.proxies.close()
        self.children.stop()
        self._session.close()

    def _remote_of(self, link: str) -> Remote | None:
        host = self._chain.host_of(link)
        return self._remotes[host] if host is not None else None

    def _near(self, caller: str) -> str:
        """Where a caller finds the near ends of its hops on the engine that is here."""
        if caller == CUSTOMER:
            return self._entry_host
        remote = self._remote_of(caller)
        return remote.near if remote is not None else LOOPBACK

    @property
    def _controls(self) -> list[str]:
        """Control APIs of the services processes that live."""
        isolated = [one.control for one in self._isolated]
        return self._shared + [url for url in isolated if url is not None]

    def _start_services(self) -> dict[str, int]:
        """All links in one process, but each isolated link in one of its own; their ports."""
        together = [
            name
            for name, link in self._chain.links.items()
            if not link.isolate and self._chain.host_of(name) is None
        ]
        alone = [name for name, link in self._chain.links.items() if link.isolate]
        shared = self._begin("mock services", together) if together else None
        begun = [self._begin(f"link {name}", [name]) for name in alone]
        ports: dict[str, int] = {}
        if shared is not None:
            life = self._ready(*shared)
            self._shared.append(life.control)
            ports |= life.ports
        for name, one in zip(alone, begun, strict=True):
            life = self._ready(*one)
            self._isolated.append(IsolatedLink(name, life, self._reborn))
            ports |= life.ports
        return ports

    def _reborn(self, link: str, number: int, ports: dict[str, int]) -> Life:
        """The next life of an isolated link whose process was killed."""
        life = self._ready(*self._begin(f"link {link} life {number}", [link], number, ports))
        self._connect(life.control)
        return life

    def _begin(
        self, name: str, links: list[str], life: int = 1, ports: dict[str, int] | None = None
    ) -> tuple[Child, Path]:
        """Start a services process; it is ready when its file is there."""
        stem = name.replace(" ", "-")
        ready = self._folder / f"{stem}.ready"
        plan = ServicesPlan(
            self._loaded.text, links, self._seed, self._epoch_ns, str(self.spool(stem)), str(ready),
            name, life, ports or {},
        )  # fmt: skip
        path = self._folder / f"{stem}.plan"
        write_whole(path, plan)
        return self.children.start(name, [*self._services, str(path)]), ready

    def _ready(self, child: Child, path: Path) -> Life:
        self.children.wait_for(child, path, READY_WITHIN_S)
        ready = msgspec.json.decode(path.read_bytes(), type=Ready)
        return Life(child, f"http://127.0.0.1:{ready.control}", ready.ports)

    def _connect(self, url: str) -> None:
        """Tell a services process where the near end of each hop is."""
        self._post(f"{url}/routes", self.addresses, CONTROL_S)

    def _post(self, url: str, body: Any, within_s: float) -> Any:
        try:
            response = self._session.post(url, json=body, timeout=within_s)
            response.raise_for_status()
        except requests.RequestException as error:
            self.check()  # the process may be dead: that says more
            raise UserError(f"the mock services do not answer ({type(error).__name__})") from error
        return response.json()
