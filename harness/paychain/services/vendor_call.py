"""One request at a vendor's API.

request ─▶ the vendor's API ─ execute ─▶ the link behind: role, book, keys, faults
response ◀─ or one that left before: for the same key, or the last of its kind
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace as with_changes

from msgspec.structs import replace

from paychain.model.operations import CUSTOMER
from paychain.payments.attribution import UNKNOWN, AttributedBy
from paychain.payments.codes import RECEIVED
from paychain.payments.journal import DecisionKind, HopRecord
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.envelope import CALLER_HEADER, Envelope
from paychain.protocol.message import (
    Answer,
    Delivery,
    Error,
    ErrorKind,
    PaymentRequest,
)
from paychain.protocol.reply import Reply
from paychain.protocol.vendor import (
    Attributed,
    CallFailed,
    Evidence,
    NamesAuthorisations,
)
from paychain.services.received import ReceivedCall
from paychain.services.vendor_change import ApiChange
from paychain.services.vendor_served_api import KeyedRequest, ServedApi
from paychain.wire.http import HttpRequest, HttpResponse

# In JSON, XML and forms alike.
_AMOUNT = re.compile(rb"(?:amount|value)\W{1,6}(\d[\d.]*)")


class _Unanswered(Exception):
    """No answer ever leaves the link."""


class _EarlierAnswer(Exception):
    """What was answered before leaves once more, in place of this request's own answer."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.response = response


