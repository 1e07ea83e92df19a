"""The pooled HTTP/1.1 client of a link: one target address, keep-alive, no silent retries."""

from __future__ import annotations

import asyncio
from collections import deque

from harness.wire.exchange import Exchange
from harness.wire.http import (
    Broken,
    CallTimeout,
    HttpResponse,
    Refused,
    WireError,
    request_head,
)

MOST_CONNECTIONS = 1_024
MOST_WAITING = 10_000  # requests that wait for a connection


class HttpPool:
    """Connections to one address. A timed-out exchange costs its connection, so that a late
    answer is never matched to a later request.

    A kept-alive connection whose end was noticed is replaced before anything is sent. One that
    ends in the very moment of sending raises Broken with `sent`: the peer may have acted on the
    request, so whether to send it again is the caller's policy, never the pool's.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        max_connections: int = MOST_CONNECTIONS,
        max_waiting: int = MOST_WAITING,
    ) -> None:
        self._host, self._port = host, port
        self._authority = f"{host}:{port}"
        self._most, self._most_waiting = max_connections, max_waiting
        self._slots = 0  # connections that stand, are being made, or are being closed
        self._connections: dict[Exchange, None] = {}
        self._idle: dict[Exchange, None] = {}
        self._connecting: dict[asyncio.Timeout, None] = {}
        # Each gets a connection, or None: a slot to make one.
        self._turns: deque[asyncio.Future[Exchange | None]] = deque()
        self._is_closed = False
        self._empty: asyncio.Future[None] | None = None

    async def request(
        self, method: str, target: str, body: bytes, *, headers: dict[str, str] | None = None,
        timeout_s: float,
    ) -> HttpResponse:  # fmt: skip
        """One exchange. `timeout_s` counts from now, waiting and connecting included.

        Raises Refused, CallTimeout, Broken or Malformed for what went wrong on the way, and
        ValueError for a request that cannot be written.
        """
        data = request_head(method, target, self._authority, len(body), headers or {}) + body
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        connection = await self._take(loop, deadline)
        try:
            return await connection.exchange(data, is_head=method == "HEAD", deadline=deadline)
        finally:
            if connection.is_usable:
                self._give(connection)
            else:
                connection.abort()

    async def close(self) -> None:
        """Close every connection; exchanges under way and requests that wait end as Broken."""
        self._is_closed = True
        self.drop()
        if self._slots:
            self._empty = asyncio.get_running_loop().create_future()
            await self._empty

    def drop(self) -> None:
        """Lose every connection: exchanges under way and requests that wait end as Broken."""
        for turn in self._turns:
            _fail(turn, Broken("the pool was closed", sent=False))
        for limit in self._connecting:
            if not limit.expired():
                limit.reschedule(0.0)
        for connection in list(self._connections):
            connection.abort()

    # -- one connection for one request -----------------------------------------------------------
    async def _take(self, loop: asyncio.AbstractEventLoop, deadline: float) -> Exchange:
        if self._is_closed:
            raise Refused("the pool is closed", sent=False)
        while self._idle:
            connection, _ = self._idle.popitem()
            if connection.is_usable:
                return connection
        if self._slots < self._most:
            self._slots += 1
            return await self._connect(loop, deadline)
        if len(self._turns) >= self._most_waiting:
            raise Refused("too many requests wait for a connection", sent=False)
        turn: asyncio.Future[Exchange | None] = loop.create_future()
        self._turns.append(turn)
        timer = loop.call_at(
            deadline, _fail, turn, CallTimeout("no connection in time", sent=False)
        )
        try:
            handed = await turn
        except BaseException:
            if not turn.cancelled() and turn.exception() is None:
                self._pass_on(turn.result())  # it came while this task was being cancelled
            elif turn in self._turns:
                self._turns.remove(turn)
            raise
        finally:
            timer.cancel()
        if self._is_closed:
            self._pass_on(handed)
            raise Broken("the pool was closed", sent=False)
        return handed if handed is not None else await self._connect(loop, deadline)

    async def _connect(self, loop: asyncio.AbstractEventLoop, deadline: float) -> Exchange:
        """Make a connection in a slot that is already taken."""
        limit = asyncio.timeout_at(deadline)
        self._connecting[limit] = None
        is_made = False
        try:
            async with limit:
                _, connection = await loop.create_connection(
                    lambda: Exchange(loop, self._lost), self._host, self._port
                )
            is_made = not connection.is_lost
        except OSError as error:
            if not limit.expired():
                raise Refused(str(error), sent=False) from error
            if self._is_closed:
                raise Broken("the pool was closed", sent=False) from None
            raise CallTimeout("no connection in time", sent=False) from None
        finally:
            del self._connecting[limit]
            if not is_made:
                self._free_slot()
        if not is_made:
            raise Refused("closed as soon as it was made", sent=False)
        self._connections[connection] = None  # from now on the slot is the connection's
        if self._is_closed:  # in the very moment in which it was made
            connection.abort()
            raise Broken("the pool was closed", sent=False)
        return connection

    def _lost(self, connection: Exchange) -> None:
        self._idle.pop(connection, None)
        if connection in self._connections:
            del self._connections[connection]
            self._free_slot()

    # -- who is next ------------------------------------------------------------------------------
    def _give(self, connection: Exchange) -> None:
        if self._is_closed:
            connection.abort()
        elif (turn := self._next_turn()) is not None:
            turn.set_result(connection)
        else:
            self._idle[connection] = None

    def _pass_on(self, handed: Exchange | None) -> None:
        if handed is None:
            self._free_slot()
        elif handed.is_usable:
            self._give(handed)
        else:
            handed.abort()

    def _free_slot(self) -> None:
        turn = self._next_turn()
        if turn is not None:
            turn.set_result(None)
            return
        self._slots -= 1
        if not self._slots and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def _next_turn(self) -> asyncio.Future[Exchange | None] | None:
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                return turn
        return None


def _fail(turn: asyncio.Future[Exchange | None], error: WireError) -> None:
    if not turn.done():
        turn.set_exception(error)
