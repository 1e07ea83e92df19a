"""The pooled HTTP/1.1 client of a link: one target address, keep-alive, no retries unless asked.

request() ──> _idle_connection ─────> an idle connection
                    ▼ none
              _acquire_connection ──> a free slot: a new connection
                    │                 neither: wait in line ◄──────────────┐
                    ▼                                                      │
                exchange ──> _release_connection ──> the first that waits ─┘
                                                     nobody waits: idle
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import cached_property

from paychain.wire.client_connection import ClientConnection
from paychain.wire.http import (
    CallTimeout,
    ConnectionBroken,
    ConnectRefused,
    HttpResponse,
    WireError,
    request_head,
)

MAX_CONNECTIONS = 1_024  # of one pool: a caller's file descriptors are finite
MAX_WAITING = 10_000  # requests that wait for a connection: what waits costs memory

# A request in line gets a connection, or None: a free slot in which to make one.
Waiter = asyncio.Future[ClientConnection | None]


class HttpPool:
    """Connections to one address. A timed-out exchange costs its connection, so that a late
    answer is never matched to a later request.

    A kept-alive connection whose end was noticed is replaced before anything is sent. One that
    ends in the very moment of sending raises ConnectionBroken with `sent`: the peer may have acted
    on the request, so only its caller can say whether it may be sent again: `on_resend`. (RFC 9110
    §9.2.2 lets a client retry by itself only what is idempotent; a payment is not, and a webhook
    is, since its receiver has to expect it several times.)

    Always true: at most `max_connections` slots are taken, each by a connection that is open, being
    made or being closed; at most `max_waiting` requests wait, and only while every slot is taken
    and no connection is idle.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        max_connections: int = MAX_CONNECTIONS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._host, self._port = host, port
        self._authority = f"{host}:{port}"
        self._max_connections, self._max_waiting = max_connections, max_waiting
        self._slots_taken = 0
        self._connections: dict[ClientConnection, None] = {}
        self._idle: dict[ClientConnection, None] = {}
        self._connecting: dict[asyncio.Timeout, None] = {}
        self._waiters: deque[Waiter] = deque()
        self._is_closed = False
        self._drops = 0
        self._all_closed: asyncio.Future[None] | None = None

    async def request(
        self,
        method: str,
        target: str,
        body: bytes,
        *,
        headers: dict[str, str] | None = None,
        timeout_s: float,
        connect_timeout_s: float | None = None,
        on_resend: Callable[[], None] | None = None,
    ) -> HttpResponse:
        """Send one request and return its answer.

        `timeout_s` counts from now, waiting and connecting included; `connect_timeout_s` bounds
        those two alone, and ends as ConnectRefused. With `on_resend`, what was lost with a
        kept-alive connection is sent again over another one, although the peer may have acted on
        it; it is called each time.

        Raises ConnectRefused, CallTimeout, ConnectionBroken or MalformedHttp for what went wrong on
        the way, and ValueError for a request that cannot be written.
        """
        data = request_head(method, target, self._authority, len(body), headers or {}) + body
        loop, drops = self._loop, self._drops
        deadline = loop.time() + timeout_s
        connect_deadline = deadline
        if connect_timeout_s is not None:
            connect_deadline = min(deadline, loop.time() + connect_timeout_s)
        while True:
            # Nearly always one is idle, and nothing has to be waited for.
            connection = self._idle_connection()
            if connection is None:
                try:
                    connection = await self._acquire_connection(loop, connect_deadline)
                except CallTimeout as error:
                    # With a limit of its own, what had no connection in time is known not to be
                    # sent.
                    if connect_deadline < deadline:
                        raise ConnectRefused("no connection in time", sent=False) from error
                    raise
            try:
                return await connection.exchange(data, is_head=method == "HEAD", deadline=deadline)
            except ConnectionBroken:
                # Each turn costs a connection that was idle: at last there is none but a new one.
                if on_resend is None or not connection.has_answered or drops != self._drops:
                    raise
                on_resend()
            finally:
                if connection.is_usable:
                    self._release_connection(connection)
                else:
                    connection.abort()

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    async def close(self) -> None:
        """Close every connection; exchanges and requests that wait end as ConnectionBroken."""
        self._is_closed = True
        self.drop()
        if self._slots_taken:
            self._all_closed = asyncio.get_running_loop().create_future()
            await self._all_closed

    def drop(self) -> None:
        """Lose every connection: exchanges and requests that wait end as ConnectionBroken."""
        self._drops += 1
        for waiter in self._waiters:
            _fail(waiter, ConnectionBroken("the pool was closed", sent=False))
        for limit in self._connecting:
            if not limit.expired():
                limit.reschedule(0.0)
        for connection in list(self._connections):
            connection.abort()

    def _idle_connection(self) -> ClientConnection | None:
        """The idle connection that was used last; one that its peer has closed is not usable."""
        while self._idle and not self._is_closed:
            connection, _ = self._idle.popitem()
            if connection.is_usable:
                return connection
        return None

    async def _acquire_connection(
        self, loop: asyncio.AbstractEventLoop, deadline: float
    ) -> ClientConnection:
        # None is idle. Three cases: a slot is free; the line is full; the request waits in line.
        if self._is_closed:
            raise ConnectRefused("the pool is closed", sent=False)
        if self._slots_taken < self._max_connections:
            self._slots_taken += 1
            return await self._connect(loop, deadline)
        if len(self._waiters) >= self._max_waiting:
            raise ConnectRefused("too many requests wait for a connection", sent=False)
        handed = await self._wait_in_line(loop, deadline)
        if self._is_closed:
            self._hand_on(handed)
            raise ConnectionBroken("the pool was closed", sent=False)
        return handed if handed is not None else await self._connect(loop, deadline)

    async def _wait_in_line(
        self, loop: asyncio.AbstractEventLoop, deadline: float
    ) -> ClientConnection | None:
        """Wait for a connection, or for None: a slot that is now this request's."""
        assert not self._idle, "nothing waits while a connection is idle"
        assert self._slots_taken == self._max_connections, "nothing waits while a slot is free"
        waiter: Waiter = loop.create_future()
        self._waiters.append(waiter)
        error = CallTimeout("no connection in time", sent=False)
        timer = loop.call_at(deadline, _fail, waiter, error)
        try:
            return await waiter
        except BaseException:
            # Two cases: a connection came in the moment in which this task was cancelled, and the
            # next request in line gets it; or this request gave up while it waited.
            if not waiter.cancelled() and waiter.exception() is None:
                self._hand_on(waiter.result())
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            raise
        finally:
            timer.cancel()

    async def _connect(self, loop: asyncio.AbstractEventLoop, deadline: float) -> ClientConnection:
        """Make a connection in a slot that is already taken."""
        limit = asyncio.timeout_at(deadline)
        self._connecting[limit] = None
        assert len(self._connections) + len(self._connecting) <= self._slots_taken
        is_made = False
        try:
            async with limit:
                _, connection = await loop.create_connection(
                    lambda: ClientConnection(loop, self._connection_lost), self._host, self._port
                )
            is_made = not connection.is_lost
        except OSError as error:  # a TimeoutError is one, too: `limit` raises it
            if not limit.expired():
                raise ConnectRefused(str(error), sent=False) from error
            # `drop` ends what is being made by letting its time run out.
            if self._is_closed:
                raise ConnectionBroken("the pool was closed", sent=False) from None
            raise CallTimeout("no connection in time", sent=False) from None
        finally:
            del self._connecting[limit]
            if not is_made:
                self._free_slot()
        if not is_made:
            raise ConnectRefused("closed as soon as it was made", sent=False)
        self._connections[connection] = None  # from now on the slot is the connection's
        if self._is_closed:  # in the very moment in which it was made
            connection.abort()
            raise ConnectionBroken("the pool was closed", sent=False)
        return connection

    def _connection_lost(self, connection: ClientConnection) -> None:
        self._idle.pop(connection, None)
        # A connection that was lost while it was made is not listed; `_connect` frees its slot.
        if connection in self._connections:
            del self._connections[connection]
            self._free_slot()

    def _release_connection(self, connection: ClientConnection) -> None:
        """Give a usable connection to the first request in line, or keep it idle."""
        if self._is_closed:
            connection.abort()
        elif self._waiters and (waiter := self._next_waiter()) is not None:
            waiter.set_result(connection)
        else:
            self._idle[connection] = None

    def _hand_on(self, handed: ClientConnection | None) -> None:
        """Pass on what a request in line got and no longer needs."""
        if handed is None:
            self._free_slot()
        elif handed.is_usable:
            self._release_connection(handed)
        else:
            handed.abort()

    def _free_slot(self) -> None:
        """Give a slot to the first request in line, or back to the pool."""
        waiter = self._next_waiter()
        if waiter is not None:
            waiter.set_result(None)
            return
        self._slots_taken -= 1
        assert 0 <= self._slots_taken < self._max_connections
        if not self._slots_taken and self._all_closed is not None and not self._all_closed.done():
            self._all_closed.set_result(None)

    def _next_waiter(self) -> Waiter | None:
        """The first request in line that still waits."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None


def _fail(waiter: Waiter, error: WireError) -> None:
    if not waiter.done():
        waiter.set_exception(error)
