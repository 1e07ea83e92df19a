"""The HTTP/1.1 server of a mock link."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from harness.wire.connection import Connection
from harness.wire.http import Handler, Limits, Undeliverable

_BACKLOG = 1_024  # connections the system may hold before they are accepted
_LAST_S = 1.0  # how long a cancelled handler may take to end


class HttpServer:
    """Serves one handler on one address."""

    def __init__(
        self,
        handler: Handler,
        *,
        limits: Limits = Limits(),  # noqa: B008  (frozen)
        on_undeliverable: Undeliverable | None = None,
    ) -> None:
        self.handler = handler
        self.limits = limits
        self.on_undeliverable = on_undeliverable
        self.is_draining = False
        self._connections: dict[Connection, None] = {}
        self._tasks: dict[Connection, asyncio.Task[None]] = {}
        self._server: Any = None
        self._quiet: asyncio.Future[None] | None = None

    @property
    def pending(self) -> int:
        """Connections that are open and handlers that run."""
        return len(self._connections) + len(self._tasks)

    async def start(self, host: str, port: int = 0) -> int:
        """Listen, also again after a crash; returns the port.

        Raises OSError when the address cannot be had.
        """
        self.is_draining = False
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self, loop), host, port, backlog=_BACKLOG
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self, drain_s: float = 5.0) -> None:
        """Stop accepting, let what was begun be answered for `drain_s` seconds, close all."""
        self.is_draining = True
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close_when_idle()
        await self._until_quiet(drain_s)
        self.kill()
        await self._until_quiet(_LAST_S)

    def kill(self) -> None:
        """Crash: stop listening, cancel every handler, drop every connection."""
        self.is_draining = True
        if self._server is not None:
            self._server.close()
        for connection, task in list(self._tasks.items()):
            # One that has not begun will not say that it has ended.
            task.add_done_callback(partial(self._killed, connection))
            task.cancel()
        for connection in list(self._connections):
            connection.abort()

    async def _until_quiet(self, within_s: float) -> None:
        if not self.pending or within_s <= 0:
            return
        loop = asyncio.get_running_loop()
        self._quiet = loop.create_future()
        timer = loop.call_later(within_s, self._fall_quiet)
        try:
            await self._quiet
        finally:
            timer.cancel()
            self._quiet = None

    def _fall_quiet(self) -> None:
        if self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)

    # -- what a connection asks for ---------------------------------------------------------------
    def opened(self, connection: Connection) -> bool:
        """Whether there is room for one more."""
        if self.is_draining or len(self._connections) >= self.limits.connections:
            return False
        self._connections[connection] = None
        return True

    def closed(self, connection: Connection) -> None:
        """The connection is gone."""
        self._connections.pop(connection, None)
        if not self.pending:
            self._fall_quiet()

    def answering(self, connection: Connection, task: asyncio.Task[None]) -> None:
        """A connection's only task, which nobody but the server cancels, has begun."""
        self._tasks[connection] = task

    def answered(self, connection: Connection) -> None:
        """It has ended."""
        self._tasks.pop(connection, None)
        if not self.pending:
            self._fall_quiet()

    def _killed(self, connection: Connection, _: asyncio.Task[None]) -> None:
        self.answered(connection)
