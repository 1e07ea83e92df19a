"""Where a link meets HTTP: bytes become messages in its dialect, and answers become bytes.

    server ─ HttpRequest ─▶ Listener ─ PaymentRequest ─▶ link
           ◀ HttpResponse ─          ◀ Answer | Error ─

    link ─ PaymentRequest ─▶ Caller ─ HttpRequest ─▶ pool
         ◀ Reply ──────────         ◀ HttpResponse ─

Nothing else in `services` knows the wire, but for the control API of a services process.
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Protocol

import msgspec

from paychain.payments.outcome import HopResult
from paychain.protocol.dialect import Asks, Dialect
from paychain.protocol.envelope import Envelope, envelope_of
from paychain.protocol.message import Answer, AnswerOrError, Delivery, Error, PaymentRequest
from paychain.protocol.reply import Reply, failure_of
from paychain.services.context import Context
from paychain.services.pending_work import PendingWork
from paychain.services.received import ReceivedCall
from paychain.wire.client import HttpPool
from paychain.wire.http import HttpRequest, HttpResponse, WireError
from paychain.wire.ports import Port
from paychain.wire.server import HttpServer

HEALTH = "/health"
JSON = {"content-type": "application/json"}
_ERRORS = (HopResult.HTTP_ERROR, HopResult.REJECTED)


class Receiver(Protocol):
    """A link, as what serves it sees it."""

    async def receive(
        self, operation: str, request: PaymentRequest, envelope: Envelope
    ) -> AnswerOrError | Delivery | None:
        """Work on a request; None when no answer ever leaves."""

    def caller(self, envelope: Envelope) -> str:
        """Who sent a request: an own service does not give its name as mocks do."""

    def key_now(self, key: str) -> str:
        """The name under which what a key did is remembered."""

    def undeliverable(self, operation: str, request: PaymentRequest, envelope: Envelope) -> None:
        """The caller was gone before the answer to this request reached it."""


class Listener:
    """Serves one link on a socket in its dialect."""

    def __init__(self, dialect: Dialect, link: Receiver, context: Context | None = None) -> None:
        """`context`: own services call the link, so that it notes what they ask."""
        self._in_flight: dict[int, PendingWork] = {}  # requests that the link works on
        self._requests = 0
        self._dialect = dialect
        self._link = link
        self._context = context
        self._server = HttpServer(self.handle, on_undeliverable=self.undeliverable)

    @property
    def in_flight(self) -> list[PendingWork]:
        """Each request that the link works on."""
        return list(self._in_flight.values())

    async def start(self, host: str, port: int, *, held: Port | None = None) -> int:
        """Listen; returns the port. Raises OSError when the port is taken."""
        return await self._server.start(host, port, held=held)

    def kill(self) -> None:
        """End every connection at once, as a process that dies does."""
        self._server.kill()

    async def stop(self) -> None:
        """Stop listening; a run that waits for requests in progress has drained the link before."""
        await self._server.stop(0.0)

    def handle(self, http: HttpRequest) -> Coroutine[object, object, HttpResponse | None]:
        """The link's answer to a request; None when none ever leaves."""
        if http.target == HEALTH:
            return _at_once(HttpResponse(200, b'{"status":"up"}', JSON))
        read = self._dialect.read(http)
        if isinstance(read, HttpResponse):
            return _at_once(read)
        if self._context is not None:
            return self._work_for_own(self._context, http, *read)
        return self._work(*read, envelope_of(http.headers))

    async def _work_for_own(
        self, context: Context, http: HttpRequest, operation: str, request: PaymentRequest
    ) -> HttpResponse | None:
        """Work on a request, and note it when it is an own service's."""
        envelope = envelope_of(http.headers)
        caller = self._link.caller(envelope)
        if caller == envelope.caller:  # a mock, which keeps a journal of its own
            return await self._work(operation, request, envelope)
        call = ReceivedCall(context, http)
        call.is_for(operation, request)
        call.key = self._link.key_now(request.key)
        envelope = Envelope(envelope.caller, call.span, envelope.left_s)
        response = await self._work(operation, request, envelope, call)
        reply = self._dialect.classify(response) if response is not None else None
        call.record(caller, response, reply)
        return response

    async def _work(
        self,
        operation: str,
        request: PaymentRequest,
        envelope: Envelope,
        seen: ReceivedCall | None = None,
    ) -> HttpResponse | None:
        number = self._requests = self._requests + 1
        self._in_flight[number] = PendingWork(request.payment, operation != "capture")
        try:
            given = await self._link.receive(operation, request, envelope)
        finally:
            del self._in_flight[number]
        # Nearly every request takes this way: no fault changes how its answer leaves.
        if isinstance(given, Answer):
            return self._dialect.write(request, given)
        if given is None:
            return None
        if isinstance(given, Error):
            return self._dialect.error(given)
        if seen is not None:
            seen.is_stale = given.is_stale
        return self._delivered(request, given)

    def _delivered(self, request: PaymentRequest, delivery: Delivery) -> HttpResponse:
        given = delivery.given
        if isinstance(given, Answer):
            response = self._dialect.write(request, given)
        else:
            response = self._dialect.error(given)
        response.copies = delivery.copies
        return response

    def undeliverable(self, http: HttpRequest, response: HttpResponse) -> None:
        """The caller went away; what was done stays done. An error did nothing."""
        if http.target == HEALTH or self._dialect.classify(response).result in _ERRORS:
            return
        read = self._dialect.read(http)
        assert not isinstance(read, HttpResponse)  # it was read before, and answered
        self._link.undeliverable(*read, envelope_of(http.headers))


async def _at_once(response: HttpResponse) -> HttpResponse:
    return response


class Caller:
    """Sends requests to one link in that link's dialect."""

    def __init__(self, dialect: Asks, host: str, port: int, *, is_repeatable: bool = False) -> None:
        """`is_repeatable`: what is lost with a kept-alive connection is sent again."""
        self._dialect, self._is_repeatable = dialect, is_repeatable
        self._pool = HttpPool(host, port)

    async def ask(
        self,
        operation: str,
        request: PaymentRequest,
        headers: dict[str, str],
        timeout_s: float,
        connect_timeout_s: float | None = None,
    ) -> Reply:
        """One exchange. Never raises for what the network did."""
        http = self._dialect.ask(operation, request)
        lost: list[None] = []  # one for each time that it was sent again
        try:
            response = await self._pool.request(
                http.method,
                http.target,
                http.body,
                headers={**http.headers, **headers},
                timeout_s=timeout_s,
                connect_timeout_s=connect_timeout_s,
                on_resend=partial(lost.append, None) if self._is_repeatable else None,
            )
        except WireError as error:
            return Reply(failure_of(error), resent=len(lost))
        reply = self._dialect.classify(response)
        return msgspec.structs.replace(reply, resent=len(lost)) if lost else reply

    def drop(self) -> None:
        """Lose the connections: the caller died."""
        self._pool.drop()

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()
