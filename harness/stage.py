"""What a chain runs on: the fault engine, the mock services, and a proxy on every hop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import requests

from harness.children import Child, Children
from harness.faults import engine as engines
from harness.faults.control import EngineError
from harness.model.chain import Chain
from harness.model.loading import Loaded
from harness.payments.errors import UserError
from harness.services.plan import Ready, ServicesPlan, write_whole

READY_WITHIN_S = 20.0
CONTROL_S = 5.0  # a services process answers its control API within this


class Stage:
    """The processes of one chain. `children` holds them all, `spools` what they write."""

    def __init__(
        self, chain: Loaded[Chain], folder: Path, *, seed: int, epoch_ns: int,
        services: tuple[str, ...], toxiproxy: str | None,
    ) -> None:  # fmt: skip
        self.children = Children(folder)
        self.engine: engines.Engine | None = None
        self.controls: list[str] = []  # control APIs of the services processes
        self.spools: list[Path] = []
        self.addresses: dict[str, tuple[str, int]] = {}  # near end of each hop
        self._chain, self._loaded = chain.model, chain
        self._folder = folder
        self._seed, self._epoch_ns = seed, epoch_ns
        self._services = services
        self._toxiproxy = toxiproxy
        self._session = requests.Session()
        self._session.trust_env = False  # never through a corporate proxy

    def start(self) -> None:
        """Engine, mocks, proxies; all ready when this returns. Raises UserError, EngineError."""
        self.engine = engines.start(self._toxiproxy, self.children, self._seed)
        readies = self._start_services()
        ports = {name: port for ready in readies for name, port in ready.ports.items()}
        for hop in self._chain.hops():
            address = self.engine.control.create(hop.name, f"127.0.0.1:{ports[hop.callee]}")
            host, _, port = address.rpartition(":")
            self.addresses[hop.name] = (host, int(port))
        for url in self.controls:
            self._post(f"{url}/routes", self.addresses, CONTROL_S)

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
        """Raises UserError when one of the processes died."""
        dead = self.children.dead()
        if dead:
            raise UserError(dead[0].obituary())

    def drain(self, within_s: float) -> int:
        """Wait until every request and reversal is final; how many still are not."""
        return sum(
            int(self._post(f"{url}/drain", {"within_s": within_s}, within_s + CONTROL_S)["pending"])
            for url in self.controls
        )

    def stop(self) -> None:
        """Stop every process; leave nothing on an engine that somebody else runs."""
        if self.engine is not None and self.engine.child is not None and self.engine.control.lost:
            self.engine.child.process.kill()  # it would not hear a gentle word
        if self.engine is not None and self.engine.child is None:
            for hop in self._chain.hops():
                try:
                    self.engine.control.destroy(hop.name)
                except EngineError:
                    continue
        self.children.stop()
        self._session.close()

    def _start_services(self) -> list[Ready]:
        """All links in one process, but each isolated link in one of its own."""
        alone = [[name] for name, link in self._chain.links.items() if link.isolate]
        together = [name for name, link in self._chain.links.items() if not link.isolate]
        started: list[tuple[Child, Path]] = []
        for links in [*([together] if together else []), *alone]:
            name = "mock services" if links is together else f"link {links[0]}"
            stem = name.replace(" ", "-")
            ready = self._folder / f"{stem}.ready"
            plan = ServicesPlan(
                self._loaded.text, links, self._seed, self._epoch_ns, str(self.spool(stem)),
                str(ready),
            )  # fmt: skip
            path = self._folder / f"{stem}.plan"
            write_whole(path, plan)
            started.append((self.children.start(name, [*self._services, str(path)]), ready))
        readies = []
        for child, ready in started:
            self.children.wait_for(child, ready, READY_WITHIN_S)
            readies.append(msgspec.json.decode(ready.read_bytes(), type=Ready))
        self.controls = [f"http://127.0.0.1:{ready.control}" for ready in readies]
        return readies

    def _post(self, url: str, body: Any, within_s: float) -> Any:
        try:
            response = self._session.post(url, json=body, timeout=within_s)
            response.raise_for_status()
        except requests.RequestException as error:
            self.check()  # the process may be dead: that says more
            raise UserError(f"the mock services do not answer ({type(error).__name__})") from error
        return response.json()
