"""The fault engine of a waiting machine.

Its API listens on loopback there and asks for a token that only the waiting process has. So a run
sends its calls with a proof to that process, which forwards them.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from paychain.engine import engine as engines
from paychain.engine.ability import EMBEDDED
from paychain.engine.control import CALL_S, WEDGED
from paychain.payments.web_addresses import split_address
from paychain.processes.children import Children
from paychain.processes.tokens import bearer, new_token
from paychain.wire.client import HttpPool
from paychain.wire.http import HttpRequest, HttpResponse, WireError, json_response

PATH = "/engine"  # of the control API; the rest of a path is the engine's


class PlacedEngine:
    """An embedded engine in a process of its own, for one run. `folder` takes its output."""

    def __init__(self, folder: Path) -> None:
        self._children = Children(folder)
        self._pool: HttpPool | None = None
        self._headers: dict[str, str] = {}

    async def start(self, seed: int) -> None:
        """It is ready when this returns. Raises UserError."""
        self._children.folder.mkdir(exist_ok=True)
        token = new_token()
        engine = await asyncio.to_thread(engines.start, EMBEDDED, self._children, seed, None, token)
        self._headers = {"authorization": bearer(token)}
        engine.control.close()
        where = split_address(engine.control.url)
        assert where.hostname is not None
        assert where.port is not None
        self._pool = HttpPool(where.hostname, where.port)

    async def handle(self, http: HttpRequest) -> HttpResponse:
        """The engine's answer to a request; 503 when there is none."""
        assert self._pool is not None
        target = http.target.removeprefix(PATH)
        try:
            answer = await self._pool.request(
                http.method, target, http.body, headers=self._headers, timeout_s=CALL_S
            )
        except WireError as error:
            reason = {"error": f"no answer ({type(error).__name__})"}
            return json_response(WEDGED, reason)
        return HttpResponse(answer.status, answer.body, {"content-type": "application/json"})

    async def stop(self) -> None:
        """End its process, which heals every fault."""
        if self._pool is not None:
            await self._pool.close()
        self._children.stop()
