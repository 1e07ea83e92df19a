"""Stripe's API in front of a mock link: PaymentIntents and what belongs to them.

Each request becomes a plan: one operation of the link, and what its answer shows. A repeat of an
idempotency key executes the plan of the first request again, so that the link recognises it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar
from urllib.parse import unquote

import msgspec

from paychain.payments.bounded import BoundedDict
from paychain.protocol.dialects.stripe import (
    declared_prices,
    disputes,
    followups,
    front_end,
    listing,
    payments,
    people,
    products,
    reading,
    searching,
    session_page,
    sessions,
    setup_objects,
    setups,
)
from paychain.protocol.dialects.stripe.account import KEY, Account, Plan, RoutedRequest
from paychain.protocol.dialects.stripe.authentication import PAGE, Returned, authenticate
from paychain.protocol.dialects.stripe.confirmation_tokens import filled
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.errors import GARBAGE, LOGS, Invalid, invalid, of_link
from paychain.protocol.dialects.stripe.events import Events
from paychain.protocol.dialects.stripe.form import BadForm, parse
from paychain.protocol.dialects.stripe.ids import made, opaque
from paychain.protocol.dialects.stripe.objects import Objects
from paychain.protocol.dialects.stripe.parameters import ApiRoute, routes, unknown_in
from paychain.protocol.dialects.stripe.records import Intents
from paychain.protocol.dialects.stripe.session_objects import PAY_PAGE
from paychain.protocol.dialects.stripe.webhooks import secret_of, signed
from paychain.protocol.message import Error, ErrorKind, Event, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.protocol.vendor import Backend, CallFailed, VendorCall, known_key
from paychain.protocol.vendor_pages import base_of
from paychain.wire.http import HttpRequest, HttpResponse

VERSION = "2026-08-26.dahlia"  # version of the description that answers are validated against
CONNECTED = "stripe-account"  # the header that names a connected account
PRICES = "prices"  # the setting: what a shop has made at Stripe before
MAX_KEYS = 50_000  # whose first request is remembered
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?(;.*)?")
_JSON = {"content-type": "application/json"}
Handler = Callable[[Account, RoutedRequest], Plan]
Visit = Callable[[Account, RoutedRequest], tuple[Plan, Returned | session_page.Visited]]
_HANDLERS: dict[str, Handler] = {
    "POST /v1/payment_intents": payments.create,
    "GET /v1/payment_intents": listing.intents,
    "GET /v1/payment_intents/search": searching.intents,
    "GET /v1/payment_intents/{intent}": payments.retrieve,
    "POST /v1/payment_intents/{intent}": payments.update,
    "POST /v1/payment_intents/{intent}/confirm": payments.confirm,
    "POST /v1/payment_intents/{intent}/capture": followups.capture,
    "POST /v1/payment_intents/{intent}/cancel": followups.cancel,
    "POST /v1/payment_intents/{intent}/increment_authorization": payments.increment,
    "POST /v1/checkout/sessions": sessions.create,
    "GET /v1/checkout/sessions": sessions.listed,
    "GET /v1/checkout/sessions/{session}": sessions.retrieve,
    "POST /v1/checkout/sessions/{session}": sessions.update,
    "POST /v1/checkout/sessions/{session}/expire": sessions.expire,
    "GET /v1/checkout/sessions/{session}/line_items": sessions.line_items,
    **setups.HANDLERS,
    **products.HANDLERS,
    "POST /v1/refunds": followups.refund,
    "GET /v1/refunds": listing.refunds,
    "GET /v1/refunds/{refund}": followups.retrieve_refund,
    "POST /v1/refunds/{refund}": followups.update_refund,
    "POST /v1/refunds/{refund}/cancel": followups.cancel_refund,
    **front_end.HANDLERS,
    "POST /v1/disputes/{dispute}": disputes.update,
    "POST /v1/disputes/{dispute}/close": disputes.close,
    "GET /v1/disputes": listing.disputed,
    "GET /v1/disputes/{dispute}": disputes.retrieve,
    "GET /v1/charges": listing.charges,
    "GET /v1/charges/search": searching.charges,
    "GET /v1/charges/{charge}": listing.charge,
    "GET /v1/charges/{charge}/refunds": listing.refunds,
    "POST /v1/payment_methods": people.create_method,
    "GET /v1/payment_methods": listing.methods,
    "GET /v1/payment_methods/{payment_method}": people.retrieve_method,
    "POST /v1/payment_methods/{payment_method}": people.update_method,
    "POST /v1/payment_methods/{payment_method}/attach": people.attach,
    "POST /v1/payment_methods/{payment_method}/detach": people.detach,
    "POST /v1/customers": people.create_customer,
    "GET /v1/customers": listing.customers,
    "GET /v1/customers/search": searching.customers,
    "GET /v1/customers/{customer}": people.retrieve_customer,
    "POST /v1/customers/{customer}": people.update_customer,
    "DELETE /v1/customers/{customer}": people.delete_customer,
    "GET /v1/customers/{customer}/payment_methods": listing.methods,
    "GET /v1/customers/{customer}/payment_methods/{payment_method}": (
        people.retrieve_customers_method
    ),
    "GET /v1/balance": listing.balance,
    "GET /v1/balance_transactions/{id}": listing.movement,
    "GET /v1/balance_transactions": listing.movements,
}
_EVENTS = ("GET /v1/events", "GET /v1/events/{id}")
# The pages that customers visit, by the beginnings of their paths.
_PAGES: dict[str, Visit] = {
    PAGE: authenticate,
    PAY_PAGE: session_page.visit,
    setup_objects.PAGE: setups.authenticate,
}


class Stripe:
    """The API of one link."""

    idempotency: ClassVar[str] = "stripe-v1"
    settings: ClassVar[tuple[str, ...]] = (PRICES,)
    signs_time: ClassVar[bool] = True
    webhook_timeout_s: ClassVar[float] = 10.0  # not published; M
    endpoints: ClassVar[tuple[str, ...]] = (*_HANDLERS, *_EVENTS)
    pages: ClassVar[tuple[str, ...]] = tuple(f"{page}{{id}}" for page in _PAGES)
    hosts: ClassVar[tuple[str, ...]] = ("api.stripe.com",)

    def __init__(self, backend: Backend, settings: Mapping[str, Any]) -> None:
        self._backend = backend
        self._account = Account(
            backend=backend, intents=Intents(backend), objects=Objects(backend), version=VERSION
        )
        declared_prices.stock(self._account, settings.get(PRICES, ""))
        self._events = Events(self._account)
        of_events = (self._events.listed, self._events.retrieve)
        self._handlers: dict[str, Handler] = {
            **_HANDLERS,
            **{name: partial(_of_event, do) for name, do in zip(_EVENTS, of_events, strict=True)},
        }
        self._plans: BoundedDict[str, Plan] = BoundedDict(MAX_KEYS)
        self._requests = 0

    async def handle(self, call: VendorCall) -> HttpResponse:
        """Answer one request."""
        http = call.http
        self._account.objects.base = base_of(http, self.hosts)
        asked: RoutedRequest | None = None
        try:
            for start, visit in _PAGES.items():
                if http.target.startswith(start):
                    return await self._visited(call, start, visit)
            _check_head(http)
            # At Stripe, events have the version with which the webhook endpoint was set up.
            self._account.version = http.headers.get("stripe-version", VERSION)
            asked = self._asked(call)
            plan = self._plans.get(self._known_key(asked))
            if plan is not None:
                # Another request under the same key never gets further than the link.
                return await self._executed(asked, plan, is_repeat=True)
            plan = self._planned(asked)
        except Invalid as refusal:
            if asked is not None:
                asked.note_payment()
            await call.execute("query", self._account.no_payment(), is_keyed=False)
            return self._refused(http, refusal)
        return await self._executed(asked, plan)

    async def _executed(
        self, asked: RoutedRequest, plan: Plan, *, is_repeat: bool = False
    ) -> HttpResponse:
        http, is_replayed, is_done = asked.call.http, False, False
        plan.in_progress += 1
        try:
            answer = await asked.call.execute(
                plan.operation,
                plan.request,
                change=plan.change,
                undo=None if is_repeat else partial(self._undo, asked, plan),
                note=plan.note,
            )
            is_replayed, is_done = answer.replayed, True
            response = self._response(http, 200, self._expanded(plan.show(answer), asked))
        except CallFailed as failed:
            is_done = failed.error.is_after_work
            raise
        except Invalid as refusal:
            response = self._refused(http, refusal)
        finally:
            plan.end(is_done=is_done)
        return self.mark_replayed(response) if is_replayed else response

    def _undo(self, asked: RoutedRequest, plan: Plan) -> None:
        """Forget a plan that the link has not executed: a repeat of its key is planned again."""
        if plan.undo is not None:
            plan.undo()
        known_key = self._known_key(asked)
        if self._plans.get(known_key) is plan:
            del self._plans[known_key]

    def _asked(self, call: VendorCall) -> RoutedRequest:
        """The request with its route. Raises Invalid for an unknown path or parameter."""
        http = call.http
        path, _, query = http.target.partition("?")
        parts = [unquote(part) for part in path.strip("/").split("/")]
        for route in routes():
            names = route.matches(http.method, parts)
            if names is not None:
                given = _given(http, query)
                unknown = unknown_in(route, given)
                if unknown is not None:
                    raise unknown
                if http.headers.get(CONNECTED):
                    call.ignored(CONNECTED)  # its objects are in the platform's own account
                for name in route.ignored_in(given):
                    call.ignored(name)
                given = filled(self._account, given)
                return RoutedRequest(call=call, route=route, names=names, given=given)
        call.not_served()
        raise invalid(
            f"Unrecognized request URL ({http.method}: {path}). Please see "
            "https://stripe.com/docs or we can help at https://support.stripe.com/.",
            status=404,
        )

    def _planned(self, asked: RoutedRequest) -> Plan:
        """The plan of a request, remembered for repeats of its key. Raises Invalid."""
        plan = self._handlers[asked.route.name](self._account, asked)
        if known_key := self._known_key(asked):
            self._plans[known_key] = plan
        return plan

    def _known_key(self, asked: RoutedRequest) -> str:
        """Under which its plan is remembered; "" for a request without a key that is known."""
        return known_key(self._backend, asked.key)

    async def _visited(self, call: VendorCall, start: str, visit: Visit) -> HttpResponse:
        """A page on which the customer does something, and which leads back to the shop."""
        path, _, query = call.http.target.partition("?")
        route = ApiRoute(f"GET {start}{{id}}", (), frozenset(), frozenset())
        asked = RoutedRequest(
            call=call, route=route, names=[path.removeprefix(start)], given=_parsed(query)
        )
        plan, seen = visit(self._account, asked)
        return seen.response(await self._executed(asked, plan))

    def _expanded(self, shown: Shown, asked: RoutedRequest) -> Shown:
        return listing.expanded(self._account, shown, asked.given)

    def _head(self, http: HttpRequest | None) -> dict[str, str]:
        self._requests += 1
        name = opaque("req", f"{self._backend.link}/{self._requests}", 14)
        headers = {**_JSON, "request-id": name, "stripe-version": VERSION}
        if http is not None:
            headers["stripe-version"] = http.headers.get("stripe-version", VERSION)
            if http.headers.get(KEY) and http.method == "POST":
                headers[KEY] = http.headers[KEY]
                headers["original-request"] = name
        return headers

    def _response(self, http: HttpRequest, status: int, shown: Shown) -> HttpResponse:
        body = msgspec.json.encode(shown)
        return HttpResponse(status, body, self._head(http))

    def _refused(self, http: HttpRequest, refusal: Invalid) -> HttpResponse:
        error = dict(refusal.error)
        intent = self._account.intents.of(refusal.about) if refusal.about else None
        if intent is not None:
            error["payment_intent"] = self._account.objects.intent(intent)
        response = self._response(http, refusal.status, {})
        error["request_log_url"] = f"{LOGS}{response.headers['request-id']}"
        body = {"error": dict(sorted(error.items()))}
        response.body = msgspec.json.encode(body)
        if error.get("code") == "lock_timeout":
            response.headers["stripe-should-retry"] = "true"
        return response

    def name_of(self, reference: str) -> str:
        """The payment intent of an authorisation."""
        return made("pi", reference)

    def key(self, http: HttpRequest) -> str:
        """The key of a POST: reads have none. A page has its own for each press of its button."""
        if http.target.startswith(PAY_PAGE):
            return session_page.key_of(self._account, http.target)
        return http.headers.get(KEY, "") if http.method == "POST" else ""

    def error(self, error: Error) -> HttpResponse:
        """An error of the link behind in Stripe's shape."""
        headers = self._head(None)
        if error.kind is ErrorKind.GARBLED:
            return HttpResponse(200, GARBAGE, headers)
        status, shown = of_link(error)
        if error.kind is ErrorKind.KEY_IN_FLIGHT:
            headers["stripe-should-retry"] = "true"
        elif status == 500:
            # A retry would only get the stored error: SDKs that respect the header do not try
            # again.
            headers["stripe-should-retry"] = "false"
        if status == 429:
            headers["stripe-rate-limited-reason"] = "global-rate"
        if error.retry_after_s:
            headers["retry-after"] = str(max(1, round(error.retry_after_s)))
        shown["request_log_url"] = f"{LOGS}{headers['request-id']}"
        return HttpResponse(status, msgspec.json.encode({"error": shown}), headers)

    def mark_replayed(self, response: HttpResponse) -> HttpResponse:
        """`Idempotent-Replayed`, with the first request's id as `Original-Request`."""
        original = response.headers.get("request-id", "")
        response.headers.update(
            {
                "idempotent-replayed": "true",
                "original-request": original,
                "request-id": self._head(None)["request-id"],
            }
        )
        return response

    def reports(self, kind: str, request: PaymentRequest) -> bool:
        """Whether any event reports this outcome of a request."""
        return bool(self._events.types(kind, request))

    def events(self, kind: str, request: PaymentRequest) -> tuple[str, ...]:
        """The types of the events that report it; each keeps its object as it is now."""
        self._events.note(kind, request)
        types = self._events.types(kind, request)
        for name in types:
            self._events.keep(name, request)
        return types

    def webhook(self, event: Event, path: str, secret: str, sent_s: int) -> HttpRequest:
        """An event, signed."""
        return signed(self._events.shown(event.event, event, sent_s), path, secret, sent_s)

    @staticmethod
    def classify(response: HttpResponse) -> Reply:
        """The reply that a response stands for."""
        return reading.classify(response)

    @staticmethod
    def setting_problem(_setting: str, value: str) -> str:
        """Why prices cannot be read, "" if they can."""
        return declared_prices.stock_problem(value)

    @staticmethod
    def secret(seed: str) -> str:
        """`whsec_…`."""
        return secret_of(seed)


