"""A try to pay an own service by a class of the user's: `async def pay(self, payment, http)`.

The class sends nothing itself. Each `await http.post(…)` hands a request to whoever drives the try,
so that one class serves Locust's greenlets, asyncio and virtual time alike.

    class Shop:
        async def pay(self, payment, http):
            answer = await http.post("/orders", json={"id": payment.id, "card": payment.card.token})
            if answer.status == 201:
                return payment.approved(amount=answer.json["charged"])
            return payment.declined(answer.json["reason"])
"""

from __future__ import annotations

import traceback
from collections.abc import Coroutine, Generator, Mapping
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import urlencode

import msgspec

from paychain.load.traffic.doubts import MAX_MISTAKE, PaymentDoubts
from paychain.load.traffic.exchange import Got, Send, Step, Try
from paychain.payments.checkout_card import CheckoutCard, checkout_card
from paychain.payments.money import exponent, minor_of, to_minor
from paychain.payments.outcome import HopResult
from paychain.protocol.pays.addresses import NoAddress, address_of
from paychain.protocol.pays.outcomes import (
    MAX_CODE,
    approved,
    declined,
    json_of,
    pending,
    shortened,
    why_unreadable,
)
from paychain.protocol.pays.requests import own_headers, page_at
from paychain.protocol.pays.template import PaysTemplate
from paychain.protocol.reply import Reply, failure_of
from paychain.wire.http import HttpRequest, HttpResponse, WireError, request_head

MAX_REQUESTS = 1_000  # of one try: more is a loop without a pause
_encoder = msgspec.json.Encoder(decimal_format="number")


def place_of(error: Exception, folder: str) -> str:
    """File and line where an error came from, the last one in a user's folder; "" without one."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(folder)]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else ""


class Adapter(Protocol):
    """What a user's class offers."""

    def pay(self, payment: PaymentToMake, http: Http) -> Coroutine[Any, Any, Any]:
        """Pay once, and return what the shop showed: `payment.approved()`, `.declined(…)`, …"""

    def look(self, payment: PaymentToMake, http: Http) -> Coroutine[Any, Any, Any]:
        """Look up a payment's outcome; needed if customers leave and come back."""


