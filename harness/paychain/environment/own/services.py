"""The own services of a chain: users' processes, started last and stopped first.

reserve ports ─ (proxies of their hops) ─ start, callees first ─ check … ─ stop, callers first
"""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from paychain.analysis.store.facts import ServiceFacts
from paychain.declaration.quantity import seconds_text
from paychain.environment.own.guarding import ProcessGuard
from paychain.environment.own.link import OwnLink
from paychain.environment.own.not_started import NotStarted
from paychain.environment.own.pages import pages_of
from paychain.environment.own.process import OwnProcess, ServiceEnvironment
from paychain.environment.own.readiness import ReadySign
from paychain.environment.own.tls_ends import NO_TLS, TlsEnds
from paychain.environment.own.variables import (
    Address,
    Addresses,
    near_ends,
    telemetry,
    variables,
    webhook_secrets,
)
from paychain.model.chain import Chain
from paychain.model.hop import Hop
from paychain.model.loading import Loaded
from paychain.model.service import OwnService
from paychain.payments.errors import without_passwords
from paychain.payments.web_addresses import split_address
from paychain.processes.files import expanded
from paychain.processes.loopback import LOOPBACK, held_port
from paychain.processes.wall_clock import WallClock

LOGS = "logs"  # folder of their output, below the chain's
_OURS = "PAYCHAIN_"  # variables of ours, tokens among them, are not for a user's process
# Python holds back output to a file until some kB are there: a log would come too late.
_DEFAULTS = {"PYTHONUNBUFFERED": "1"}


