"""One connection of a client: a request goes out, its answer comes back, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from paychain.wire.answer import AnswerReader
from paychain.wire.http import CallTimeout, ConnectionBroken, HttpResponse, MalformedHttp, WireError
from paychain.wire.timer import WaitTimer


class ClientConnection(asyncio.Protocol):
    """A connection that is used again only while every byte on it was accounted for.

    `on_lost` is called once, when the connection is gone. Always true: at most one exchange is
    under way, and `is_usable` is False from the first doubt on, for good.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[ClientConnection], None]
    ) -> None:
        self._loop = loop
        self._on_lost = on_lost
        self._transport: Any = None
        self._reader: AnswerReader | None = None
        self._waiter: asyncio.Future[HttpResponse] | None = None
        self._timer = WaitTimer(loop)
        self.is_usable = self.is_lost = False
        self.has_answered = False  # it was kept alive after a whole answer

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.is_usable = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_usable, self.is_lost = False, True
        self._timer.close()
        self._fail(ConnectionBroken(str(exc or "closed before the answer was whole"), sent=True))
        self._on_lost(self)

    def eof_received(self) -> bool:
        self.is_usable = False
        if self._reader is not None:
            try:
                self._complete(self._reader.end())
            except ConnectionBroken as error:
                self._fail(error)
        return False

    def data_received(self, data: bytes) -> None:
        # Bytes that no request asked for: empty lines are harmless, as the parser skips them before
        # an answer, too; anything else would be taken for the next request's answer.
        if self._waiter is None or self._waiter.done():
            if not data.strip(b"\r\n"):
                return
            self.abort()
            return
        assert self._reader is not None
        try:
            answer = self._reader.feed(data)
        except MalformedHttp as error:
            self.is_usable = False
            self._fail(error)
        else:
            if answer is not None:
                self._complete(answer)

    async def exchange(self, data: bytes, *, is_head: bool, deadline: float) -> HttpResponse:
        """Send a request and wait for its answer until `deadline`, in seconds of the loop's time.

        `is_head`: the request is a HEAD, whose answer has no body. Raises CallTimeout,
        ConnectionBroken or MalformedHttp; the connection is not used again after that.
        """
        assert self._waiter is None, "one exchange at a time: answers carry no number"
        if not self.is_usable:
            raise ConnectionBroken("closed before the request was sent", sent=False)
        if self._loop.time() >= deadline:
            raise CallTimeout("no time left to send", sent=False)
        self._reader = AnswerReader(is_head=is_head)
        waiter: asyncio.Future[HttpResponse] = self._loop.create_future()
        self._waiter = waiter
        self._timer.start(deadline, self._time_out)
        self._transport.write(data)
        try:
            return await waiter
        except BaseException:
            self.is_usable = False
            # It may have failed while this task was cancelled, or be pending where the task itself
            # is closed with its loop: an exception that nobody retrieves would be logged.
            if waiter.done() and not waiter.cancelled():
                waiter.exception()
            raise
        finally:
            self._timer.cancel()
            self._waiter = self._reader = None

    def abort(self) -> None:
        """Drop the connection and what is still to be written."""
        self.is_usable = False
        self._transport.abort()

    def _complete(self, answer: HttpResponse) -> None:
        assert self._reader is not None
        # An answer may come before its request is sent whole; the rest would follow it.
        self.is_usable = (
            self.is_usable and self._reader.can_stay and not self._transport.get_write_buffer_size()
        )
        if self._waiter is not None and not self._waiter.done():
            self.has_answered = True
            self._waiter.set_result(answer)

    def _time_out(self) -> None:
        self._fail(CallTimeout("no answer in time", sent=True))

    def _fail(self, error: WireError) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
