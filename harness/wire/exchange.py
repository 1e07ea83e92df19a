"""One connection of a client: a request goes out, its answer comes back, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from harness.wire.answer import AnswerReader
from harness.wire.http import Broken, CallTimeout, HttpResponse, Malformed, WireError
from harness.wire.patience import Patience


class Exchange(asyncio.Protocol):
    """A connection that is used again only while every byte on it was accounted for."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[Exchange], None]
    ) -> None:
        self._loop = loop
        self._on_lost = on_lost
        self._transport: Any = None
        self._reader: AnswerReader | None = None
        self._waiter: asyncio.Future[HttpResponse] | None = None
        self._patience = Patience(loop)
        self.is_usable = self.is_lost = False

    # -- what the transport calls -----------------------------------------------------------------
    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.is_usable = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_usable, self.is_lost = False, True
        self._patience.end()
        self._fail(Broken(str(exc or "closed before the answer was whole"), sent=True))
        self._on_lost(self)

    def eof_received(self) -> bool:
        self.is_usable = False
        if self._reader is not None:
            try:
                self._complete(self._reader.end())
            except Broken as error:
                self._fail(error)
        return False

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            if not data.strip(b"\r\n"):
                return  # the parser reads past empty lines behind an answer, too
            self.abort()  # an answer nobody asked for: nothing after it can be trusted
            return
        assert self._reader is not None
        try:
            answer = self._reader.feed(data)
        except Malformed as error:
            self.is_usable = False
            self._fail(error)
        else:
            if answer is not None:
                self._complete(answer)

    # -- one exchange -----------------------------------------------------------------------------
    async def exchange(self, data: bytes, *, is_head: bool, deadline: float) -> HttpResponse:
        """Send a request and wait for its answer until `deadline` (loop time).

        Raises CallTimeout, Broken or Malformed; the connection is not used again after that.
        """
        if not self.is_usable:
            raise Broken("closed before the request was sent", sent=False)
        if self._loop.time() >= deadline:
            raise CallTimeout("no time left to send", sent=False)
        self._reader = AnswerReader(is_head=is_head)
        waiter: asyncio.Future[HttpResponse] = self._loop.create_future()
        self._waiter = waiter
        self._patience.until(deadline, self._time_out)
        self._transport.write(data)
        try:
            return await waiter
        except BaseException:
            self.is_usable = False
            if not waiter.cancelled():
                waiter.exception()  # it may have failed while this task was being cancelled
            raise
        finally:
            self._patience.forget()
            self._waiter = self._reader = None

    def abort(self) -> None:
        """Drop the connection and what is still to be written."""
        self.is_usable = False
        self._transport.abort()

    def _complete(self, answer: HttpResponse) -> None:
        assert self._reader is not None
        # An answer that overtakes its request leaves the rest of the request on the way.
        self.is_usable = (
            self.is_usable and self._reader.can_stay and not self._transport.get_write_buffer_size()
        )
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(answer)

    # -- what ends it early -----------------------------------------------------------------------
    def _time_out(self) -> None:
        self._fail(CallTimeout("no answer in time", sent=True))

    def _fail(self, error: WireError) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
