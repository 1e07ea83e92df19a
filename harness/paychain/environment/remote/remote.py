"""Another machine of a run, as the run sees it: begun, commanded, collected from, ended."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import requests
from requests.auth import AuthBase

from paychain.analysis.store.facts import HostFacts
from paychain.engine.control import EngineControl
from paychain.engine.engine import START_WITHIN_S
from paychain.environment.remote.beginning import BeginRequest, Hello
from paychain.environment.remote.engine import PATH
from paychain.environment.remote.lookup import address_of
from paychain.environment.remote.proof import ProvingAuth
from paychain.load.distributed.clock import ENOUGH, ClockExchange, ClockMeasure, ClockOffset
from paychain.load.distributed.spread import check_token
from paychain.model.chain import Chain
from paychain.model.loading import Loaded
from paychain.model.placement import Placed
from paychain.model.reach import is_allowed
from paychain.payments.errors import UserError
from paychain.processes.sessions import direct_session
from paychain.processes.tokens import TOKEN_VARIABLE

UNAUTHENTICATED = 403
CALL_S = 5.0
COLLECT_EVERY_S = 0.2
POLL_S = 0.25


class Remote:
    """Links and fault engine of one machine. What the links record comes to a spool here."""

    def __init__(self, name: str, placed: Placed, chain: Loaded[Chain], token: str) -> None:
        self.name, self.placed = name, placed
        self.address = placed.address  # looked up when the run begins, where it is a name
        self.ports: dict[str, int] = {}
        self.near = ""  # this machine's address, as that one reaches it
        self.offset: ClockOffset | None = None  # their clock minus ours
        self.epoch_ns = 0  # of the run, on their clock
        self.engine: EngineControl | None = None  # theirs, for the hops into their links
        self.problem = ""  # why its records may be incomplete
        self._chain, self._token = chain, token
        self._session_name = ""
        self._clock = ClockMeasure()
        self._over = threading.Event()
        self._collecting: threading.Thread | None = None
        self._spool = Path()
        self._position = 0
        self._session = direct_session()

    @property
    def url(self) -> str:
        """Of its control API."""
        return f"http://{self.address}:{self.placed.port}"

    def begin(self, seed: int, epoch_ns: int, spool: Path) -> None:
        """Its links listen when this returns. Raises UserError."""
        check_token(self.placed.address, self._token)
        hello = self._await()
        chain, start = self._chain, f"paychain up {self._chain.path} --only {self.name}"
        if hello.chain_sha256 != chain.sha256:
            raise UserError(
                f"{self.name} at {self.placed.address} has a different {chain.path.name}",
                hint=f"copy this one there, and start it again: {start}",
            )
        if hello.links != self.placed.links:
            raise UserError(
                f"{self.name} runs different links: {', '.join(hello.links)}",
                hint=f"start it again: {start}",
            )
        self._check_near()
        self._measure()
        self.offset = self._clock.offset
        assert self.offset is not None
        self._session_name, self._spool = hello.session, spool
        self._session = direct_session(self.auth())
        self.epoch_ns = epoch_ns + self.offset.ns
        within_s = CALL_S + START_WITHIN_S * self.placed.engine
        body = BeginRequest(seed, self.epoch_ns)
        self.ports = self._ask("POST", "/begin", body, within_s=within_s).json()
        if self.placed.engine:
            self.engine = EngineControl(f"{self.url}{PATH}", auth=self.auth())
        spool.touch()
        self._collecting = threading.Thread(
            target=self._collect, args=(direct_session(self.auth()),), daemon=True
        )
        self._collecting.start()

    def command(self, path: str, body: Any, within_s: float = CALL_S) -> Any:
        """The answer of its services process to a command. Raises UserError."""
        return self._ask("POST", path, body, within_s=within_s).json()

    def auth(self) -> AuthBase:
        """Authenticates requests to it; each thread or session needs its own."""
        return ProvingAuth(self._token, self._session_name)

    def end(self) -> str:
        """Fetch the last records and release it; the problem, or "" when all records are here."""
        if self._collecting is None:
            return ""
        self._over.set()
        self._collecting.join(CALL_S * 2)
        if not self.problem:
            try:
                self._measure()
                size = int(self._ask("POST", "/flush").json()["size"])
                while self._position < size:
                    self._fetch(self._session)
                self._ask("POST", "/end")
            except (UserError, OSError, ValueError, KeyError) as error:
                self.problem = f"records of {self.name} are missing: {error}"
        self._session.close()
        return self.problem

    def facts(self, hops: list[str]) -> HostFacts:
        """What a result reports of it, and of the proxies of these hops, which are on it."""
        offset, last = self.offset or ClockOffset(0, 0), self._clock.offset_now
        return HostFacts(
            name=self.name,
            address=self.address,
            links=self.placed.links,
            clock_offset_ms=offset.ns / 1e6,
            clock_uncertainty_ms=offset.uncertainty_ns / 1e6,
            clock_drift_ms=(last.ns - offset.ns) / 1e6 if last is not None else None,
            hops=hops,
        )

    def line(self) -> str:
        """One line for people: what runs there, and how far its clock is from ours."""
        assert self.offset is not None
        proxies = " and the proxies before them" if self.placed.engine else ""
        return (
            f"{self.name} at {self.address} runs {', '.join(self.placed.links)}{proxies}; "
            f"its clock is {self.offset.ns / 1e6:+.3f} ms from ours, "
            f"within {self.offset.uncertainty_ns / 1e6:.3f}"
        )

    def _await(self) -> Hello:
        until = time.monotonic() + self.placed.within
        while True:
            try:
                self.address = address_of(self.placed, self._chain)
                hello = self._hello()
            except UserError as error:
                if time.monotonic() > until:
                    raise UserError(
                        f"{self.name} is not waiting at {self.placed.address}:{self.placed.port} "
                        f"({error})",
                        hint=f"start there: paychain up {self._chain.path} --only {self.name}",
                    ) from error
            else:
                if not hello.is_taken:
                    return hello
                if time.monotonic() > until:
                    raise UserError(
                        f"{self.name} is in use by another run", hint="wait until it ends"
                    )
            time.sleep(POLL_S)

    def _check_near(self) -> None:
        """Its links call proxies at the address by which it reaches this machine."""
        with socket.create_connection((self.address, self.placed.port), CALL_S) as way:
            self.near = str(way.getsockname()[0])
        if not is_allowed(self.near, self._chain.model.allow):
            raise UserError(
                f"{self.name} would reach the proxies at {self.near}, outside loopback",
                hint=f"allow it in {self._chain.path.name}: allow: [{self.near}]",
            )

    def _measure(self) -> None:
        for _ in range(ENOUGH):
            self._hello()

    def _hello(self) -> Hello:
        sent_ns = time.monotonic_ns()
        answer = self._ask("GET", "/hello")
        returned_ns = time.monotonic_ns()
        try:
            hello = msgspec.json.decode(answer.content, type=Hello)
        except msgspec.MsgspecError as error:
            raise UserError(f"{self.url} is not paychain: {error}") from error
        self._clock.add(ClockExchange(sent_ns, hello.received_ns, hello.answered_ns, returned_ns))
        return hello

    def _collect(self, session: requests.Session) -> None:
        """Fetch its records until the run is over. Runs in a thread of its own."""
        while not self._over.wait(COLLECT_EVERY_S):
            try:
                while self._fetch(session):
                    continue
            except (UserError, OSError) as error:
                self.problem = f"{self.name} no longer answers: {error}"
                return

    def _fetch(self, session: requests.Session) -> int:
        data = self._ask("GET", f"/spool/{self._position}", session=session).content
        with self._spool.open("ab") as file:
            file.write(data)
        self._position += len(data)
        return len(data)

    def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        session: requests.Session | None = None,
        within_s: float = CALL_S,
    ) -> requests.Response:
        data = msgspec.json.encode(body) if body is not None else None
        try:
            answer = (session or self._session).request(
                method, self.url + path, data=data, timeout=within_s
            )
        except requests.RequestException as error:
            raise UserError(f"{method} {path}: no answer ({type(error).__name__})") from error
        if answer.status_code == UNAUTHENTICATED:
            raise UserError(
                f"{self.name} does not know this run's token",
                hint=f"give both the same {TOKEN_VARIABLE}",
            )
        if answer.status_code != 200:
            raise UserError(f"{self.name}: {method} {path}: {answer.text[:200]}")
        return answer
