"""Checkout.com's API in front of a mock link: which path does what, and what an answer proves."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

import msgspec

from paychain.payments.codes import RECEIVED
from paychain.payments.outcome import HopResult
from paychain.protocol.dialects.checkout import (
    actions,
    authentication,
    errors,
    events,
    hosted,
    payments,
    vault,
)
from paychain.protocol.dialects.checkout.account import HOSTS, IGNORE, SIMULATE, Account, payment_id
from paychain.protocol.dialects.checkout.errors import Invalid
from paychain.protocol.dialects.checkout.payments import BANKS_PAGE
from paychain.protocol.dialects.checkout.tables import responses
from paychain.protocol.json_text import decoded
from paychain.protocol.message import Error, Event, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.protocol.vendor import Backend, VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_pages import EDGE_PAGE
from paychain.protocol.vendor_routes import Routes
from paychain.wire.http import HttpRequest, HttpResponse

Handler = Callable[..., Awaitable[HttpResponse]]  # call, account, what stands in the path
_ROUTES = Routes[Handler](
    {
        "POST payments": payments.pay,
        "GET payments": payments.list_payments,
        "POST payments/search": payments.search,
        "GET payments/{id}": payments.show,
        "GET payments/{id}/actions": payments.show_actions,
        "POST payments/{id}/captures": actions.capture,
        "POST payments/{id}/voids": actions.void,
        "POST payments/{id}/refunds": actions.refund,
        "POST payments/{id}/reversals": actions.reverse,
        "POST hosted-payments": hosted.create,
        "GET hosted-payments/{id}": hosted.show,
        "POST payment-links": hosted.create_link,
        "GET payment-links/{id}": hosted.show,
        "POST payment-sessions": hosted.create_session,
        "POST payment-sessions/complete": hosted.complete,
        "POST payment-sessions/{id}/submit": hosted.submit,
        "POST customers": vault.create_customer,
        "GET customers/{id}": vault.show_customer,
        "PATCH customers/{id}": vault.update_customer,
        "DELETE customers/{id}": vault.delete_customer,
        "POST instruments": vault.create_instrument,
        "GET instruments/{id}": vault.show_instrument,
        "PATCH instruments/{id}": vault.update_instrument,
        "DELETE instruments/{id}": vault.delete_instrument,
        "POST tokens": payments.tokenise,
        "POST connect/token": payments.access_token,
    }
)
# Where customers are, who have no credentials.
_PAGES = Routes[Handler](
    {"GET 3ds/{id}": authentication.authenticated, f"GET {hosted.PAGE}/{{id}}": hosted.visit}
)
_RECEIVED = 202  # of what follows a payment: its outcome is reported by webhook
# Statuses by which it proves that it did nothing.
_NOT_EXECUTED = frozenset({400, 401, 403, 404, 422, 429})


class Checkout:
    """The payments API of accounts on NAS ("Four").

    Setting: with `test_amounts: simulate` certain amounts are declined, as in Checkout.com's test
    environment; by default amounts have no special meaning.
    """

    idempotency: ClassVar[str] = "checkout"
    settings: ClassVar[tuple[str, ...]] = ("test_amounts",)
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"test_amounts": (IGNORE, SIMULATE)}
    signs_time: ClassVar[bool] = False
    webhook_timeout_s: ClassVar[float] = 10.0  # checkout.com/docs, webhooks; M
    endpoints: ClassVar[tuple[str, ...]] = _ROUTES.names
    pages: ClassVar[tuple[str, ...]] = tuple(name.replace("GET ", "/") for name in _PAGES.names)
    hosts: ClassVar[tuple[str, ...]] = HOSTS

    def __init__(self, backend: Backend, settings: Mapping[str, Any]) -> None:
        self._account = Account.of(backend, settings)

    async def handle(self, call: VendorCall) -> HttpResponse:
        """Answer one request."""
        path = call.http.target.partition("?")[0].strip("/").split("/")
        try:
            found = _PAGES.find("GET", path)
            if found is None:
                if not call.http.headers.get("authorization"):
                    raise Invalid("unauthorised")
                found = _ROUTES.find(call.http.method, path)
            if found is None:
                call.not_served()
                raise Invalid("not_found")
            handler, names = found
            return await handler(call, self._account, *names)
        except Invalid as invalid:
            # The refused request did reach the link, so faults apply to it; its key stays unused.
            await execute_nothing(call)
            return self._account.refused(invalid.name)

    def key(self, http: HttpRequest) -> str:
        """The idempotency key of a request, "" when it has none. A page pays under its own keys."""
        if http.target.startswith(f"/{hosted.PAGE}/"):
            return hosted.key_of(self._account, http.target)
        if http.target.startswith(BANKS_PAGE):
            return authentication.key_of(self._account, http.target)
        return self._account.key(http)

    def error(self, error: Error) -> HttpResponse:
        """An error of the link or an injected one, in Checkout.com's format."""
        return errors.of_link(error, self._account.request_id())

    def complete(
        self,
        http: HttpRequest,  # noqa: ARG002  (a parameter of every VendorApi's)
        response: HttpResponse,
    ) -> None:
        """Add the request id that every answer of the API has; the edge's error page has none."""
        if response.headers.get("content-type") != EDGE_PAGE:
            response.headers.setdefault(errors.REQUEST_ID, self._account.request_id())

    def mark_replayed(self, response: HttpResponse) -> HttpResponse:
        """Checkout.com does not mark replayed responses."""
        return response

    def reports(
        self,
        kind: str,
        request: PaymentRequest,  # noqa: ARG002  (a parameter of every VendorApi's)
    ) -> bool:
        """Whether Checkout.com sends a webhook for this kind of event."""
        return kind in events.TYPES

    def webhook(self, event: Event, path: str, secret: str, sent_s: int) -> HttpRequest:
        """The signed webhook that reports an event."""
        return events.webhook(event, path, secret, sent_s, self._account)

    def name_of(self, reference: str) -> str:
        """The id of an authorisation, as the dashboard shows it."""
        return payment_id(reference)

    @staticmethod
    def classify(response: HttpResponse) -> Reply:
        """A 201 may be a decline, and a 202 an authentication that is still open."""
        body = _decoded(response)
        if response.status >= 400:
            codes = body.get("error_codes") if isinstance(body, dict) else None
            is_repeat = codes == [errors.DUPLICATE]
            proves = response.status in _NOT_EXECUTED and not is_repeat
            result = HopResult.REJECTED if proves else HopResult.HTTP_ERROR
            return Reply(result, str(response.status))
        if response.headers.get("content-type") == EDGE_PAGE or response.status >= 300:
            return Reply(HopResult.APPROVED)
        if isinstance(body, list):
            return Reply(HopResult.APPROVED)
        if not isinstance(body, dict):
            return Reply(HopResult.MALFORMED)
        if response.status == _RECEIVED and "approved" not in body and "status" not in body:
            return Reply(HopResult.APPROVED, RECEIVED)
        return _of_payment(body)

    @staticmethod
    def secret(seed: str) -> str:
        """A webhook's signature key, in the form of a UUID."""
        digits = hashlib.sha256(f"checkout {seed}".encode()).hexdigest()
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"


def _decoded(response: HttpResponse) -> Any:
    try:
        return decoded(response.body) if response.body else {}
    except msgspec.MsgspecError:
        return None


def _of_payment(body: dict[str, Any]) -> Reply:
    if body.get("status") == "Pending":
        return Reply(HopResult.UNKNOWN)
    code = str(body.get("response_code", ""))
    if body.get("approved") is not False:
        return Reply(HopResult.APPROVED, code)
    known = responses().get(code)
    is_technical = known is not None and known.kind == "technical"
    return Reply(HopResult.TECHNICAL if is_technical else HopResult.DECLINED, code)
