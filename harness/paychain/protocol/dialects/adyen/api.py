"""Adyen's Checkout API in front of a mock link: which path does what, and what an answer proves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from string import hexdigits
from typing import Any, ClassVar

import msgspec

from paychain.payments.codes import RECEIVED
from paychain.payments.outcome import HopResult
from paychain.protocol.dialects.adyen import (
    authentication,
    checkout,
    errors,
    modifications,
    notifications,
    pages,
    payments,
    recurring,
    sessions,
    stored,
)
from paychain.protocol.dialects.adyen.account import (
    HOSTS,
    IMMEDIATE,
    KEY,
    MANUAL,
    MULTIPLE,
    SINGLE,
    Account,
)
from paychain.protocol.dialects.adyen.errors import Invalid, service_error
from paychain.protocol.dialects.adyen.records import modification_of
from paychain.protocol.dialects.adyen.references import psp_reference
from paychain.protocol.dialects.adyen.tables import reasons
from paychain.protocol.json_text import decoded
from paychain.protocol.message import Error, Event, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.protocol.vendor import Backend, VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_pages import EDGE_PAGE, data_in
from paychain.protocol.vendor_routes import Routes
from paychain.wire.http import HttpRequest, HttpResponse

Handler = Callable[..., Awaitable[HttpResponse]]  # call, account, the values in the path
_VERSION = re.compile(r"v\d{1,3}")
_ROUTES = Routes[Handler](
    {
        "POST payments": payments.pay,
        "POST payments/details": payments.details,
        "POST payments/{psp}/captures": modifications.capture,
        "POST payments/{psp}/cancels": modifications.cancel,
        "POST payments/{psp}/reversals": modifications.reverse,
        "POST payments/{psp}/refunds": modifications.refund,
        "POST payments/{psp}/amountUpdates": modifications.adjust,
        "POST cancels": modifications.cancel_by_reference,
        "GET storedPaymentMethods": stored.listed,
        "POST storedPaymentMethods": stored.create,
        "DELETE storedPaymentMethods/{id}": stored.delete,
        "POST paymentMethods": checkout.payment_methods,
        "POST cardDetails": checkout.card_details,
        "POST disable": recurring.disable,
        "POST listRecurringDetails": recurring.listed,
        "POST sessions": sessions.create_session,
        "GET sessions/{id}": sessions.show_session,
        "POST paymentLinks": sessions.create_link,
        "GET paymentLinks/{id}": sessions.show_link,
        "PATCH paymentLinks/{id}": sessions.expire_link,
    }
)
_PAGES: dict[str, Handler] = {
    pages.PAGE: pages.visit,
    authentication.BANK_PAGE: pages.authenticate,
}
# Statuses with which Adyen proves that it did nothing.
_NOT_EXECUTED = frozenset({400, 401, 403, 404, 422, 429})
_IN_PROGRESS = "704"  # refuses a repeat: proves nothing about the first request
_RESULTS = {
    "Authorised": HopResult.APPROVED,
    "PartiallyAuthorised": HopResult.APPROVED,
    "Pending": HopResult.UNKNOWN,
    "Received": HopResult.UNKNOWN,
    "Cancelled": HopResult.DECLINED,
}


class Adyen:
    """Checkout v72, or any other version: what is served here has not changed since v68.

    Settings: `merchant` is the only merchant account (without it, any is accepted); `capture` is
    `immediate` (Adyen's default) or `manual`; `partial_captures` is `multiple`, or `single`, where
    the first capture releases the rest.
    """

    idempotency: ClassVar[str] = "adyen"
    settings: ClassVar[tuple[str, ...]] = ("merchant", "capture", "partial_captures")
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "capture": (IMMEDIATE, MANUAL),
        "partial_captures": (MULTIPLE, SINGLE),
    }
    signs_time: ClassVar[bool] = False
    captures_again: ClassVar[bool] = True  # after CAPTURE_FAILED
    webhook_timeout_s: ClassVar[float] = 10.0  # docs.adyen.com/development-resources/webhooks; M
    endpoints: ClassVar[tuple[str, ...]] = _ROUTES.names
    pages: ClassVar[tuple[str, ...]] = tuple(_PAGES)
    hosts: ClassVar[tuple[str, ...]] = HOSTS

    def __init__(self, backend: Backend, settings: Mapping[str, Any]) -> None:
        self._account = Account.of(backend, settings)

    async def handle(self, call: VendorCall) -> HttpResponse:
        """Answer one request."""
        headers = call.http.headers
        visit = next((do for at, do in _PAGES.items() if call.http.target.startswith(at)), None)
        if visit is None and not headers.get("x-api-key") and not headers.get("authorization"):
            return service_error("unauthorised")
        work = visit(call, self._account) if visit is not None else self._work(call)
        try:
            if work is None:
                call.not_served()
                raise Invalid("not_found")
            return await work
        except Invalid as invalid:
            # The refused request did reach the link, so faults apply to it; its key stays unused.
            await execute_nothing(call)
            return service_error(invalid.name, **invalid.shown)

    def _work(self, call: VendorCall) -> Awaitable[HttpResponse] | None:
        """What executes requests for a path; None for a path that is not served."""
        path = call.http.target.partition("?")[0].strip("/").split("/")
        for place, part in enumerate(path):
            if _VERSION.fullmatch(part):
                path = path[place + 1 :]
                break
        found = _ROUTES.find(call.http.method, path)
        if found is None:
            return None
        handler, names = found
        return handler(call, self._account, *names)

    def name_of(self, reference: str) -> str:
        """The pspReference of an authorisation."""
        return psp_reference(reference)

    def key(self, http: HttpRequest) -> str:
        """The idempotency key of a request, "" when it has none. A page has keys of its own."""
        if http.target.startswith(pages.PAGE):
            return pages.key_of(self._account, http.target)
        return self._account.key(http)

    def error(self, error: Error) -> HttpResponse:
        """An error of the link or an injected one, in Adyen's format."""
        return errors.of_link(error)

    def complete(self, http: HttpRequest, response: HttpResponse) -> None:
        """Every answer of the API has its request's key; an error page of the edge does not."""
        key = self._account.key(http)
        if key and response.headers.get("content-type") != EDGE_PAGE:
            response.headers[KEY] = key

    def mark_replayed(self, response: HttpResponse) -> HttpResponse:
        """Adyen does not mark replayed responses."""
        return response

    def reports(self, kind: str, request: PaymentRequest) -> bool:
        """Whether Adyen sends a webhook for this kind of event."""
        self._account.unreported.discard(modification_of(request))
        return notifications.reports(kind, request)

    def webhook(self, event: Event, path: str, secret: str, sent_s: int) -> HttpRequest:
        """The notification of an event, signed."""
        return notifications.notification(event, path, secret, sent_s, self._account)

    @staticmethod
    def classify(response: HttpResponse) -> Reply:
        """The resultCode tells what happened to the money, the status does not."""
        try:
            body = decoded(data_in(response.body)) if response.body else {}
        except msgspec.MsgspecError:
            body = None
        if response.status >= 400 and not _is_result(body):
            code = body.get("errorCode") if isinstance(body, dict) else None
            proves = response.status in _NOT_EXECUTED and code != _IN_PROGRESS
            result = HopResult.REJECTED if proves else HopResult.HTTP_ERROR
            return Reply(result, str(response.status))
        if not isinstance(body, dict):
            return Reply(HopResult.MALFORMED)
        return _of_result(body)

    @staticmethod
    def secret_problem(secret: str) -> str:
        """An HMAC key of Adyen is bytes in hex digits; its libraries refuse anything else."""
        is_key = len(secret) % 2 == 0 and set(secret) <= set(hexdigits)
        return "" if is_key else "not an HMAC key of Adyen: it must be an even number of hex digits"

    @staticmethod
    def secret(seed: str) -> str:
        """An HMAC key: 32 bytes in hex digits."""
        return hashlib.sha256(f"adyen {seed}".encode()).hexdigest().upper()


def _is_result(body: Any) -> bool:
    """Whether an answer is a page on which a payment ended: its status says nothing about it."""
    return isinstance(body, dict) and "resultCode" in body


def _of_result(body: dict[str, Any]) -> Reply:
    if body.get("status") == RECEIVED:
        return Reply(HopResult.APPROVED, RECEIVED)
    named = str(body.get("resultCode", ""))
    code = str(body.get("refusalReasonCode", ""))
    if named in ("Refused", "Error"):
        reason = reasons().get(code)
        is_technical = reason is not None and reason.kind == "technical"
        return Reply(HopResult.TECHNICAL if is_technical else HopResult.DECLINED, code)
    return Reply(_RESULTS.get(named, HopResult.APPROVED), code)
