"""The pooled HTTP/1.1 client of a link: one target address, keep-alive, no silent retries."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import httptools

from harness.wire.http import Broken, CallTimeout, HttpResponse, Malformed, Refused, WireError

MOST_CONNECTIONS = 1_024
MOST_RESPONSE_BYTES = 4_194_304
_FORBIDDEN = ("\r", "\n", "\0")


class HttpPool:
    """Connections to one address. A timed-out exchange costs its connection, so that a late
    answer is never matched to a later request."""

    def __init__(self, host: str, port: int, *, max_connections: int = MOST_CONNECTIONS) -> None:
        self._host, self._port = host, port
        self._most = max_connections
        self._idle: list[_Exchange] = []
        self._open = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._all: dict[_Exchange, None] = {}

    async def request(
        self, method: str, target: str, body: bytes, *, headers: dict[str, str] | None = None,
        timeout_s: float,
    ) -> HttpResponse:  # fmt: skip
        """One exchange. `timeout_s` counts from now, connecting included.

        Raises Refused, CallTimeout, Broken or Malformed. A kept-alive connection that turns out
        closed raises Broken: whether to send again is the caller's policy, never the pool's.
        """
        data = _encode(self._host, method, target, body, headers)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        connection = await self._connection(loop, deadline)
        try:
            return await connection.exchange(data, deadline)
        finally:
            self._release(connection)

    async def _connection(self, loop: asyncio.AbstractEventLoop, deadline: float) -> _Exchange:
        while True:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_usable:
                    return connection
            if self._open < self._most:
                return await self._connect(loop, deadline)
            turn: asyncio.Future[None] = loop.create_future()
            self._waiting.append(turn)
            await _until(loop, turn, deadline, sent=False)

    async def _connect(self, loop: asyncio.AbstractEventLoop, deadline: float) -> _Exchange:
        self._open += 1
        connection: _Exchange
        connecting = loop.create_task(
            loop.create_connection(lambda: _Exchange(loop), self._host, self._port)
        )
        try:
            _, connection = await _until(loop, connecting, deadline, sent=False)
        except BaseException as error:
            self._open -= 1
            connecting.cancel()
            self._wake()
            if isinstance(error, OSError):
                raise Refused(str(error), sent=False) from error
            raise
        self._all[connection] = None
        return connection

    def _release(self, connection: _Exchange) -> None:
        if connection.is_usable:
            self._idle.append(connection)
        else:
            connection.abort()
            self._open -= 1
            self._all.pop(connection, None)
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    async def close(self) -> None:
        """Close every connection; exchanges under way end as Broken."""
        for connection in list(self._all):
            connection.abort()
        await asyncio.sleep(0)


class _Exchange(asyncio.Protocol):
    """One connection, one exchange at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: Any = None
        self._waiter: asyncio.Future[HttpResponse] | None = None
        self._parser: Any = None
        self.is_usable = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.is_usable = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_usable = False
        self._fail(Broken(str(exc or "closed before the answer was whole"), sent=True))

    def eof_received(self) -> bool:
        self.is_usable = False
        if self._parser is not None and self._until_eof and self._waiter is not None:
            self._complete()
        return False

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            self.abort()  # an answer nobody asked for: nothing after it can be trusted
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.is_usable = False
            self._fail(Malformed(str(error), sent=True))

    async def exchange(self, data: bytes, deadline: float) -> HttpResponse:
        self._parser = httptools.HttpResponseParser(self)
        self._status, self._size, self._until_eof = 0, 0, False
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        waiter = self._waiter = self._loop.create_future()
        if not self.is_usable:
            raise Broken("the connection was closed", sent=False)
        self._transport.write(data)
        try:
            response: HttpResponse = await _until(self._loop, waiter, deadline, sent=True)
            return response
        except BaseException:
            self.is_usable = False
            raise
        finally:
            self._waiter = None

    def abort(self) -> None:
        self.is_usable = False
        if self._transport is not None:
            self._transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._grow(len(name) + len(value))
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        self._until_eof = (
            "content-length" not in self._headers and "transfer-encoding" not in self._headers
        )

    def on_body(self, data: bytes) -> None:
        self._grow(len(data))
        self._body.append(data)

    def on_message_complete(self) -> None:
        if 100 <= self._status < 200:
            self._headers, self._body = {}, []
            return
        self.is_usable = self.is_usable and self._parser.should_keep_alive()
        self._complete()

    def _complete(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            if not self._status:
                self._fail(Broken("closed before the answer was whole", sent=True))
                return
            self._waiter.set_result(HttpResponse(self._status, b"".join(self._body), self._headers))

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MOST_RESPONSE_BYTES:
            raise ValueError("answer over the limit")

    def _fail(self, error: WireError) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)


async def _until(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], deadline: float, *, sent: bool
) -> Any:
    """Await `future`, at most until `deadline`. A timer is cheaper than asyncio.timeout."""
    if future.done():
        return future.result()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake(_: object = None) -> None:
        if not waiter.done():
            waiter.set_result(None)

    future.add_done_callback(wake)
    timer = loop.call_at(deadline, wake)
    try:
        await waiter
    finally:
        timer.cancel()
        future.remove_done_callback(wake)
        if not future.done():
            future.cancel()
    if future.cancelled() or not future.done():
        raise CallTimeout("no answer in time", sent=sent)
    return future.result()


def _encode(
    host: str, method: str, target: str, body: bytes, headers: dict[str, str] | None
) -> bytes:
    head = f"{method} {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\n"
    for name, value in (headers or {}).items():
        if any(character in name or character in value for character in _FORBIDDEN):
            raise ValueError(f"header {name!r} holds a line break")
        head += f"{name}: {value}\r\n"
    return head.encode("latin-1") + b"\r\n" + body
