"""Serves one link as its vendor's API does: what a service's own SDK meets.

The vendor's API reads and writes; what is done, how often for one key, and what a fault makes of
it, is the link's, as with our own dialect.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace as with_changes
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from paychain.model.chain import Link
from paychain.model.disputes import DISPUTE
from paychain.model.operations import CUSTOMER
from paychain.payments.attribution import UNKNOWN, AttributedBy
from paychain.payments.bounded import BoundedDict
from paychain.payments.codes import RECEIVED
from paychain.payments.journal import DecisionKind, HopRecord
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.dialect import BookEntry
from paychain.protocol.dialects.vendors import APIS
from paychain.protocol.envelope import CALLER_HEADER, Envelope
from paychain.protocol.message import (
    Answer,
    AnswerOrError,
    Delivery,
    Error,
    ErrorKind,
    PaymentRequest,
)
from paychain.protocol.reply import Reply
from paychain.protocol.vendor import (
    Attributed,
    CallFailed,
    CapturesAgain,
    CompletesAnswers,
    Evidence,
    NamesAuthorisations,
    VendorApi,
    events_of,
    names_requests,
    shows_latest_state,
)
from paychain.services.attribution import Attribution
from paychain.services.context import Context
from paychain.services.received import ReceivedCall
from paychain.services.request_work import OnWork
from paychain.services.timers import Timers
from paychain.services.transport import HEALTH, Listener
from paychain.services.vendor_change import ApiChange, Overlaps
from paychain.services.vendor_declared import idempotency_of
from paychain.wire.http import HttpRequest, HttpResponse
from paychain.wire.ports import Port
from paychain.wire.server import HttpServer

MAX_STORED = 100_000  # responses that are given again for a repeated key
MAX_LAST = 1_000  # operations and paths: more than any API has
_ERRORS = (HopResult.HTTP_ERROR, HopResult.REJECTED)
# In JSON, XML and forms alike.
_AMOUNT = re.compile(rb"(?:amount|value)\W{1,6}(\d[\d.]*)")
_REPORTS = f"/{DISPUTE}"  # in our own dialect: no vendor has such a path


class VendorLink(Protocol):
    """A link, as its vendor's API sees it."""

    async def receive(
        self,
        operation: str,
        request: PaymentRequest,
        envelope: Envelope,
        on_work: OnWork | None = None,
    ) -> AnswerOrError | Delivery | None:
        """Work on a request; None when no answer ever leaves."""

    def note_headers(self, payment: str, headers: Mapping[str, str]) -> None:
        """Know with which headers a request about a payment came."""

    async def ready_to_answer(self, payment: str) -> None:
        """Wait until the answer to a request of a payment may leave."""

    def entry(self, reference: str) -> BookEntry | None:
        """The link's book on an authorisation."""

    def notify(self, kind: str, request: PaymentRequest) -> None:
        """Send a webhook, where the link has any."""

    def uncapture(self, request: PaymentRequest) -> None:
        """Hold again what a link behind has refused to capture."""


class _Unanswered(Exception):
    """No answer ever leaves the link."""


class _Keyed(NamedTuple):
    """What a request with a key is about: a repeat may be written anew, but asks for the same."""

    payment: str
    path: str
    amounts: tuple[bytes, ...]  # as they are written

    def is_beside(self, first: _Keyed) -> bool:
        """Whether it is another request of the payment than the first under its key."""
        return self.payment == first.payment and self != first


