"""Serves one link as its vendor's API does: what a service's own SDK meets.

The vendor's API reads and writes; what is done, how often for one key, and what a fault makes of
it, is the link's, as with our own dialect.
"""

from __future__ import annotations

from collections.abc import Callable

from paychain.model.chain import Link
from paychain.model.disputes import DISPUTE
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import HopResult
from paychain.protocol.dialect import BookEntry
from paychain.protocol.dialects.vendors import APIS
from paychain.protocol.message import PaymentRequest
from paychain.protocol.vendor import CapturesAgain, CompletesAnswers, VendorApi, events_of
from paychain.services.attribution import Attribution
from paychain.services.context import Context
from paychain.services.pending_work import PendingWork
from paychain.services.timers import Timers
from paychain.services.transport import HEALTH, Listener
from paychain.services.vendor_call import ServedCall
from paychain.services.vendor_declared import idempotency_of
from paychain.services.vendor_served_api import ServedApi, VendorLink
from paychain.wire.http import HttpRequest, HttpResponse
from paychain.wire.ports import Port
from paychain.wire.server import HttpServer

_ERRORS = (HopResult.HTTP_ERROR, HopResult.REJECTED)
_OUR_OWN = (HEALTH, f"/{DISPUTE}")  # in our own dialect: no vendor has such paths


class VendorFront:
    """The vendor's API of one link on a socket. `caller`: the own service that calls it."""

    def __init__(
        self,
        declared: Link,
        link: VendorLink,
        context: Context,
        attribution: Attribution,
        caller: str,
        *,
        currency: str,
        reports: Listener,
        network: str = "",
    ) -> None:
        """`reports`: takes what an issuer reports to the link, beside the vendor's API."""
        self._link_behind = link
        self._reports = reports
        self.currency, self.network = currency, network
        self.context = context
        self._caller = caller
        self.link = context.link
        self._attribution = attribution
        self.knows_keys = idempotency_of(declared).model != "none"
        self._spoken = declared.dialect
        self._has_tls, self._own_port = declared.tls, 0
        self._timers = Timers(context)
        self.begin()
        self._working: dict[int, ServedCall] = {}
        self._requests = 0
        self._server = HttpServer(self._handle, on_undeliverable=self._undeliverable)

    def begin(self) -> None:
        """Know no object and no key."""
        self._timers.cancel()
        self._served = ServedApi(
            api=APIS[self._spoken.name](self, self._spoken.settings),
            link_behind=self._link_behind,
            context=self.context,
            attribution=self._attribution,
            caller=self._caller,
            knows_keys=self.knows_keys,
        )
        self._completes = self.api if isinstance(self.api, CompletesAnswers) else None

    @property
    def api(self) -> VendorApi:
        """The vendor's API, with what it knows since the link began."""
        return self._served.api

    def now_s(self) -> int:
        """Seconds since 1970."""
        return self._timers.now_s()

    def entry(self, reference: str) -> BookEntry | None:
        """The link's book on an authorisation."""
        return self._link_behind.entry(reference)

    def key_now(self, key: str) -> str:
        """The name under which what a key did is remembered."""
        return self._link_behind.key_now(key)

    def notify(self, kind: str, request: PaymentRequest) -> None:
        """Send a webhook where the link has any."""
        self._link_behind.notify(kind, request)

    def at(self, at_s: int, then: Callable[[], None]) -> None:
        """Do something at a time of `now_s`, unless the link stops or forgets all before."""
        self._timers.at(at_s, then)

    def kinds(self, kind: str, request: PaymentRequest) -> tuple[str, ...]:
        """The vendor's names for the webhooks that report an outcome of a request."""
        if kind == "capture_failed" and isinstance(self.api, CapturesAgain):
            self._link_behind.uncapture(request)
        return events_of(self.api, kind, request)

    @property
    def in_flight(self) -> list[PendingWork]:
        """Each request that the link works on."""
        at_work = [PendingWork(call.payment) for call in self._working.values()]
        return [*at_work, *self._reports.in_flight]

    async def start(self, host: str, port: int, *, held: Port | None = None) -> int:
        """Listen; returns the port. Raises OSError when the port is taken."""
        self._own_port = await self._server.start(host, port, held=held)
        return self._own_port

    def kill(self) -> None:
        """End every connection at once, as a process that dies does."""
        self._server.kill()

    async def stop(self) -> None:
        """Stop listening; a run that waits for requests in progress has drained the link before."""
        self._timers.cancel()
        await self._server.stop(0.0)

    async def _handle(self, http: HttpRequest) -> HttpResponse | None:
        if http.target in _OUR_OWN:
            return await self._reports.handle(http)
        # Customers come to the link's own port, services to a near end before it.
        own = f":{self._own_port}"
        http.is_secure = self._has_tls and not http.headers.get("host", "").endswith(own)
        number = self._requests = self._requests + 1
        call = self._working[number] = ServedCall(http, self._served)
        try:
            response = await call.answer()
            if response is not None:
                await self._link_behind.ready_to_answer(call.payment)
        finally:
            del self._working[number]
        call.record(response)
        if response is not None:
            response.copies = call.copies
            if self._completes is not None:
                self._completes.complete(http, response)
        return response

    def _undeliverable(self, http: HttpRequest, response: HttpResponse) -> None:
        """The caller went away; what was done stays done. An error did nothing."""
        if http.target in _OUR_OWN:
            self._reports.undeliverable(http, response)
            return
        if self.api.classify(response).result in _ERRORS:
            return
        found = self._attribution.known(self.link, self.key_now(self.api.key(http)))
        self.context.decided(
            DecisionKind.ANSWER_UNDELIVERABLE,
            "transfer" if self.network else "authorise",
            self._caller,
            payment=found.payment if found is not None else "",
            attempt=found.attempt if found is not None else 0,
            detail=found.reference if found is not None else http.target,
        )
