"""The HTTP/1.1 server of a mock link.

A client that goes away never cancels the work: a processor that has begun to charge goes on, and
the answer that cannot be delivered is reported. That is where double charges come from.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from http import HTTPStatus
from typing import Any

import httptools

from harness.wire.http import Handler, HttpRequest, HttpResponse, Limits, Undeliverable

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODYLESS = (204, 304)


class _Reject(Exception):
    """A request that is answered with an error instead of being handled."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


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
        self.connections: dict[_Connection, None] = {}
        self.tasks: dict[asyncio.Task[None], None] = {}
        self._server: asyncio.AbstractServer | None = None

    async def start(self, host: str, port: int = 0) -> int:
        """Listen; returns the port. Raises OSError when the address cannot be had."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self, loop), host, port, backlog=1024)
        self._server = server
        return int(server.sockets[0].getsockname()[1])

    async def stop(self, drain_s: float = 5.0) -> None:
        """Stop accepting, let handlers finish for `drain_s` seconds, close everything."""
        self.is_draining = True
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.close_when_idle()
        if self.tasks and drain_s > 0:
            await asyncio.wait(list(self.tasks), timeout=drain_s)
        self.kill()
        await asyncio.sleep(0)  # let the aborted connections be told

    def kill(self) -> None:
        """Crash: stop listening, cancel every handler, abort every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self.tasks):
            task.cancel()
        for connection in list(self.connections):
            connection.abort()


class _Connection(asyncio.Protocol):
    """One client connection: requests are parsed ahead and answered in order."""

    def __init__(self, server: HttpServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._limits = server.limits
        self._loop = loop
        self._transport: Any = None
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[tuple[HttpRequest, bool]] = deque()  # with keep-alive
        self._is_busy = False
        self._has_ended = False  # the client sent FIN: answer what is queued, then close
        self._is_lost = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._timer: asyncio.TimerHandle | None = None
        self._in_message = self._in_body = False
        self._reset_message()

    # -- transport ------------------------------------------------------------------------------
    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        if len(self._server.connections) >= self._limits.connections:
            transport.abort()
            return
        self._server.connections[self] = None
        self._wait(self._limits.idle_s)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._is_lost = True
        self._writable.set()
        self._server.connections.pop(self, None)
        self._stop_waiting()
        self._queue.clear()

    def eof_received(self) -> bool:
        self._has_ended = True
        return self._is_busy or bool(self._queue)  # half-closed: the answer can still go out

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        if self._has_ended or self._is_lost:
            return
        self._head_bytes += len(data) if not self._in_body else 0
        if not self._in_message:
            self._in_message = True
            self._wait(self._limits.request_s)
        try:
            self._parser.feed_data(data)
            if not self._in_body and self._head_bytes > self._limits.header_bytes + 65_536:
                raise _Reject(431)
        except httptools.HttpParserUpgrade:
            self._reject(400)
        except _Reject as rejected:
            self._reject(rejected.status)
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._reject(cause.status if isinstance(cause, _Reject) else 400)

    # -- parser callbacks -----------------------------------------------------------------------
    def on_message_begin(self) -> None:
        self._reset_message()
        self._in_message = True

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._check_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._check_head(len(name) + len(value))
        key = name.decode("latin-1").lower()
        if key == "host" and key in self._headers:
            raise _Reject(400)
        if key in self._headers:
            self._headers[key] += f", {value.decode('latin-1')}"
        else:
            self._headers[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._in_body = True
        if self._parser.get_http_version() == "1.1" and "host" not in self._headers:
            raise _Reject(400)
        if self._parser.get_method() == b"CONNECT" or "upgrade" in self._headers:
            raise _Reject(400)
        length = self._headers.get("content-length", "0")
        if "transfer-encoding" in self._headers and "content-length" in self._headers:
            raise _Reject(400)
        if length.isdigit() and int(length) > self._limits.body_bytes:
            raise _Reject(413)
        if self._headers.get("expect", "").lower() == "100-continue" and not self._is_busy:
            self._transport.write(_CONTINUE)

    def on_body(self, data: bytes) -> None:
        self._body_bytes += len(data)
        if self._body_bytes > self._limits.body_bytes:
            raise _Reject(413)
        self._body.append(data)

    def on_message_complete(self) -> None:
        request = HttpRequest(
            self._parser.get_method().decode("latin-1"),
            self._target.decode("latin-1"),
            self._headers,
            b"".join(self._body),
        )
        self._queue.append((request, self._parser.should_keep_alive()))
        self._reset_message()
        self._stop_waiting()
        if len(self._queue) >= self._limits.pipelined:
            self._transport.pause_reading()
        self._next()

    # -- answering ------------------------------------------------------------------------------
    def _next(self) -> None:
        if self._is_busy or not self._queue:
            return
        self._is_busy = True
        request, keep_alive = self._queue.popleft()
        if len(self._queue) == self._limits.pipelined - 1 and not self._is_lost:
            self._transport.resume_reading()
        task = self._loop.create_task(self._handle(request, keep_alive))
        self._server.tasks[task] = None
        task.add_done_callback(self._server.tasks.pop)

    async def _handle(self, request: HttpRequest, keep_alive: bool) -> None:
        try:
            response = await self._server.handler(request)
        except Exception as error:
            body = json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()
            response = HttpResponse(500, body, {"content-type": "application/json"})
        if response is None:
            return  # never answered: the connection waits for its peer to go away
        if self._is_lost:
            if self._server.on_undeliverable is not None:
                self._server.on_undeliverable(request, response)
            return
        keep_alive = keep_alive and not response.close and not self._server.is_draining
        self._transport.write(_encode(request, response, keep_alive))
        if not self._writable.is_set():
            await self._writable.wait()
        self._is_busy = False
        if self._is_lost:
            return
        if not keep_alive or (self._has_ended and not self._queue):
            self._transport.close()
        elif self._queue:
            self._next()
        elif not self._in_message:
            self._wait(self._limits.idle_s)

    def _reject(self, status: int) -> None:
        """Answer an error once, then close: the rest of the bytes cannot be trusted."""
        self._has_ended = True
        self._stop_waiting()
        if not self._is_busy:
            request = HttpRequest("GET", "/")
            self._transport.write(_encode(request, HttpResponse(status), False))
        self._transport.close()

    # -- time -----------------------------------------------------------------------------------
    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._timer = self._loop.call_later(seconds, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        if self._in_message:
            self._reject(408)
        elif not self._is_busy:
            self._transport.close()

    def close_when_idle(self) -> None:
        """Close now, or after the answers that are owed."""
        if not self._is_busy and not self._queue:
            self._transport.close()

    def abort(self) -> None:
        """Reset the connection."""
        self._transport.abort()

    def _check_head(self, size: int) -> None:
        self._fields_bytes += size
        if self._fields_bytes > self._limits.header_bytes:
            raise _Reject(431)

    def _reset_message(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._body_bytes = self._fields_bytes = self._head_bytes = 0
        self._in_message = self._in_body = False


def _encode(request: HttpRequest, response: HttpResponse, keep_alive: bool) -> bytes:
    reason = _REASONS.get(response.status, "Unknown")
    lines = [f"HTTP/1.1 {response.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    has_body = response.status not in _BODYLESS
    if has_body:
        lines.append(f"content-length: {len(response.body)}")
    if not keep_alive:
        lines.append("connection: close")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head + response.body if has_body and request.method != "HEAD" else head