class _StoredAnswer(Exception):
    """The link gives the stored answer to a repeated key again."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.response = response


class _LastAnswer(Exception):
    """The answer to an earlier request of the kind leaves once more: this one was not seen."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.response = response


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
        self.link_behind = link
        self._reports = reports
        self.currency, self.network = currency, network
        self.context = context
        self.caller = caller
        self.link = context.link
        self.attribution = attribution
        self.api: VendorApi
        self.stored: BoundedDict[tuple[str, str], HttpResponse]
        self.last: BoundedDict[tuple[str, str], HttpResponse]
        self.first: BoundedDict[tuple[str, str], _Keyed]  # by operation and key
        self.knows_keys = idempotency_of(declared).model != "none"
        self._spoken = declared.dialect
        self._has_tls, self._own_port = declared.tls, 0
        self.shows_latest_state = shows_latest_state(APIS[self._spoken.name])
        self.names_requests = names_requests(APIS[self._spoken.name])
        self._timers = Timers(context)
        self.begin()
        self._working: dict[int, _Call] = {}
        self._requests = 0
        self._server = HttpServer(self._handle, on_undeliverable=self._undeliverable)

    def begin(self) -> None:
        """Know no object and no key."""
        self._timers.cancel()
        self.api = APIS[self._spoken.name](self, self._spoken.settings)
        self.stored = BoundedDict(MAX_STORED)
        self.last = BoundedDict(MAX_LAST)
        self.first = BoundedDict(MAX_STORED)
        self.overlaps = Overlaps()
        self._completes = self.api if isinstance(self.api, CompletesAnswers) else None

    def now_s(self) -> int:
        """Seconds since 1970."""
        return self._timers.now_s()

    def entry(self, reference: str) -> BookEntry | None:
        """The link's book on an authorisation."""
        return self.link_behind.entry(reference)

    def notify(self, kind: str, request: PaymentRequest) -> None:
        """Send a webhook where the link has any."""
        self.link_behind.notify(kind, request)

    def at(self, at_s: int, then: Callable[[], None]) -> None:
        """Do something at a time of `now_s`, unless the link stops or forgets all before."""
        self._timers.at(at_s, then)

    def kinds(self, kind: str, request: PaymentRequest) -> tuple[str, ...]:
        """The vendor's names for the webhooks that report an outcome of a request."""
        if kind == "capture_failed" and isinstance(self.api, CapturesAgain):
            self.link_behind.uncapture(request)
        return events_of(self.api, kind, request)

    @property
    def in_flight(self) -> list[str]:
        """The payment of each request that the link works on."""
        at_work = [call.payment for call in self._working.values()]
        return at_work + self._reports.in_flight

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
        if http.target == HEALTH:
            return HttpResponse(200, b'{"status":"up"}', {"content-type": "application/json"})
        if http.target == _REPORTS:
            return await self._reports.handle(http)
        # Customers come to the link's own port, services to a near end before it.
        own = f":{self._own_port}"
        http.is_secure = self._has_tls and not http.headers.get("host", "").endswith(own)
        number = self._requests = self._requests + 1
        call = self._working[number] = _Call(http, self)
        try:
            response = await self._work(call)
            if response is not None:
                await self.link_behind.ready_to_answer(call.payment)
        finally:
            del self._working[number]
        call.record(response)
        if response is not None:
            response.copies = call.copies
            if self._completes is not None:
                self._completes.complete(http, response)
        return response

    async def _work(self, call: _Call) -> HttpResponse | None:
        """The vendor's response to a request; None when none ever leaves."""
        try:
            response = await self.api.handle(call)
        except _Unanswered:
            return None
        except CallFailed as failed:
            response = self.api.error(failed.error)
            return self.api.mark_replayed(response) if failed.error.replayed_as else response
        except _StoredAnswer as stored:
            return self.api.mark_replayed(_copy(stored.response))
        except _LastAnswer as last:
            return _copy(last.response)
        except Exception as error:
            # A defect of ours must not look like an outage of the vendor in the run's results.
            what = f"paychain: {type(error).__name__}: {error}"
            return self.api.error(Error(ErrorKind.INTERNAL, what))
        call.store(response)
        return response

    def _undeliverable(self, http: HttpRequest, response: HttpResponse) -> None:
        """The caller went away; what was done stays done. An error did nothing."""
        if http.target == _REPORTS:
            self._reports.undeliverable(http, response)
            return
        if http.target == HEALTH or self.api.classify(response).result in _ERRORS:
            return
        found = self.attribution.known(self.link, self.api.key(http))
        self.context.decided(
            DecisionKind.ANSWER_UNDELIVERABLE,
            "transfer" if self.network else "authorise",
            self.caller,
            payment=found.payment if found is not None else "",
            attempt=found.attempt if found is not None else 0,
            detail=found.reference if found is not None else http.target,
        )


