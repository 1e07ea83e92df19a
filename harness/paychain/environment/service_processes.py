"""The mock links that run on this machine: in one process or some, isolated links in their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import requests

from paychain.engine.injector import LinkFaults
from paychain.engine.links import RemoteLinkFaults
from paychain.environment.isolated import IsolatedLink, ServiceProcess
from paychain.model.chain import Chain
from paychain.model.loading import Loaded
from paychain.model.scripts import AssignedScripts
from paychain.payments.attribution import Expected
from paychain.payments.errors import PartLost
from paychain.processes.children import Child, Children
from paychain.processes.files import write_atomically
from paychain.processes.loopback import LOOPBACK
from paychain.processes.sessions import PATIENT_S, BearerAuth, direct_session
from paychain.processes.tokens import new_token
from paychain.services.pending_work import PendingWork
from paychain.services.plan import ServicesPlan, ServicesReady
from paychain.wire.held_port import HeldPort

CONTROL_S = 5.0  # a services process answers its control API within this
Addresses = dict[str, tuple[str, int]]  # of the near end of each hop


class ServiceProcesses:
    """The services processes of a chain. `command` starts one; `new_spool` makes its spool file.

    `is_patient`: no timeline waits for what a process is asked.
    """

    def __init__(
        self,
        chain: Loaded[Chain],
        children: Children,
        new_spool: Callable[[str, str], Path],
        *,
        command: tuple[str, ...],
        seed: int,
        epoch_ns: int,
        id_prefix: str,
        is_patient: bool = False,
    ) -> None:
        self._within_s = PATIENT_S if is_patient else CONTROL_S
        self._loaded, self._chain = chain, chain.model
        self._children, self._folder, self._new_spool = children, children.folder, new_spool
        self._command = command
        self._seed, self._epoch_ns, self._id_prefix = seed, epoch_ns, id_prefix
        self._addresses: Addresses = {}
        self._scripts = AssignedScripts()  # a process that is started later follows them, too
        self._shared: list[str] = []  # control APIs of processes that live as long as the run
        self._isolated: list[IsolatedLink] = []
        self._held: dict[str, HeldPort] = {}  # ports of isolated links, through all restarts
        self._token = new_token()  # other accounts of this machine reach loopback, too
        self._spools: list[tuple[Child, Path]] = []  # of each process that was started
        self._session = direct_session(self.auth)

    def start(self, together: Sequence[Sequence[str]]) -> dict[str, int]:
        """Start them all; the ports on which the links listen. Raises UserError.

        `together`: the links of each process that runs several.
        """
        alone = [name for name, link in self._chain.links.items() if link.isolate]
        name = "mock services {}" if len(together) > 1 else "mock services"
        shared = [
            self._begin(name.format(number), list(links))
            for number, links in enumerate(together, start=1)
        ]
        self._held = {name: HeldPort.hold(LOOPBACK, 0) for name in alone}
        begun = [self._begin(f"link {name}", [name]) for name in alone]
        ports: dict[str, int] = {}
        for started in shared:
            process = self._ready(*started)
            self._shared.append(process.control)
            ports |= process.ports
        for name, started in zip(alone, begun, strict=True):
            process = self._ready(*started)
            self._isolated.append(
                IsolatedLink(name, process, self._restart, self.auth, self._held[name])
            )
            ports |= process.ports
        return ports

    def connect(self, addresses: Addresses) -> None:
        """Send every process where the near end of each hop is."""
        self._addresses = addresses
        for url in self._controls:
            self._connect(url)

    def expect(self, payments: Sequence[Expected]) -> None:
        """Let every process know payments of the load before they begin."""
        if payments:
            for url in self._controls:
                self._post(f"{url}/expected", payments, self._within_s)

    def follow_scripts(self, scripts: AssignedScripts) -> None:
        """Let payments follow failure scripts, at every process that lives or will be started."""
        self._scripts = self._scripts.then(scripts)
        for url in self._controls:
            self._post(f"{url}/scripts", msgspec.to_builtins(scripts), self._within_s)

    @property
    def link_faults(self) -> list[LinkFaults]:
        """What switches the in-link faults of every process."""
        shared = [RemoteLinkFaults(url, self.auth) for url in self._shared]
        return [*shared, *self._isolated]

    @property
    def auth(self) -> BearerAuth:
        """What the control API of every process asks of a request."""
        return BearerAuth(self._token)

    def drain(self, within_s: float) -> list[PendingWork]:
        """Wait until every request and reversal is final; those that are not."""
        answers = [
            self._post(f"{url}/drain", {"within_s": within_s}, within_s + self._within_s)
            for url in self._controls
        ]
        return [work for answer in answers for work in pending_work(answer)]

    def close(self) -> None:
        """Close the connections to the control APIs, and give the ports of the links away."""
        self._session.close()
        for port in self._held.values():
            port.release()

    @property
    def killed(self) -> list[Path]:
        """Spools of processes that a fault of the experiment killed."""
        return [spool for child, spool in self._spools if child.was_killed]

    @property
    def _controls(self) -> list[str]:
        """Control APIs of the processes that live."""
        isolated = [link.control for link in self._isolated]
        return self._shared + [url for url in isolated if url is not None]

    def _restart(self, link: str, number: int) -> ServiceProcess:
        """Start the next process of an isolated link whose process was killed."""
        process = self._ready(*self._begin(f"link {link} life {number}", [link], number))
        self._connect(process.control)
        return process

    def _begin(self, name: str, links: list[str], life: int = 1) -> tuple[Child, Path]:
        """Start a services process; it is ready when its file is there."""
        stem = name.replace(" ", "-")
        ready = self._folder / f"{stem}.ready"
        sockets = {link: self._held[link].descriptor for link in links if link in self._held}
        spool = self._new_spool(stem, name)
        plan = ServicesPlan(
            chain=self._loaded.document.value,
            links=links,
            seed=self._seed,
            epoch_ns=self._epoch_ns,
            id_prefix=self._id_prefix,
            spool=str(spool),
            ready=str(ready),
            name=name,
            life=life,
            sockets=sockets,
        )
        path = self._folder / f"{stem}.plan"
        write_atomically(path, plan)
        child = self._children.start(
            name,
            [*self._command, str(path)],
            token=self._token,
            sockets=list(sockets.values()),
            ends_in_order=True,
        )
        self._spools.append((child, spool))
        return child, ready

    def _ready(self, child: Child, path: Path) -> ServiceProcess:
        self._children.wait_for(child, path)
        ready = msgspec.json.decode(path.read_bytes(), type=ServicesReady)
        return ServiceProcess(child, f"http://{LOOPBACK}:{ready.control}", ready.ports)

    def _connect(self, url: str) -> None:
        self._post(f"{url}/routes", self._addresses, self._within_s)
        if self._scripts.scripts:
            self._post(f"{url}/scripts", msgspec.to_builtins(self._scripts), self._within_s)

    def _post(self, url: str, body: Any, within_s: float) -> Any:
        try:
            response = self._session.post(url, json=body, timeout=within_s)
            response.raise_for_status()
        except requests.RequestException as error:
            dead = self._children.dead()  # a dead process says more
            if dead:
                raise PartLost(dead[0].exit_report()) from error
            raise PartLost(f"the mock services do not answer ({type(error).__name__})") from error
        return response.json()


def pending_work(answer: Mapping[str, Any]) -> list[PendingWork]:
    """What a process of links reports after a drain: `{"pending": [[payment, gives_back], …]}`."""
    return [PendingWork(*each) for each in answer["pending"]]
