"""All other machines of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from paychain.analysis.store.facts import HostFacts
from paychain.engine.links import RemoteLinkFaults
from paychain.engine.proxies import Proxies
from paychain.environment.remote.remote import CALL_S, Remote
from paychain.model.chain import Chain
from paychain.model.loading import Loaded
from paychain.payments.errors import UserError


class Remotes:
    """The machines that a chain names beside this one. `token` proves who commands them."""

    def __init__(self, chain: Loaded[Chain], token: str) -> None:
        self.by_name: dict[str, Remote] = {}  # those that have been asked to begin
        self._chain, self._token = chain, token

    def begin(
        self, seed: int, epoch_ns: int, new_spool: Callable[[str, str], Path], proxies: Proxies
    ) -> dict[str, int]:
        """Let each begin, and `proxies` know its engine; the ports of their links.

        `new_spool` makes the file that what one records comes to. Raises UserError.
        """
        ports: dict[str, int] = {}
        for name, placed in self._chain.model.hosts.items():
            remote = self.by_name[name] = Remote(name, placed, self._chain, self._token)
            remote.begin(seed, epoch_ns, new_spool(f"host-{name}", f"host {name}"))
            ports |= remote.ports
            if remote.engine is not None:
                proxies.add_engine(name, remote.engine, remote.epoch_ns)
        return ports

    def connect(
        self, addresses: Mapping[str, tuple[str, int]], on_message: Callable[[str], None]
    ) -> None:
        """Let the links there call these addresses, by hop; a line on each machine."""
        for remote in self.by_name.values():
            remote.command("/routes", addresses)
            on_message(remote.line())

    def command(self, path: str, body: Any, within_s: float = CALL_S) -> list[Any]:
        """What each answers to a command. Raises UserError."""
        return [remote.command(path, body, within_s) for remote in self.by_name.values()]

    def link_faults(self) -> list[RemoteLinkFaults]:
        """What switches the in-link faults there."""
        return [RemoteLinkFaults(remote.url, remote.auth()) for remote in self.by_name.values()]

    def check(self) -> None:
        """Raises UserError when one is silent."""
        for remote in self.by_name.values():
            if remote.problem:
                raise UserError(remote.problem)

    def end(self) -> list[str]:
        """Fetch the last records and release all; what is missing of them, in sentences."""
        problems = [remote.end() or remote.problem for remote in self.by_name.values()]
        return [problem for problem in problems if problem]

    def facts(self, proxies: Proxies) -> list[HostFacts]:
        """What a result reports of them."""
        return [remote.facts(proxies.hops_on(remote.name)) for remote in self.by_name.values()]
