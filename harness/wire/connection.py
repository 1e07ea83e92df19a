"""One client's connection at a server: requests are read ahead and answered in order.

A client that goes away never cancels the work: a processor that has begun to charge goes on, and
the answer that cannot be delivered is reported. That is where double charges come from. Requests
that were read ahead but not begun are dropped with their connection.

Which answers count as undeliverable: the connection was lost before the answer was whole in the
system's hands; or it was reset within `telltale_s` of the answer. A caller that gives up usually
closes, and its FIN looks like the half-close of one who still listens. So behind a FIN the last
byte is held back for `telltale_s`: a caller that is gone resets the connection at the first bytes.
What cannot be known: whether an answer was read that the caller's system, or a proxy on the way,
took over; and a caller that closes properly in the moment in which the answer is on its way.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Protocol

from harness.wire.http import (
    Handler,
    HttpRequest,
    HttpResponse,
    Limits,
    Undeliverable,
    header_lines,
)
from harness.wire.patience import Patience
from harness.wire.requests import Rejected, RequestReader

HEADS_KEPT = 256  # of answers: few differ in more than their body's size
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODYLESS = (204, 304)


class Owner(Protocol):
    """The server, as its connections see it."""

    handler: Handler
    limits: Limits
    on_undeliverable: Undeliverable | None
    is_draining: bool

    def opened(self, connection: Connection) -> bool:
        """Whether there is room for one more."""

    def closed(self, connection: Connection) -> None:
        """The connection is gone."""

    def answering(self, connection: Connection, task: asyncio.Task[None]) -> None:
        """A connection's only task, which nobody but the server cancels, has begun."""

    def answered(self, connection: Connection) -> None:
        """It has ended."""