class _Call:
    """One request at the vendor's API."""

    def __init__(self, http: HttpRequest, front: VendorFront) -> None:
        self.http = http
        self.copies = 1
        self.payment = ""
        self._front = front
        self._seen = ReceivedCall(front.context, http)
        self._span, self._began_ns = self._seen.span, self._seen.began_ns
        self._operation = "query"
        # On a provider's page, the caller is the customer.
        is_customers = http.headers.get(CALLER_HEADER) == CUSTOMER
        self._caller = CUSTOMER if is_customers else front.caller
        self._attempt = 1
        self._key = front.api.key(http)
        self._by: AttributedBy = "nothing"
        self._is_executed = self._is_card_given = False
        self._is_refused = False  # a capture, void or refund: the link has declined it
        self._others: list[_Call] = []

    def attribute(self, evidence: Evidence) -> Attributed:
        """The payment that the request is for."""
        front = self._front
        found = front.attribution.attribute(
            front.link, evidence, self._began_ns, lambda: _whole(self.http)
        )
        self.payment, self._attempt, self._by = found.payment, found.attempt, found.by
        self._seen.stated = found.stated
        front.link_behind.note_headers(found.payment, self.http.headers)
        return found

    async def execute(
        self,
        operation: str,
        request: PaymentRequest,
        *,
        is_keyed: bool = True,
        change: Callable[[], object] | None = None,
        undo: Callable[[], object] | None = None,
        note: Callable[[Answer], object] | None = None,
    ) -> Answer:
        """Let the mock do it; what the vendor's API need not know ends the call."""
        if not is_keyed:
            self._key = ""
        assert not self._is_executed, "a request executes one operation"
        self._is_executed, self._operation = True, operation
        if request.payment:  # a request that is refused as it stands names none
            self.payment, self._attempt = request.payment, request.attempt
            if self._by == "nothing" and not request.payment.startswith(UNKNOWN):
                self._attribute_repeat(request.payment)
        digest = hashlib.sha256(self.http.target.encode() + b"\0" + self.http.body).hexdigest()
        self._seen.wants(operation, request)
        self._note_key(operation, request)
        # Even a payment that a customer makes on a page is the service's, and is in its books.
        envelope = Envelope(self._front.caller, self._span)
        if operation == "authorise":  # known before: its answer may be lost
            self._seen.reference = request.reference
        request = replace(request, key=self._key, digest=digest)
        key = self._key if self._front.knows_keys else ""
        with self._front.overlaps.joined(operation, key, undo) as overlap:
            last = self._front.last.get(self._kind)
            # An answer that names its request cannot be given to another one.
            has_last = last is not None or self._front.names_requests
            changes = ApiChange(operation, change, note, overlap, has_last=has_last)
            given = await self._front.link_behind.receive(operation, request, envelope, changes)
            if isinstance(given, Delivery):
                if given.is_stale and last is not None and not isinstance(given.given, Error):
                    self.copies = given.copies
                    raise _LastAnswer(last)
                self.copies, given = given.copies, given.given
            changes.end(given)
        if given is None:
            raise _Unanswered
        if isinstance(given, Error):
            if given.replayed_as and self._front.shows_latest_state:
                return Answer(Outcome.UNKNOWN, reference=request.reference, replayed=True)
            raise CallFailed(given)
        self._is_refused = operation != "authorise" and given.outcome is Outcome.DECLINED
        if operation == "authorise" and given.reference:
            self._seen.reference = given.reference
        if given.replayed and (operation, self._key) in self._front.stored:
            raise _StoredAnswer(self._front.stored[operation, self._key])
        return given

    def _note_key(self, operation: str, request: PaymentRequest) -> None:
        """Record that it has the key of another request of its payment."""
        if not self._key or operation == "query":
            return
        amounts = tuple(_AMOUNT.findall(self.http.body))
        # A customer may come back to a page with anything in the query, and pays under its key.
        own = _Keyed(request.payment, self.http.target.partition("?")[0], amounts)
        if own.is_beside(self._front.first.setdefault((operation, self._key), own)):
            self._front.context.decided(
                DecisionKind.KEY_SHARED,
                operation,
                self._caller,
                payment=self.payment,
                attempt=self._attempt,
            )

    def _attribute_repeat(self, payment: str) -> None:
        """The vendor knows a repeat by its key, and asks no more whose it is.

        A request that shows another payment than the first one under the key is that payment's.
        """
        attribution = self._front.attribution
        shown, by = attribution.shown_in(self.http.headers, self.http.body)
        if shown and shown != payment:
            self.payment, self._attempt, self._by = shown, 1, by
            return
        known = attribution.known(self._front.link, self._key)
        self._by = known.by if known is not None else "key"

    def another(self) -> _Call:
        """A call for one more operation of the same request. Only the first is its payment's."""
        other = _Call(self.http, self._front)
        self._others.append(other)
        return other

    async def together(self, works: Iterable[Awaitable[None]]) -> None:
        """Wait for operations that go on at once; raises the first failure when all have ended."""
        for failed in await asyncio.gather(*works, return_exceptions=True):
            if failed is not None:
                raise failed

    def card_given(self) -> None:
        """Record with the request that the customer said which card pays."""
        self._is_card_given = True

    def ignored(self, parameter: str) -> None:
        """Record a parameter that this mock ignores."""
        self._seen.note(DecisionKind.PARAMETER_IGNORED, parameter, self._operation, self.payment)

    def not_served(self, what: str = "") -> None:
        """Record a request for something that this mock does not have."""
        what = what or self._seen.asked
        self._seen.note(DecisionKind.NOT_SERVED, what, self._operation, self.payment)

    @property
    def _kind(self) -> tuple[str, str]:
        """Its operation, and the path that it has in common with others of its kind."""
        return self._operation, self._seen.asked

    def store(self, response: HttpResponse) -> None:
        """Keep a response for repeats of its key, and as the last of its kind."""
        if self._is_executed and not self._front.names_requests:
            self._front.last[self._kind] = _copy(response)
        if not self._key or not self._is_executed or self._front.shows_latest_state:
            return
        stored = self._front.stored
        # A key whose first outcome was not final was worked on once more.
        stored[self._operation, self._key] = _copy(response)

    def record(self, response: HttpResponse | None) -> None:
        """The request and its hop as the mock sees them: from its arrival to its answer."""
        reply = Reply(HopResult.TIMEOUT)
        if response is not None:
            reply = self._front.api.classify(response)
        if self._operation == "query" and reply.result is HopResult.TECHNICAL:
            # Whatever a payment was declined for: the question has its final answer.
            reply = replace(reply, result=HopResult.DECLINED)
        seen = self._seen
        seen.operation, seen.payment, seen.attempt = self._operation, self.payment, self._attempt
        seen.by, seen.key = self._by, self._key
        api = self._front.api
        if seen.reference and isinstance(api, NamesAuthorisations):
            seen.named = api.name_of(seen.reference)
        if self._caller != CUSTOMER:  # else no own service has asked
            seen.record(self._caller, response, reply)
        elif self._is_card_given:
            front = self._front
            front.context.decided(
                DecisionKind.CARD_GIVEN,
                self._operation,
                "",
                payment=self.payment,
                attempt=self._attempt,
            )
        for call in (self, *self._others):
            call.record_hop(reply)
            if call._is_refused and reply.code == RECEIVED:
                seen.note(DecisionKind.REFUSED_LATER, "", call._operation, call.payment)

    def record_hop(self, reply: Reply) -> None:
        """One operation of the request as a hop."""
        context = self._front.context
        context.journal.append(
            HopRecord(
                payment=self.payment,
                attempt=self._attempt,
                span=self._span,
                parent="",
                caller=self._caller,
                operation=self._operation,
                callee=self._front.link,
                route=0,
                try_number=1,
                started_ns=self._began_ns,
                ended_ns=context.now_ns(),
                result=reply.result,
                code=reply.code,
            )
        )


def _whole(http: HttpRequest) -> bytes:
    """All that a request says, except the names of its headers."""
    head = "\n".join((http.target, *http.headers.values()))
    return head.encode("utf-8", "replace") + b"\n" + http.body


def _copy(response: HttpResponse) -> HttpResponse:
    return with_changes(response, headers=dict(response.headers))
