"""The control API of links that wait on another machine: for one run, then the process ends.

`GET /hello` gives the chain, the links that wait and their clock's time; everything else needs a
proof (see proof.py):
`POST /begin` starts the links, and the machine's fault engine if it is to have one, `GET /spool/N`
gives the records from byte N on, `POST /flush` their number of bytes, `POST /end` ends the process.
Paths below `/engine` are the engine's API, all others those of any services process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from paychain.environment.remote import proof
from paychain.environment.remote.beginning import BeginRequest, Hello
from paychain.environment.remote.engine import PATH, PlacedEngine
from paychain.model.chain import Chain
from paychain.payments.errors import UserError
from paychain.payments.journal import Journal
from paychain.processes.spool import SpoolJournal, record_stalls, record_switches
from paychain.processes.tokens import Authenticator, Unauthenticated
from paychain.services.control import ControlApi
from paychain.services.host import Host
from paychain.wire.http import HttpRequest, HttpResponse, json_response

PIECE_BYTES = 1_000_000  # of a spool in an answer: more could take longer than a call may
LEASE_S = 30.0  # a conductor that is silent for this long counts as gone


class WaitingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a waiting process is to run. The token comes in its environment, not in a file."""

    chain: dict[str, Any]  # the plain values of its file
    chain_sha256: str  # digest of its file: the run has to have the same
    links: list[str]
    has_engine: bool
    address: str
    port: int
    spool: str
    ready: str  # file that appears once it waits


class WaitingLinks:
    """The links of one plan, for one run that knows the token. `clock`: monotonic nanoseconds."""

    def __init__(
        self, plan: WaitingPlan, token: str, session: str, clock: Callable[[], int]
    ) -> None:
        self.over = asyncio.Event()
        self._plan, self._session, self._clock = plan, session, clock
        self._authenticator = Authenticator(token, session)
        self._heard_ns = clock()
        self._host: Host | None = None
        self._control: ControlApi | None = None
        self._spool = Path(plan.spool)
        self._journal = SpoolJournal(self._spool)
        self._engine = PlacedEngine(self._spool.with_suffix(".engine")) if plan.has_engine else None

    @property
    def is_forgotten(self) -> bool:
        """A run has begun, and its conductor was silent for LEASE_S."""
        silent_s = (self._clock() - self._heard_ns) / 1e9
        return self._host is not None and silent_s > LEASE_S

    async def handle(self, http: HttpRequest) -> HttpResponse:
        """Answer one request."""
        received_ns = self._clock()
        if (http.method, http.target) == ("GET", "/hello"):
            return json_response(200, self._hello(received_ns))
        try:
            proof.check(self._authenticator, http)
        except Unauthenticated as error:
            return json_response(403, {"error": str(error)})
        self._heard_ns = received_ns
        try:
            return await self._route(http)
        except (msgspec.MsgspecError, ValueError) as error:
            return json_response(400, {"error": str(error)})
        except OSError as error:
            return json_response(500, {"error": f"cannot listen: {error.strerror}"})
        except UserError as error:
            return json_response(500, {"error": str(error)})

    def _hello(self, received_ns: int) -> Hello:
        digest = self._plan.chain_sha256
        is_taken = self._host is not None
        return Hello(self._session, digest, self._plan.links, is_taken, received_ns, self._clock())

    async def _route(self, http: HttpRequest) -> HttpResponse:
        match http.method, http.target.strip("/").split("/"):
            case "POST", ["begin"]:
                if self._host is not None:
                    return json_response(409, {"error": "in use by another run"})
                return json_response(
                    200, await self._begin(msgspec.json.decode(http.body, type=BeginRequest))
                )
            case "GET", ["spool", offset]:
                return HttpResponse(200, self._piece(int(offset)), {})
            case "POST", ["flush"]:
                self._journal.close()  # the run has all it wants: what comes now is not its
                return json_response(200, {"size": self._spool.stat().st_size})
            case "POST", ["end"]:
                self.over.set()
                return json_response(200, {})
        if self._control is None:
            return json_response(409, {"error": "no run has started"})
        if self._engine is not None and http.target.startswith(f"{PATH}/"):
            return await self._engine.handle(http)
        return await self._control.handle(http)

    def _piece(self, offset: int) -> bytes:
        with self._spool.open("rb") as file:
            file.seek(offset)
            return file.read(PIECE_BYTES)

    async def _begin(self, begin: BeginRequest) -> dict[str, int]:
        """Start the engine, and the links with empty books; their ports."""
        journal: Journal = self._journal

        def now_ns() -> int:
            return self._clock() - begin.epoch_ns

        self._host = Host(
            Chain.model_validate(self._plan.chain),
            self._plan.links,
            seed=begin.seed,
            journal=journal,
            now_ns=now_ns,
        )
        if self._engine is not None:
            await self._engine.start(begin.seed)
        process = f"links {', '.join(self._plan.links)}"
        self._control = ControlApi(self._host, record_switches(process, journal, now_ns))
        self._journal.start()
        record_stalls(process, journal, now_ns)
        return await self._host.start(address=self._plan.address)

    async def stop(self) -> None:
        """Stop links and engine; what they recorded stays in the spool."""
        if self._host is not None:
            await self._host.stop()
        if self._engine is not None:
            await self._engine.stop()
        self._journal.close()
