"""One client's connection at a server: requests are read ahead and answered in order.

    bytes ──> RequestReader ──> queue ──> handler ──> bytes
                   │              └── full: stop reading
                   └── not a request: answer what is queued, send the error, close

A client that goes away never cancels the work: a processor that has begun to charge goes on, and
the answer that cannot be delivered is reported. That is where double charges come from. Requests
that were read ahead but not begun are dropped with their connection.

Which answers count as undeliverable: the connection was lost before the operating system had taken
the whole answer; or it was reset within `telltale_s` of the answer. A caller that gives up usually
closes, and its FIN looks like the half-close of a caller that still reads. So after a FIN the last
byte is delayed by `telltale_s`: a caller that is gone resets the connection at the first bytes.
What cannot be known: whether an answer was read that the caller's system, or a proxy on the way,
accepted; and a caller that closes properly while the answer is on its way.

Persistent connections, pipelining and closing follow RFC 9112 §9.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Protocol

from paychain.wire.http import (
    Handler,
    HttpRequest,
    HttpResponse,
    ServerLimits,
    Undeliverable,
    header_lines,
)
from paychain.wire.requests import Rejected, RequestReader
from paychain.wire.timer import WaitTimer

MAX_HEADS_KEPT = 256  # of answers: most differ in their body's size only
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODYLESS = (204, 304)  # RFC 9110 §6.4.1


class ConnectionOwner(Protocol):
    """The server, as its connections see it."""

    handler: Handler
    limits: ServerLimits
    on_undeliverable: Undeliverable | None
    is_draining: bool

    def accept(self, connection: Connection) -> bool:
        """Register a new connection; False when there is no room for it."""

    def connection_closed(self, connection: Connection) -> None:
        """The connection is gone."""

    def handler_started(self, connection: Connection, task: asyncio.Task[None]) -> None:
        """A connection has begun its only task, which nothing but the server cancels."""

    def handler_ended(self, connection: Connection) -> None:
        """That task has ended."""


class Connection(asyncio.Protocol):
    """Bytes of one client in, answers out."""

    def __init__(self, owner: ConnectionOwner, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        self._limits = owner.limits
        self._loop = loop
        self._transport: Any = None
        self._peer_port = 0
        self._reader = RequestReader(owner.limits, self._enqueue)
        self._timer = WaitTimer(loop)
        # What is owed: requests, each with whether more may follow it; then a status that rejects
        # what could not be read.
        self._queue: deque[tuple[HttpRequest, bool]] = deque()
        self._rejection: int | None = None
        self._is_answering = False
        self._last_answer: tuple[HttpRequest, HttpResponse, float] | None = None  # and its time
        # What no longer happens: the answer leaves; bytes are read; the client sends.
        self._never_answers = False
        self._ignores_input = False
        self._has_ended = False  # the client sent FIN
        self._is_lost = False
        # Flow control: requests wait for their answers; answers wait for the client to read.
        self._is_read_paused = False
        self._is_write_paused = False
        self._writable: asyncio.Future[None] | None = None
        self._timed_request = 0  # number of the request that the timer was started for

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self._peer_port = int(peer[1]) if peer else 0
        if not self._owner.accept(self):
            self._ignores_input = True
            transport.abort()
            return
        # Paused as soon as the operating system refuses a byte: until then it has the whole answer.
        transport.set_write_buffer_limits(high=0)
        self._wait(self._limits.idle_s, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = self._ignores_input = True
        self._owner.connection_closed(self)
        self._timer.close()
        self._queue.clear()
        self.resume_writing()
        # A reset soon after an answer means that the client did not read it.
        if exc is not None and self._last_answer is not None:
            request, response, at = self._last_answer
            if self._loop.time() - at <= self._limits.telltale_s:
                self._report(request, response)

    def eof_received(self) -> bool:
        self._has_ended = self._ignores_input = True
        if self._never_answers or not (self._is_answering or self._queue):
            return False  # nothing is owed: close
        self._stop_waiting()
        return True

    def pause_writing(self) -> None:
        """Called by asyncio when its send buffer is full."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        self._is_write_paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._ignores_input:
            return
        self._last_answer = None  # a client that sends again has read its answer
        reader = self._reader
        try:
            reader.feed(data)
        except Rejected as rejected:
            self._reject(rejected.status)
            return
        # Three cases: the bytes ended a request, and its answer has no time limit; a request is
        # half read, and its rest must come in time; the client waits for "100 Continue" first.
        if not reader.is_inside:
            if self._is_answering:
                self._stop_waiting()
            return
        self._time_request()
        if not self._is_answering:
            self._send_continue()

    def _enqueue(self, request: HttpRequest, keep_alive: bool) -> None:
        request.peer_port = self._peer_port
        self._queue.append((request, keep_alive))
        if not self._is_answering:
            self._answer_next()
        elif len(self._queue) >= self._limits.pipelined and not self._is_read_paused:
            self._is_read_paused = True
            self._transport.pause_reading()

    def _answer_next(self) -> None:
        assert not self._is_answering, "requests of a connection are answered one at a time"
        self._is_answering = True
        request, keep_alive = self._queue.popleft()
        if self._is_read_paused and len(self._queue) < self._limits.pipelined:
            self._is_read_paused = False
            self._transport.resume_reading()
        self._owner.handler_started(self, self._loop.create_task(self._answer(request, keep_alive)))

    async def _answer(self, request: HttpRequest, keep_alive: bool) -> None:
        try:
            try:
                response = await self._owner.handler(request)
                head = _head(response) if response is not None else b""
            except Exception as error:
                response = self._error_response(error)
                head = _head(response)
            if response is None:
                self._stay_silent()
                return
            # A draining server answers what was begun and says that the connection ends.
            is_last = self._owner.is_draining and not self._queue and not self._reader.is_inside
            keep_alive = keep_alive and not response.close and not is_last
            head += b"\r\n" if keep_alive else b"connection: close\r\n\r\n"
            has_body = request.method != "HEAD" and response.status not in _BODYLESS
            whole = head + response.body if has_body else head
            if response.copies != 1:
                whole *= response.copies
            # Nearly every answer takes the first way: the system has it at once.
            if self._is_lost or self._has_ended:
                is_sent = await self._write_last(whole)
            else:
                self._transport.write(whole)
                is_sent = not self._is_lost if not self._is_write_paused else await self._drained()
            if not is_sent:
                self._report(request, response)
                return
            self._last_answer = (request, response, self._loop.time())
            self._is_answering = False
            if not keep_alive:
                self._transport.close()
                return
        finally:
            self._owner.handler_ended(self)
        self._continue()

    def _error_response(self, error: Exception) -> HttpResponse:
        self._loop.call_exception_handler({"message": "a handler failed", "exception": error})
        body = json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()
        return HttpResponse(500, body, {"content-type": "application/json"})

    def _continue(self) -> None:
        """Do what is owed next: an answer, a rejection, the end; or wait for the client."""
        if self._queue:
            self._answer_next()
        elif self._rejection is not None:
            self._send_rejection(self._rejection)
        elif self._has_ended:
            self._transport.close()
        elif self._reader.is_inside:
            self._time_request()
            self._send_continue()
        else:
            self._wait(self._limits.idle_s, self._transport.close)

    async def _write_last(self, data: bytes) -> bool:
        """Write an answer to a client that has ended its side, or is gone.

        Returns whether the operating system took all of it. The client may have given up: see the
        module's docstring.
        """
        if self._is_lost:
            return False
        self._transport.write(data[:-1])
        await asyncio.sleep(self._limits.telltale_s)
        if self._is_lost:
            return False
        self._transport.write(data[-1:])
        return await self._drained()

    async def _drained(self) -> bool:
        """Wait until the system has taken the answer; false when the client is gone."""
        if self._is_write_paused:
            room = self._writable = self._loop.create_future()
            self._wait(self._limits.request_s, self._transport.abort)
            await room
            self._stop_waiting()
            self._timed_request = 0
        return not self._is_lost

    def _send_continue(self) -> None:
        if self._reader.expects_continue:
            self._reader.expects_continue = False
            self._transport.write(_CONTINUE)

    def _stay_silent(self) -> None:
        """Send no answer, ever: the connection stays open until its client gives up."""
        self._never_answers = self._ignores_input = True
        self._queue.clear()
        if self._has_ended:
            self._transport.close()
        elif not self._is_lost:
            self._wait(self._limits.idle_s, self._transport.abort)

    def _reject(self, status: int) -> None:
        self._ignores_input = True  # bytes after a bad request cannot be trusted
        self._rejection = status
        self._stop_waiting()
        if not self._is_answering:
            self._send_rejection(status)

    def _send_rejection(self, status: int) -> None:
        """Send the error, then let the client finish.

        Bytes that reach a closed socket reset the connection, and the client might never read the
        error (RFC 9112 §9.6).
        """
        self._transport.write(_head(HttpResponse(status)) + b"connection: close\r\n\r\n")
        if self._has_ended or not self._transport.can_write_eof():
            self._transport.close()
        else:
            self._transport.write_eof()
            self._wait(self._limits.linger_s, self._transport.abort)

    def _report(self, request: HttpRequest, response: HttpResponse) -> None:
        self._last_answer = None
        if self._owner.on_undeliverable is not None:
            self._owner.on_undeliverable(request, response)

    def _time_request(self) -> None:
        """Bound the time from a request's first byte to its last, however slowly they come."""
        if self._timed_request != self._reader.begun:
            self._timed_request = self._reader.begun
            self._wait(self._limits.request_s, lambda: self._reject(408))

    def _wait(self, seconds: float, action: Callable[[], None]) -> None:
        self._timer.start(self._loop.time() + seconds, action)

    def _stop_waiting(self) -> None:
        self._timer.cancel()

    def close_when_idle(self) -> None:
        """Close now, or after the answers that are owed."""
        is_owed = self._is_answering or self._queue or self._reader.is_inside
        if self._never_answers or not is_owed:
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection and what is still to be written."""
        self._transport.abort()


def _head(response: HttpResponse) -> bytes:
    """The head of an answer without its end, where `connection: close` may still be added."""
    return _head_of(response.status, tuple(response.headers.items()), len(response.body))


@lru_cache(maxsize=MAX_HEADS_KEPT)
def _head_of(status: int, headers: tuple[tuple[str, str], ...], size: int) -> bytes:
    reason = _REASONS.get(status, "Unknown")
    length = "" if status in _BODYLESS else f"content-length: {size}\r\n"
    lines = f"HTTP/1.1 {status} {reason}\r\n{header_lines(dict(headers))}{length}"
    return lines.encode("latin-1")
