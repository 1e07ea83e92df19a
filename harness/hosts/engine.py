"""The fault engine of a waiting machine: its API is on loopback there, and asks for no proof.

So a run's calls come as orders with a proof, and are handed on.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from harness.children import Children
from harness.faults import engine as engines
from harness.faults.choice import EMBEDDED
from harness.faults.control import CALL_S, WEDGED
from harness.wire.client import HttpPool
from harness.wire.http import HttpRequest, HttpResponse, WireError

PATH = "/engine"  # of the control API: what comes after it is the engine's


class PlacedEngine:
    """An embedded engine in a process of its own, for one run. `folder` takes its output."""

    def __init__(self, folder: Path) -> None:
        self._children = Children(folder)
        self._pool: HttpPool | None = None

    async def start(self, seed: int) -> None:
        """It is ready when this returns. Raises UserError."""
        self._children.folder.mkdir(exist_ok=True)
        engine = await asyncio.to_thread(engines.start, EMBEDDED, self._children, seed)
        engine.control.close()
        where = urlsplit(engine.control.url)
        assert where.hostname is not None
        assert where.port is not None
        self._pool = HttpPool(where.hostname, where.port)

    async def handle(self, http: HttpRequest) -> HttpResponse:
        """What the engine answers to an order; 503 when it does not."""
        assert self._pool is not None
        target = http.target.removeprefix(PATH)
        try:
            answer = await self._pool.request(http.method, target, http.body, timeout_s=CALL_S)
        except WireError as error:
            told = {"error": f"no answer ({type(error).__name__})"}
            return HttpResponse(WEDGED, msgspec.json.encode(told), _JSON)
        return HttpResponse(answer.status, answer.body, _JSON)

    async def stop(self) -> None:
        """End its process, and with it every fault."""
        if self._pool is not None:
            await self._pool.close()
        self._children.stop()


_JSON = {"content-type": "application/json"}
