"""Another machine of a run, as the run reaches it: begun, told, listened to, ended."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import requests
from requests.auth import AuthBase

from harness.faults.control import EngineControl
from harness.faults.engine import START_WITHIN_S
from harness.hosts.engine import PATH
from harness.hosts.proof import Sender
from harness.hosts.waiting import Begin, Hello
from harness.load.clock import ENOUGH, ClockMeasure, Exchange, Offset
from harness.load.spread import check_token
from harness.model.chain import Chain
from harness.model.loading import Loaded
from harness.model.placement import Placed
from harness.model.reach import is_allowed
from harness.payments.errors import UserError

AWAITED_S = 20.0  # it may be started a moment after the run
CALL_S = 5.0
COLLECT_EVERY_S = 0.2
POLL_S = 0.25


class Remote:
    """Links and fault engine of one machine. What the links record comes to a spool here."""

    def __init__(self, name: str, placed: Placed, chain: Loaded[Chain], token: str) -> None:
        self.name, self.placed = name, placed
        self.url = f"http://{placed.address}:{placed.port}"
        self.ports: dict[str, int] = {}
        self.near = ""  # this machine's address, as that one reaches it
        self.offset: Offset | None = None  # their clock minus ours
        self.epoch_ns = 0  # of the run, on their clock
        self.engine: EngineControl | None = None  # theirs, for the hops into their links
        self.problem = ""  # why it was given up
        self._chain, self._token = chain, token
        self._session_name = ""
        self._clock = ClockMeasure()
        self._over = threading.Event()
        self._collecting: threading.Thread | None = None
        self._spool = Path()
        self._position = 0
        self._session = _session(None)

    def begin(self, seed: int, epoch_ns: int, spool: Path) -> None:
        """Its links listen when this returns. Raises UserError."""
        check_token(self.placed.address, self._token)
        hello = self._await()
        chain, start = self._chain, f"paychain up {self._chain.path} --only {self.name}"
        if hello.chain_sha256 != chain.sha256:
            raise UserError(
                f"{self.name} at {self.placed.address} has another {chain.path.name}",
                mend=f"copy this one there, and start it again: {start}",
            )
        if hello.links != self.placed.links:
            raise UserError(
                f"{self.name} runs other links: {', '.join(hello.links)}",
                mend=f"start it again: {start}",
            )
        self._check_near()
        self._measure()
        assert self.offset is not None
        self._session_name, self._spool = hello.session, spool
        self._session = _session(self.sender())
        self.epoch_ns = epoch_ns + self.offset.ns
        within_s = CALL_S + START_WITHIN_S * self.placed.engine
        order = Begin(seed, self.epoch_ns)
        self.ports = self._ask("POST", "/begin", order, within_s=within_s).json()
        if self.placed.engine:
            self.engine = EngineControl(f"{self.url}{PATH}", auth=self.sender())
        spool.touch()
        self._collecting = threading.Thread(
            target=self._collect, args=(_session(self.sender()),), daemon=True
        )
        self._collecting.start()

    def order(self, path: str, order: Any, within_s: float = CALL_S) -> Any:
        """What its services process answers to an order. Raises UserError."""
        return self._ask("POST", path, order, within_s=within_s).json()

    def sender(self) -> AuthBase:
        """Proves orders to it; one for each who gives them."""
        return Sender(self._token, self._session_name)

    def end(self) -> str:
        """Take over the last records and let it go; what was wrong, "" when all are here."""
        if self._collecting is None:
            return ""
        self._over.set()
        self._collecting.join(CALL_S * 2)
        if not self.problem:
            try:
                self._measure_again()
                size = int(self._ask("POST", "/flush").json()["size"])
                while self._position < size:
                    self._fetch(self._session)
                self._ask("POST", "/end")
            except (UserError, OSError, ValueError, KeyError) as error:
                self.problem = f"records of {self.name} are missing: {error}"
        self._session.close()
        return self.problem

    @property
    def drift(self) -> Offset | None:
        """Their clock minus ours at the end."""
        return self._clock.offset_now

    def line(self) -> str:
        """What runs there and how far its clock is from ours, in words."""
        assert self.offset is not None
        proxies = " and the proxies before them" if self.placed.engine else ""
        return (
            f"{self.name} at {self.placed.address} runs {', '.join(self.placed.links)}{proxies}; "
            f"its clock is {self.offset.ns / 1e6:+.3f} ms from ours, "
            f"within {self.offset.within_ns / 1e6:.3f}"
        )

    def _await(self) -> Hello:
        until = time.monotonic() + AWAITED_S
        while True:
            try:
                hello = self._hello()
            except UserError as error:
                if time.monotonic() > until:
                    raise UserError(
                        f"{self.name} does not wait at {self.placed.address}:{self.placed.port} "
                        f"({error})",
                        mend=f"start there: paychain up {self._chain.path} --only {self.name}",
                    ) from error
            else:
                if not hello.is_taken:
                    return hello
                if time.monotonic() > until:
                    raise UserError(f"{self.name} is taken by another run", mend="wait for its end")
            time.sleep(POLL_S)

    def _check_near(self) -> None:
        """The proxies that its links call listen where it reaches this machine."""
        with socket.create_connection((self.placed.address, self.placed.port), CALL_S) as way:
            self.near = str(way.getsockname()[0])
        if not is_allowed(self.near, self._chain.model.allow):
            raise UserError(
                f"{self.name} would reach the proxies at {self.near}, outside loopback",
                mend=f"allow it in {self._chain.path.name}: allow: [{self.near}]",
            )

    def _measure(self) -> None:
        for _ in range(ENOUGH):
            self._hello()
        self.offset = self._clock.offset

    def _measure_again(self) -> None:
        for _ in range(ENOUGH):
            self._hello()

    def _hello(self) -> Hello:
        sent_ns = time.monotonic_ns()
        answer = self._ask("GET", "/hello")
        returned_ns = time.monotonic_ns()
        try:
            hello = msgspec.json.decode(answer.content, type=Hello)
        except msgspec.MsgspecError as error:
            raise UserError(f"{self.url} is no paychain: {error}") from error
        self._clock.add(Exchange(sent_ns, hello.received_ns, hello.answered_ns, returned_ns))
        return hello

    def _collect(self, session: requests.Session) -> None:
        """Bring its records here until told that it is over. Runs in a thread of its own."""
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
        self, method: str, path: str, order: Any = None, session: requests.Session | None = None,
        within_s: float = CALL_S,
    ) -> requests.Response:  # fmt: skip
        body = msgspec.json.encode(order) if order is not None else None
        try:
            answer = (session or self._session).request(
                method, self.url + path, data=body, timeout=within_s
            )
        except requests.RequestException as error:
            raise UserError(f"{method} {path}: no answer ({type(error).__name__})") from error
        if answer.status_code == 403:
            raise UserError(
                f"{self.name} does not know this run's token",
                mend="give both the same PAYCHAIN_TOKEN",
            )
        if answer.status_code != 200:
            raise UserError(f"{self.name}: {method} {path}: {answer.text[:200]}")
        return answer


def _session(auth: AuthBase | None) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # never through a corporate proxy
    session.auth = auth
    return session