class OwnServices:
    """All own services of one chain.

    `by_hand`: those that somebody starts by hand, so that they are neither started nor waited for.
    Errors are NotStarted.
    """

    def __init__(
        self,
        chain: Loaded[Chain],
        folder: Path,
        now_ns: Callable[[], int],
        *,
        seed: int,
        by_hand: Collection[str] = (),
    ) -> None:
        self._seed = seed
        self._chain = chain.model
        self._home = chain.path.resolve().parent
        self._logs = folder / LOGS
        self._shown_logs = f"{folder.name}/{LOGS}"
        self._now_ns = now_ns
        self._by_hand = by_hand
        self._tls: TlsEnds = NO_TLS
        self.pages: dict[str, str] = {}  # of providers: see `pages_of`
        self._traces_url = ""
        self._run = secrets.token_hex(4)
        self._clock = WallClock()
        self._guard = ProcessGuard()
        self._reserved: dict[str, socket.socket] = {}
        self._at: dict[str, Address] = {}
        self._links: list[OwnLink] = []
        self._folders: dict[str, tempfile.TemporaryDirectory[str]] = {}

    def reserve(self) -> dict[str, Address]:
        """Where each service listens, or will: the upstreams of the hops to it."""
        for name, service in self._chain.own_services().items():
            if service.url is not None:
                parts = split_address(service.url)
                host = LOOPBACK if parts.hostname == "localhost" else parts.hostname or LOOPBACK
                self._at[name] = (host, parts.port or 80)
            else:
                self._at[name] = (LOOPBACK, self._reserve(name, service.port))
        return self.reserved

    @property
    def reserved(self) -> dict[str, Address]:
        """Where each service listens, as `reserve` returned it."""
        return dict(self._at)

    def fixed_port(self, hop: Hop) -> int:
        """The port that a service wants for the near end of one of its hops; 0 is any."""
        service = self._chain.own_services().get(hop.caller)
        return service.ports.get(hop.callee, 0) if service is not None else 0

    def start(
        self,
        hops: Mapping[str, Address],
        ends: TlsEnds = NO_TLS,
        traces_url: str = "",
        links: Mapping[str, Address] = {},
    ) -> None:
        """Start each and wait until it is ready.

        `hops`: the near end of each hop; `traces_url`: where traces are received; `links`: where
        customers reach each link itself.
        """
        self._tls, self._traces_url = ends, traces_url
        self.pages = pages_of(self._chain, hops, links, ends)
        for name in _callees_first(self._chain):
            service = self._chain.own_services()[name]
            addresses = self.addresses(name, hops)
            self._release(name)
            if name in self._by_hand:
                continue
            if service.is_started:
                self._start(name, service, addresses)
            else:
                self._wait_for_running(name, service, addresses)

    def addresses(self, name: str, hops: Mapping[str, Address]) -> Addresses:
        """Where a service listens and where its hops begin."""
        near = near_ends(self._chain, name, hops)
        secure = self._tls.near(name)
        return Addresses(
            self._at[name],
            self._folder_of(name),
            near | secure,
            webhook_secrets(self._chain, name, self._seed),
            frozenset(secure),
            self._tls.variables(name),
        )

    @property
    def link_faults(self) -> list[OwnLink]:
        """What switches the faults of each."""
        return list(self._links)

    def check(self) -> None:
        """Note which of them ended by themselves, and whether the clock was moved under them."""
        self._clock.look()
        for link in self._links:
            link.check()

    @property
    def are_ready(self) -> bool:
        """None of them is on its way back."""
        return not any(link.is_coming_back for link in self._links)

    @property
    def broken(self) -> str:
        """The name of a service that ended for good; "" when all go on."""
        return next((link.link for link in self._links if link.is_given_up), "")

    @property
    def problems(self) -> list[str]:
        """Why what they did says nothing about them, in sentences."""
        moved_s = self._clock.moved_s
        if not moved_s or not self._at:
            return []
        to = f"{'ahead' if moved_s > 0 else 'back'} by {seconds_text(abs(moved_s))}"
        return [
            f"the machine's clock was moved {to} during the run (set, or the machine slept): "
            "own services judge signatures and expiries by it"
        ]

    @property
    def failure_words(self) -> str:
        """What the broken service did, with its last lines; "" when all go on."""
        link = next((link for link in self._links if link.is_given_up), None)
        if link is None:
            return ""
        failure = link.failures[-1]
        lines = "".join(f"\n    {line}" for line in failure.lines)
        return f"{link.link} {failure.what}" + (f"; its last lines:{lines}" if lines else "")

    def variables(self, hops: Mapping[str, Address]) -> dict[str, dict[str, str]]:
        """The variables of each service, for somebody who starts it by hand."""
        return {
            name: self._telemetry(name) | variables(self._chain, name, self.addresses(name, hops))
            for name in self._chain.own_services()
        }

    def _telemetry(self, name: str) -> dict[str, str]:
        """The variables of a traced service; those of the user's own come before them."""
        is_traced = self._chain.own_services()[name].telemetry
        return telemetry(name, self._traces_url) if is_traced else {}

    def facts(self) -> list[ServiceFacts]:
        """What a result reports of each."""
        failures = {link.link: link.failures for link in self._links}
        return [
            ServiceFacts(
                name=name,
                form=without_passwords(service.form),
                log=f"{self._shown_logs}/{name}.log" if service.is_started else "",
                failures=failures.get(name, []),
            )
            for name, service in self._chain.own_services().items()
        ]

    def stop(self) -> None:
        """Stop all, callers first; leave nothing running that they started."""
        for name in list(self._reserved):
            self._release(name)
        for link in reversed(self._links):
            link.process.ask_to_stop()
        for link in reversed(self._links):
            link.process.wait_for_end()
        self._guard.close()
        for folder in self._folders.values():
            folder.cleanup()
        self._folders.clear()

    def _start(self, name: str, service: OwnService, addresses: Addresses) -> None:
        # Not before: a run with an empty folder is no evidence, and would not be judged.
        self._logs.mkdir(exist_ok=True)
        environment = {
            **_DEFAULTS,
            **self._telemetry(name),
            **{key: value for key, value in os.environ.items() if not key.startswith(_OURS)},
            **_without_proxies(os.environ),
            **variables(self._chain, name, addresses),
        }
        surroundings = ServiceEnvironment(
            addresses=addresses,
            environment=environment,
            folder=self._home / expanded(service.cwd),
            log=self._logs / f"{name}.log",
            mark=f"{self._run}-{name}",
        )
        process = OwnProcess(name, service, surroundings, self._guard)
        # From here on it is stopped with the others, whatever happens.
        link = OwnLink(name, process, self._now_ns, restarts=service.restart == "always")
        self._links.append(link)
        process.run_before()
        process.start()
        process.wait_until_ready()

    def _wait_for_running(self, name: str, service: OwnService, addresses: Addresses) -> None:
        sign = ReadySign(
            ready=service.ready,
            addresses=addresses,
            log=Path(os.devnull),
            written=0,
            folder=self._home,
            environment=os.environ,
        )
        missing = sign.wait(service.ready.within)
        if missing:
            raise NotStarted(
                f"{name} is not ready at {service.url}: {sign.words}: {missing}",
                hint="start it first (paychain up CHAIN --env prints the variables it needs)",
            )

    def _folder_of(self, name: str) -> str:
        """A folder for what a service stores: not the run's, which is kept and must hold no links.

        It is empty at each run, so that the service does not know payments of an earlier one.
        """
        if name not in self._folders:
            self._folders[name] = tempfile.TemporaryDirectory(prefix=f"paychain-{name}-")
        return self._folders[name].name

    def _reserve(self, name: str, port: int | None) -> int:
        """Hold a port until the service is started, so that no other process takes it."""
        if port is None:
            self._reserved[name] = held = held_port()
            return int(held.getsockname()[1])
        held = socket.socket()
        # Connections of a server that has just ended do not make its port a taken one.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((LOOPBACK, port))
        except OSError as error:
            held.close()
            raise NotStarted(
                f"port {port}, on which {name} should listen, cannot be opened ({error.strerror})",
                hint="stop what uses it, or remove port: to get a free one",
            ) from error
        self._reserved[name] = held
        return port

    def _release(self, name: str) -> None:
        held = self._reserved.pop(name, None)
        if held is not None:
            held.close()


def _without_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables by which HTTP clients reach loopback directly, whatever proxy the network has."""
    loopback = f"{LOOPBACK},localhost"
    return {
        name: ",".join(filter(None, (environment.get(name, ""), loopback)))
        for name in ("NO_PROXY", "no_proxy")
    }


def _callees_first(chain: Chain) -> list[str]:
    """Own services in an order in which each comes before those that call it."""
    own = chain.own_services()
    ordered: list[str] = []
    seen: set[str] = set()

    def visit(link: str) -> None:
        if link in seen:
            return
        seen.add(link)
        for target in chain.callees_of(link):
            visit(target)
        if link in own:
            ordered.append(link)

    for name in chain.links:
        visit(name)
    return ordered