def _of_event(do: Callable[[RoutedRequest], Plan], _account: Account, asked: RoutedRequest) -> Plan:
    return do(asked)


def _given(http: HttpRequest, query: str) -> dict[str, Any]:
    """The parameters of a request. Raises Invalid for a body that is not a form."""
    if http.method != "POST":
        return _parsed(query)
    kind = http.headers.get("content-type", "")
    if http.body and "json" in kind:
        raise invalid(
            "Invalid request (check that your POST content type is "
            "application/x-www-form-urlencoded). If you have any questions, we can help at "
            "https://support.stripe.com/."
        )
    try:
        return _parsed("&".join(part for part in (query, http.body.decode("utf-8")) if part))
    except UnicodeDecodeError as error:
        raise invalid("Invalid UTF-8 in the request's body.") from error


def _parsed(text: str) -> dict[str, Any]:
    try:
        return parse(text)
    except BadForm as error:
        raise invalid(str(error)) from error


def _check_head(http: HttpRequest) -> None:
    """Raises Invalid without an API key, and for a malformed version."""
    method, _, value = http.headers.get("authorization", "").partition(" ")
    if method.lower() == "basic":
        try:
            value = base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (ValueError, UnicodeDecodeError):
            value = "?"
    if not value.strip():
        raise invalid(
            "You did not provide an API key. You need to provide your API key in the Authorization "
            "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            status=401,
        )
    if not value.strip().startswith(("sk_", "rk_", "pk_")):
        raise invalid(f"Invalid API Key provided: {value[:4]}****", status=401)
    version = http.headers.get("stripe-version", VERSION)
    if _VERSION.fullmatch(version) is None:
        raise invalid(f"Invalid Stripe API version: {version}")


__all__ = ["Returned", "Stripe"]