class ServedCall:
    """One request at the vendor's API."""

    def __init__(self, http: HttpRequest, served: ServedApi) -> None:
        self.http = http
        self.copies = 1
        self.payment = ""
        self._served = served
        self._seen = ReceivedCall(served.context, http)
        self._span, self._began_ns = self._seen.span, self._seen.began_ns
        self._operation = "query"
        # On a provider's page, the caller is the customer.
        is_customers = http.headers.get(CALLER_HEADER) == CUSTOMER
        self._caller = CUSTOMER if is_customers else served.caller
        self._attempt = 1
        self._key = served.link_behind.key_now(served.api.key(http))
        self._by: AttributedBy = "nothing"
        self._is_executed = self._is_card_given = False
        self._is_refused = False  # a capture, void or refund: the link has declined it
        self._others: list[ServedCall] = []

    async def answer(self) -> HttpResponse | None:
        """The vendor's response; None when none ever leaves."""
        api = self._served.api
        try:
            response = await api.handle(self)
        except _Unanswered:
            return None
        except CallFailed as failed:
            response = api.error(failed.error)
            return api.mark_replayed(response) if failed.error.replayed_as else response
        except _EarlierAnswer as earlier:
            return earlier.response
        except Exception as error:
            # A defect of ours must not look like an outage of the vendor in the run's results.
            what = f"paychain: {type(error).__name__}: {error}"
            return api.error(Error(ErrorKind.INTERNAL, what))
        self._store(response)
        return response

    def attribute(self, evidence: Evidence) -> Attributed:
        """The payment that the request is for."""
        served = self._served
        if evidence.key:
            evidence = with_changes(evidence, key=served.link_behind.key_now(evidence.key))
        found = served.attribution.attribute(
            served.context.link, evidence, self._began_ns, lambda: _whole(self.http)
        )
        self.payment, self._attempt, self._by = found.payment, found.attempt, found.by
        self._seen.stated = found.stated
        served.link_behind.note_headers(found.payment, self.http.headers)
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
        envelope = Envelope(self._served.caller, self._span)
        if operation == "authorise":  # known before: its answer may be lost
            self._seen.reference = request.reference
        request = replace(request, key=self._key, digest=digest)
        key = self._key if self._served.knows_keys else ""
        with self._served.overlaps.joined(operation, key, undo) as overlap:
            last = self._served.last.get(self._kind)
            # An answer that names its request cannot be given to another one.
            has_last = last is not None or self._served.names_requests
            changes = ApiChange(operation, change, note, overlap, has_last=has_last)
            given = await self._served.link_behind.receive(operation, request, envelope, changes)
            if isinstance(given, Delivery):
                self._seen.is_stale = given.is_stale
                if given.is_stale and last is not None and not isinstance(given.given, Error):
                    self.copies = given.copies
                    raise _EarlierAnswer(_copy(last))
                self.copies, given = given.copies, given.given
            changes.end(given)
        if given is None:
            raise _Unanswered
        if isinstance(given, Error):
            if given.replayed_as and self._served.shows_latest_state:
                return Answer(Outcome.UNKNOWN, reference=request.reference, replayed=True)
            raise CallFailed(given)
        self._is_refused = operation != "authorise" and given.outcome is Outcome.DECLINED
        if operation == "authorise" and given.reference:
            self._seen.reference = given.reference
        stored = self._served.stored.get((operation, self._key)) if given.replayed else None
        if stored is not None:
            raise _EarlierAnswer(self._served.api.mark_replayed(_copy(stored)))
        return given

    def _note_key(self, operation: str, request: PaymentRequest) -> None:
        """Record that it has the key of another request of its payment."""
        if not self._key or operation == "query":
            return
        amounts = tuple(_AMOUNT.findall(self.http.body))
        # A customer may come back to a page with anything in the query, and pays under its key.
        own = KeyedRequest(request.payment, self.http.target.partition("?")[0], amounts)
        if own.is_beside(self._served.first.setdefault((operation, self._key), own)):
            self._served.context.decided(
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
        attribution = self._served.attribution
        shown, by = attribution.shown_in(self.http.headers, self.http.body)
        if shown and shown != payment:
            self.payment, self._attempt, self._by = shown, 1, by
            return
        known = attribution.known(self._served.context.link, self._key)
        self._by = known.by if known is not None else "key"

    def another(self) -> ServedCall:
        """A call for one more operation of the same request. Only the first is its payment's."""
        other = ServedCall(self.http, self._served)
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

    def _store(self, response: HttpResponse) -> None:
        """Keep a response for repeats of its key, and as the last of its kind."""
        if self._is_executed and not self._served.names_requests:
            self._served.last[self._kind] = _copy(response)
        if not self._key or not self._is_executed or self._served.shows_latest_state:
            return
        stored = self._served.stored
        # A key whose first outcome was not final was worked on once more.
        stored[self._operation, self._key] = _copy(response)

    def record(self, response: HttpResponse | None) -> None:
        """The request and its hop as the mock sees them: from its arrival to its answer."""
        reply = Reply(HopResult.TIMEOUT)
        if response is not None:
            reply = self._served.api.classify(response)
        if self._operation == "query" and reply.result is HopResult.TECHNICAL:
            # Whatever a payment was declined for: the question has its final answer.
            reply = replace(reply, result=HopResult.DECLINED)
        seen = self._seen
        seen.operation, seen.payment, seen.attempt = self._operation, self.payment, self._attempt
        seen.by, seen.key = self._by, self._key
        api = self._served.api
        if seen.reference and isinstance(api, NamesAuthorisations):
            seen.named = api.name_of(seen.reference)
        if self._caller != CUSTOMER:  # else no own service has asked
            seen.record(self._caller, response, reply)
        elif self._is_card_given:
            self._served.context.decided(
                DecisionKind.CARD_GIVEN,
                self._operation,
                "",
                payment=self.payment,
                attempt=self._attempt,
            )
        for call in (self, *self._others):
            call._record_hop(reply)
            if call._is_refused and reply.code == RECEIVED:
                call._note_refused()

    def _note_refused(self) -> None:
        """Record once that it is refused, however often its key gets the answer again."""
        name = (self._operation, self._key, self.payment)
        if self._key and name in self._served.refused:
            return
        self._served.refused[name] = None
        self._seen.note(DecisionKind.REFUSED_LATER, "", self._operation, self.payment)

    def _record_hop(self, reply: Reply) -> None:
        """One operation of the request as a hop."""
        context = self._served.context
        context.journal.append(
            HopRecord(
                payment=self.payment,
                attempt=self._attempt,
                span=self._span,
                parent="",
                caller=self._caller,
                operation=self._operation,
                callee=context.link,
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
