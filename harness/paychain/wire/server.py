"""The HTTP/1.1 server of a mock link."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from paychain.wire.connection import Connection
from paychain.wire.http import Handler, ServerLimits, Undeliverable
from paychain.wire.ports import Port, hold

_BACKLOG = 1_024  # connections the system may hold before they are accepted
_CANCEL_S = 1.0  # how long a cancelled handler may take to end


class HttpServer:
    """Serves one handler on one address.

    `on_undeliverable` is called with each request whose answer did not reach its client.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        limits: ServerLimits = ServerLimits(),  # noqa: B008  (frozen: all may share it)
        on_undeliverable: Undeliverable | None = None,
    ) -> None:
        self.handler = handler
        self.limits = limits
        self.on_undeliverable = on_undeliverable
        self.is_draining = False
        self._connections: dict[Connection, None] = {}
        self._tasks: dict[Connection, asyncio.Task[None]] = {}
        self._server: Any = None
        self._port: Port | None = None  # held from the first start until stop, in a crash, too
        self._idle: asyncio.Future[None] | None = None

    @property
    def pending(self) -> int:
        """Connections that are open and handlers that run."""
        return len(self._connections) + len(self._tasks)

    async def start(self, host: str, port: int = 0, *, held: Port | None = None) -> int:
        """Listen, also again after a crash, and return the port; port 0 picks a free one.

        `held`: the address, already bound by who started this process. Raises OSError when the
        address is not available.
        """
        self.is_draining = False
        loop = asyncio.get_running_loop()
        if self._port is None:
            self._port = held or hold(loop, host, port)
        try:
            self._server = await self._port.serve(loop, lambda: Connection(self, loop), _BACKLOG)
        except OSError:
            self._release()
            raise
        return self._port.address[1]

    def _release(self) -> None:
        if self._port is not None:
            self._port.release()
            self._port = None

    def _unlisten(self) -> None:
        """Refuse connections, and keep the address."""
        if self._server is not None:
            self._server.close()
        if self._port is not None:
            self._port.refuse()

    async def stop(self, drain_s: float = 5.0) -> None:
        """Stop accepting, answer for up to `drain_s` seconds what was begun, then close all."""
        self.is_draining = True
        self._unlisten()
        for connection in list(self._connections):
            connection.close_when_idle()
        await self._wait_until_idle(drain_s)
        self.kill()
        self._release()
        await self._wait_until_idle(_CANCEL_S)

    def kill(self) -> None:
        """Crash: stop listening, cancel every handler, drop every connection."""
        self.is_draining = True
        self._unlisten()
        for connection, task in list(self._tasks.items()):
            # A task that is cancelled before it has begun never reports its end itself.
            task.add_done_callback(partial(self._handler_cancelled, connection))
            task.cancel()
        for connection in list(self._connections):
            connection.abort()

    async def _wait_until_idle(self, within_s: float) -> None:
        if not self.pending or within_s <= 0:
            return
        loop = asyncio.get_running_loop()
        self._idle = loop.create_future()
        timer = loop.call_later(within_s, self._signal_idle)
        try:
            await self._idle
        finally:
            timer.cancel()
            self._idle = None

    def _signal_idle(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def accept(self, connection: Connection) -> bool:
        """Register a new connection; False when there is no room for it, or no more are wanted."""
        if self.is_draining or len(self._connections) >= self.limits.connections:
            return False
        self._connections[connection] = None
        return True

    def connection_closed(self, connection: Connection) -> None:
        """The connection is gone."""
        self._connections.pop(connection, None)
        if not self.pending:
            self._signal_idle()

    def handler_started(self, connection: Connection, task: asyncio.Task[None]) -> None:
        """A connection has begun its only task, which nothing but the server cancels."""
        assert connection not in self._tasks, "a connection answers one request at a time"
        self._tasks[connection] = task

    def handler_ended(self, connection: Connection) -> None:
        """That task has ended."""
        self._tasks.pop(connection, None)
        if self._idle is not None and not self.pending:
            self._signal_idle()

    def _handler_cancelled(self, connection: Connection, _: asyncio.Task[None]) -> None:
        self.handler_ended(connection)