class Connection(asyncio.Protocol):
    """Bytes of one client in, answers out."""

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        self._limits = owner.limits
        self._loop = loop
        self._transport: Any = None
        self._reader = RequestReader(owner.limits, self._take)
        self._queue: deque[tuple[HttpRequest, bool]] = deque()  # with: may more follow?
        self._rejection: int | None = None  # owed once everything before it is answered
        self._is_answering = False
        self._is_mute = False  # its answer never leaves
        self._is_deaf = False  # whatever else comes is not read
        self._has_ended = False  # the client sent FIN
        self._is_lost = False
        self._is_full = False  # of answers that the client does not take
        self._room: asyncio.Future[None] | None = None
        self._is_paused = False  # requests are not read
        self._patience = Patience(loop)
        self._timed = 0  # the request that the timer was started for
        self._answered: tuple[HttpRequest, HttpResponse, float] | None = None

    # -- what the transport calls -----------------------------------------------------------------
    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        if not self._owner.opened(self):
            self._is_deaf = True
            transport.abort()
            return
        # Full as soon as the system does not take a byte: only then is an answer still ours.
        transport.set_write_buffer_limits(high=0)
        self._wait(self._limits.idle_s, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = self._is_deaf = True
        self._owner.closed(self)
        self._patience.end()
        self._queue.clear()
        self.resume_writing()
        if exc is not None and self._answered is not None:
            request, response, at = self._answered
            if self._loop.time() - at <= self._limits.telltale_s:
                self._report(request, response)

    def eof_received(self) -> bool:
        self._has_ended = self._is_deaf = True
        if self._is_mute or not (self._is_answering or self._queue):
            return False  # nothing is owed: close
        self._stop_waiting()
        return True

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._answered = None  # a client that goes on has read its answer
        reader = self._reader
        try:
            reader.feed(data)
        except Rejected as rejected:
            self._reject(rejected.status)
            return
        if not reader.is_inside:
            if self._is_answering:
                self._stop_waiting()
            return
        self._time_request()
        if not self._is_answering:
            self._tell_to_continue()

    # -- answering --------------------------------------------------------------------------------
    def _take(self, request: HttpRequest, keep_alive: bool) -> None:
        self._queue.append((request, keep_alive))
        if not self._is_answering:
            self._begin()
        elif len(self._queue) >= self._limits.pipelined and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def _begin(self) -> None:
        self._is_answering = True
        request, keep_alive = self._queue.popleft()
        if self._is_paused and len(self._queue) < self._limits.pipelined:
            self._is_paused = False
            self._transport.resume_reading()
        self._owner.answering(self, self._loop.create_task(self._answer(request, keep_alive)))

    async def _answer(self, request: HttpRequest, keep_alive: bool) -> None:
        try:
            try:
                response = await self._owner.handler(request)
                head = _head(response) if response is not None else b""
            except Exception as error:
                response = self._failed(error)
                head = _head(response)
            if response is None:
                self._fall_silent()
                return
            is_last = self._owner.is_draining and not self._queue and not self._reader.is_inside
            keep_alive = keep_alive and not response.close and not is_last
            head += b"\r\n" if keep_alive else b"connection: close\r\n\r\n"
            has_body = request.method != "HEAD" and response.status not in _BODYLESS
            whole = head + response.body if has_body else head
            if not await self._write(whole * response.copies):
                self._report(request, response)
                return
            self._answered = (request, response, self._loop.time())
            self._is_answering = False
            if not keep_alive:
                self._transport.close()
                return
        finally:
            self._owner.answered(self)
        self._go_on()

    def _failed(self, error: Exception) -> HttpResponse:
        self._loop.call_exception_handler({"message": "a handler failed", "exception": error})
        body = json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()
        return HttpResponse(500, body, {"content-type": "application/json"})

    def _go_on(self) -> None:
        """What is owed next, or the wait for the client."""
        if self._queue:
            self._begin()
        elif self._rejection is not None:
            self._turn_away(self._rejection)
        elif self._has_ended:
            self._transport.close()
        elif self._reader.is_inside:
            self._time_request()
            self._tell_to_continue()
        else:
            self._wait(self._limits.idle_s, self._transport.close)

    async def _write(self, data: bytes) -> bool:
        """Write an answer; returns whether the system took all of it."""
        if self._is_lost:
            return False
        if self._has_ended:
            self._transport.write(data[:-1])
            await asyncio.sleep(self._limits.telltale_s)
            if self._is_lost:
                return False
            data = data[-1:]
        self._transport.write(data)
        if self._is_full:
            room = self._room = self._loop.create_future()
            self._wait(self._limits.request_s, self._transport.abort)
            await room
            self._stop_waiting()
            self._timed = 0
        return not self._is_lost

    def _tell_to_continue(self) -> None:
        if self._reader.expects_continue:
            self._reader.expects_continue = False
            self._transport.write(_CONTINUE)

    def _fall_silent(self) -> None:
        """The answer never leaves: the connection stays until its client gives up."""
        self._is_mute = self._is_deaf = True
        self._queue.clear()
        if self._has_ended:
            self._transport.close()
        elif not self._is_lost:
            self._wait(self._limits.idle_s, self._transport.abort)

    def _reject(self, status: int) -> None:
        self._is_deaf = True  # bytes after a bad request cannot be trusted
        self._rejection = status
        self._stop_waiting()
        if not self._is_answering:
            self._turn_away(status)

    def _turn_away(self, status: int) -> None:
        """Say what is wrong, then let the client finish: bytes that meet a closed socket reset
        the connection, and the client might never read why."""
        self._transport.write(_head(HttpResponse(status)) + b"connection: close\r\n\r\n")
        if self._has_ended or not self._transport.can_write_eof():
            self._transport.close()
        else:
            self._transport.write_eof()
            self._wait(self._limits.linger_s, self._transport.abort)

    def _report(self, request: HttpRequest, response: HttpResponse) -> None:
        self._answered = None
        if self._owner.on_undeliverable is not None:
            self._owner.on_undeliverable(request, response)

    # -- time and the server's orders -------------------------------------------------------------
    def _time_request(self) -> None:
        """Bound the time from a request's first byte to its last, however slowly they come."""
        if self._timed != self._reader.begun:
            self._timed = self._reader.begun
            self._wait(self._limits.request_s, lambda: self._reject(408))

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._patience.until(self._loop.time() + seconds, then)

    def _stop_waiting(self) -> None:
        self._patience.forget()

    def close_when_idle(self) -> None:
        """Close now, or after the answers that are owed."""
        is_owed = self._is_answering or self._queue or self._reader.is_inside
        if self._is_mute or not is_owed:
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection and what is still to be written."""
        self._transport.abort()


def _head(response: HttpResponse) -> bytes:
    """The head of an answer without its end: whether the connection stays is said last."""
    return _head_of(response.status, tuple(response.headers.items()), len(response.body))


@lru_cache(maxsize=HEADS_KEPT)
def _head_of(status: int, headers: tuple[tuple[str, str], ...], size: int) -> bytes:
    reason = _REASONS.get(status, "Unknown")
    length = "" if status in _BODYLESS else f"content-length: {size}\r\n"
    lines = f"HTTP/1.1 {status} {reason}\r\n{header_lines(dict(headers))}{length}"
    return lines.encode("latin-1")