class HttpAnswer:
    """The answer to a request: `status`, `headers` (lower case), `body`, `text`, `json`."""

    def __init__(self, response: HttpResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.body

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """The body as JSON, None when it is something else."""
        return json_of(HttpResponse(body=self.body))


class _Ask:
    """A request or a pause, until the driver of the try has made it."""

    def __init__(self, http: HttpRequest | None, pause_s: float, to: str = "") -> None:
        self.http, self.pause_s, self.to = http, pause_s, to

    def __await__(self) -> Generator[_Ask, HttpAnswer, HttpAnswer]:
        return (yield self)


class Http:
    """How an adapter sends requests. Paths are of the service; no host, no port.

    The page of a provider is asked for by its whole address, `http.get(answer.json["url"] +
    "?card=" + payment.card.token)`; it answers with a redirect back to the service.

    A request that brings no answer raises WireError, as `paychain.wire.http` has it; an adapter
    that lets it pass leaves the outcome unknown, as a customer who sees no answer does.
    """

    def __init__(self, payment: str, span: str, pages: Mapping[str, str] = {}) -> None:
        self._payment, self._span, self._pages = payment, span, pages

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> _Ask:
        """A GET; await it."""
        return self.request("GET", path, headers=headers)

    def post(
        self,
        path: str,
        *,
        json: Any = None,
        form: Mapping[str, Any] | None = None,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> _Ask:
        """A POST with a JSON value, form fields, or a body as it is; await it."""
        return self.request("POST", path, json=json, form=form, body=body, headers=headers)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        form: Mapping[str, Any] | None = None,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> _Ask:
        """Any request; await it. Raises ValueError for one that cannot be sent."""
        sent: dict[str, str] = {}
        if json is not None:
            sent["content-type"], body = "application/json", _encoder.encode(json)
        elif form is not None:
            sent["content-type"] = "application/x-www-form-urlencoded"
            body = urlencode(form)
        data = body.encode() if isinstance(body, str) else body
        sent |= {name.lower(): value for name, value in (headers or {}).items()}
        sent |= own_headers(self._payment, self._span)
        try:
            address = address_of(path)
        except NoAddress as error:
            raise ValueError(f"{path!r} is not an address: {error}") from None
        to = page_at(self._pages, address.host)
        if to:
            path = address.target
        if not path.startswith("/"):
            raise ValueError(f"{path!r} is not a path; write one such as /orders")
        request_head(method, path, "localhost", len(data), sent)  # what cannot be sent fails here
        return _Ask(HttpRequest(method, path, sent, data), 0.0, to)

    def sleep(self, seconds: float) -> _Ask:
        """A pause of so many seconds; await it. Nothing else may be awaited: time is the run's."""
        return _Ask(None, seconds)


class PaymentToMake:
    """What an adapter is asked to pay, and the words for what it saw.

    `id`, `order`, `key`, `merchant`, `currency` are texts, `amount` is a Decimal, `amount_minor`
    counts minor units, `attempt` counts the customer's tries from 1.
    """

    def __init__(self, template: PaysTemplate, attempt: Try) -> None:
        request = attempt.request
        self.id = request.payment
        self.order = request.order or request.payment
        self.key = request.key or request.payment
        self.merchant, self.currency = request.merchant, request.currency
        self.amount_minor = request.amount_minor
        self.amount = Decimal(request.amount_minor).scaleb(-exponent(request.currency))
        self.attempt = attempt.number
        self.card: CheckoutCard = checkout_card(request.instrument, template.tokens)
        self._template = template

    def approved(
        self, amount: Decimal | str | float | None = None, *, amount_minor: int | None = None
    ) -> Reply:
        """The customer saw that it is paid; without an amount, the whole of it.

        Raises ValueError for an amount that is none.
        """
        if amount is not None:
            amount_minor = to_minor(str(amount), self.currency)
        elif amount_minor is not None:
            amount_minor = minor_of(str(amount_minor))
        return approved(self._template, self.amount_minor if amount_minor is None else amount_minor)

    def declined(self, code: str = "", *, technical: bool = False) -> Reply:
        """The customer saw a decline, and nothing is charged.

        `code`: the reason or response code; `technical`: not a business decline.
        """
        return declined(self._template, str(code), technical)

    def pending(self) -> Reply:
        """The customer saw that the payment is in progress, and left with that."""
        return pending(self._template)

    def rejected(self, code: str = "") -> Reply:
        """The customer saw an error that proves that nothing was done."""
        return Reply(HopResult.REJECTED, shortened(str(code), MAX_CODE))

    def unknown(self, code: str = "") -> Reply:
        """The customer saw an answer that does not show the payment's outcome."""
        return Reply(HopResult.HTTP_ERROR, shortened(str(code), MAX_CODE))


class ByAdapter:
    """One try. An adapter that fails is a mistake in it, which `doubts` gets with its place."""

    def __init__(
        self, adapter: Adapter, template: PaysTemplate, attempt: Try, doubts: PaymentDoubts
    ) -> None:
        self._adapter, self._template = adapter, template
        self._attempt, self._doubts = attempt, doubts
        self._tried_ns = self._waits_ns = 0  # when the try, and when the customer's patience end
        self._sent = 0
        self._paying: Coroutine[Any, Any, Any] | None = None

    def start(self, now_ns: int) -> Step:
        """Its first request."""
        attempt = self._attempt
        self._tried_ns = now_ns + int(attempt.timeout_s * 1e9)
        self._waits_ns = max(self._tried_ns, now_ns + int(attempt.patience_s * 1e9))
        try:
            method = self._adapter.look if attempt.is_look else self._adapter.pay
            self._paying = method(
                PaymentToMake(self._template, attempt),
                Http(attempt.request.payment, attempt.span, attempt.entry.pages),
            )
        except Exception as error:  # a user's code may raise anything
            return self._failed(error)
        return self._resume(None, now_ns)

    def receive(self, got: Got, now_ns: int) -> Step:
        """Its next request, or what it made of the payment."""
        # A service that answers is waited for as long as patience lasts.
        if isinstance(got, HttpResponse):
            self._tried_ns = self._waits_ns
        return self._resume(got, now_ns)

    def _resume(self, got: Got | None, now_ns: int) -> Step:
        """Let it go on with a response or an error until it asks for something or ends."""
        paying, at_ns = self._paying, now_ns
        assert paying is not None
        value: HttpAnswer | None = HttpAnswer(got) if isinstance(got, HttpResponse) else None
        error = got if isinstance(got, WireError) else None
        while True:
            try:
                asked = paying.throw(error) if error is not None else paying.send(value)
            except StopIteration as end:
                return self._ended(end.value)
            except WireError as failure:
                return Reply(failure_of(failure), why_unreadable(failure))
            except Exception as failure:  # a user's code may raise anything
                return self._failed(failure)
            value = error = None
            self._sent += 1
            if not isinstance(asked, _Ask) or self._sent > MAX_REQUESTS:
                return self._refused(asked)
            at_ns += int(asked.pause_s * 1e9)
            if at_ns >= self._tried_ns:
                # Patience ends during the pause: as far as the customer knows, there is no answer.
                paying.close()
                return Reply(HopResult.TIMEOUT)
            if asked.http is not None:
                return Send(asked.http, at_ns, (self._tried_ns - at_ns) / 1e9, asked.to)

    def _ended(self, reply: Any) -> Reply:
        if isinstance(reply, Reply):
            self._doubts.paid.understood += 1
            return reply
        what = f"{self._adapter_name} returned {type(reply).__name__}"
        self._doubts.note(f"{what}, not payment.approved(), .declined(), .pending() or .unknown()")
        return Reply(HopResult.MALFORMED)

    def _refused(self, asked: Any) -> Reply:
        """It awaits something that not every driver can provide, or it never ends."""
        assert self._paying is not None
        self._paying.close()
        if isinstance(asked, _Ask):
            self._doubts.note(f"{self._adapter_name} made more than {MAX_REQUESTS:,} requests")
        else:
            what = f"{self._adapter_name} awaits {type(asked).__name__}"
            self._doubts.note(f"{what}; only http.get, .post, .request and .sleep can be awaited")
        return Reply(HopResult.MALFORMED)

    def _failed(self, error: Exception) -> Reply:
        """The mistake with the place in the user's file where it happened."""
        place = place_of(error, self._template.folder) or self._template.place
        text = shortened(f"{type(error).__name__}: {error}".strip(": "), MAX_MISTAKE)
        self._doubts.note(f"{place}: {self._adapter_name} failed: {text}")
        return Reply(HopResult.MALFORMED)

    @property
    def _adapter_name(self) -> str:
        name = self._template.adapter.rpartition(":")[2]
        return f"{name}.{'look' if self._attempt.is_look else 'pay'}"
