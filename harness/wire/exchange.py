"""One connection of a client: a request goes out, its answer comes back, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httptools

from harness.wire.http import (
    Broken,
    CallTimeout,
    HttpResponse,
    Malformed,
    WireError,
    keep_header,
)

MOST_RESPONSE_BYTES = 4_194_304  # head, body, framing and everything informational before it


class _Surplus(Exception):
    """Bytes after the answer: the connection is out of step."""


class Exchange(asyncio.Protocol):
    """A connection that is used again only while every byte on it was accounted for."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[Exchange], None]
    ) -> None:
        self._loop = loop
        self._on_lost = on_lost
        self._transport: Any = None
        self._parser: Any = None
        self._waiter: asyncio.Future[HttpResponse] | None = None
        self.is_usable = self.is_lost = False

    # -- what the transport calls -----------------------------------------------------------------
    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.is_usable = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_usable, self.is_lost = False, True
        self._fail(Broken(str(exc or "closed before the answer was whole"), sent=True))
        self._on_lost(self)

    def eof_received(self) -> bool:
        self.is_usable = False
        if self._parser is not None and self._ends_with_connection:
            self._complete()
        self._fail(Broken("closed before the answer was whole", sent=True))
        return False

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            if not data.strip(b"\r\n"):
                return  # the parser reads past empty lines behind an answer, too
            self.abort()  # an answer nobody asked for: nothing after it can be trusted
            return
        self._size += len(data)
        if self._size > MOST_RESPONSE_BYTES:
            self._fail(Malformed(f"more than {MOST_RESPONSE_BYTES} bytes", sent=True))
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.is_usable = False
            self._fail(Malformed(f"not an answer: {error}", sent=True))

    # -- one exchange -----------------------------------------------------------------------------
    async def exchange(self, data: bytes, *, is_head: bool, deadline: float) -> HttpResponse:
        """Send a request and wait for its answer until `deadline` (loop time).

        Raises CallTimeout, Broken or Malformed; the connection is not used again after that.
        """
        if not self.is_usable:
            raise Broken("closed before the request was sent", sent=False)
        if self._loop.time() >= deadline:
            raise CallTimeout("no time left to send", sent=False)
        self._parser = httptools.HttpResponseParser(self)
        self._is_head = is_head
        self._is_whole = self._ends_with_connection = False
        self._size = 0
        waiter: asyncio.Future[HttpResponse] = self._loop.create_future()
        self._waiter = waiter
        timer = self._loop.call_at(deadline, self._time_out)
        self._transport.write(data)
        try:
            return await waiter
        except BaseException:
            self.is_usable = False
            if not waiter.cancelled():
                waiter.exception()  # it may have failed while this task was being cancelled
            raise
        finally:
            timer.cancel()
            self._waiter = self._parser = None

    def abort(self) -> None:
        """Drop the connection and what is still to be written."""
        self.is_usable = False
        self._transport.abort()

    # -- what the parser calls --------------------------------------------------------------------
    def on_message_begin(self) -> None:
        if self._is_whole:
            raise _Surplus("bytes after the answer")
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._is_head_whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_head_whole:  # trailers are read past
            keep_header(self._headers, name, value)

    def on_headers_complete(self) -> None:
        self._is_head_whole = True
        if self._parser.get_status_code() < 200:
            return  # informational: the answer is still to come
        headers = self._headers
        if "transfer-encoding" in headers:
            is_framed = headers["transfer-encoding"].lower().endswith("chunked")
        else:
            is_framed = "content-length" in headers
        self._ends_with_connection = not is_framed
        if self._is_head:
            self._complete()

    def on_body(self, data: bytes) -> None:
        if self._is_whole:
            raise _Surplus("a body where none can be")
        self._body.append(data)

    def on_message_complete(self) -> None:
        if not self._is_whole and self._parser.get_status_code() >= 200:
            self._complete()

    def _complete(self) -> None:
        self._is_whole = True
        # An answer that overtakes its request leaves the rest of the request on the way.
        self.is_usable = (
            self.is_usable
            and self._parser.should_keep_alive()
            and not self._transport.get_write_buffer_size()
        )
        if self._waiter is not None and not self._waiter.done():
            status = self._parser.get_status_code()
            self._waiter.set_result(HttpResponse(status, b"".join(self._body), self._headers))

    # -- what ends it early -----------------------------------------------------------------------
    def _time_out(self) -> None:
        self._fail(CallTimeout("no answer in time", sent=True))

    def _fail(self, error: WireError) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
