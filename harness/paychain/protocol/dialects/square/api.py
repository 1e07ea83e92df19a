"""Square's API in front of a mock link: which path does what, and what an answer proves."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

import msgspec

from paychain.payments.outcome import HopResult
from paychain.protocol.dialects.square import (
    errors,
    events,
    links,
    locations,
    orders,
    payments,
    refunds,
    vault,
)
from paychain.protocol.dialects.square.account import CANCEL_BY_KEY, HOSTS, Account, payment_id
from paychain.protocol.dialects.square.errors import Invalid, failure
from paychain.protocol.json_text import decoded
from paychain.protocol.message import Error, Event, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.protocol.vendor import Backend, VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_pages import data_in
from paychain.protocol.vendor_routes import Routes
from paychain.wire.http import HttpRequest, HttpResponse

Handler = Callable[..., Awaitable[HttpResponse]]  # call, account, what stands in the path
_ROUTES = Routes[Handler](
    {
        "POST v2/payments": payments.create,
        "GET v2/payments": payments.list_payments,
        f"POST {CANCEL_BY_KEY}": payments.cancel_by_key,
        "GET v2/payments/{id}": payments.show,
        "PUT v2/payments/{id}": payments.update,
        "POST v2/payments/{id}/complete": payments.complete,
        "POST v2/payments/{id}/cancel": payments.cancel,
        "POST v2/refunds": refunds.create,
        "GET v2/refunds": refunds.list_refunds,
        "GET v2/refunds/{id}": refunds.show,
        f"POST {links.PATH}": links.create,
        f"GET {links.PATH}": links.list_links,
        f"GET {links.PATH}/{{id}}": links.show,
        f"DELETE {links.PATH}/{{id}}": links.delete,
        f"POST {orders.PATH}": orders.create,
        f"POST {orders.PATH}/batch-retrieve": orders.retrieve,
        f"POST {orders.PATH}/calculate": orders.calculate,
        f"POST {orders.PATH}/search": orders.search,
        f"GET {orders.PATH}/{{id}}": orders.show,
        f"PUT {orders.PATH}/{{id}}": orders.update,
        f"POST {orders.PATH}/{{id}}/pay": orders.pay,
        f"GET {locations.PATH}": locations.listed,
        f"GET {locations.PATH}/{{id}}": locations.show,
        f"POST {vault.CUSTOMERS}": vault.create_customer,
        f"GET {vault.CUSTOMERS}": vault.list_customers,
        f"POST {vault.CUSTOMERS}/search": vault.search_customers,
        f"GET {vault.CUSTOMERS}/{{id}}": vault.show_customer,
        f"PUT {vault.CUSTOMERS}/{{id}}": vault.update_customer,
        f"DELETE {vault.CUSTOMERS}/{{id}}": vault.delete_customer,
        f"POST {vault.CARDS}": vault.create_card,
        f"GET {vault.CARDS}": vault.list_cards,
        f"GET {vault.CARDS}/{{id}}": vault.show_card,
        f"POST {vault.CARDS}/{{id}}/disable": vault.disable_card,
    }
)
# Statuses by which it proves that it did nothing.
_NOT_EXECUTED = frozenset({400, 401, 403, 404, 429})
_STATES = {"FAILED": HopResult.DECLINED, "PENDING": HopResult.UNKNOWN}


class Square:
    """The Payments and Refunds API.

    Settings: `location` is the id of the only location; `notification_url` is the URL for which
    webhooks are signed: without it, the path they are sent to.
    """

    idempotency: ClassVar[str] = "square"
    shows_latest_state: ClassVar[bool] = True  # a repeated key returns its payment
    settings: ClassVar[tuple[str, ...]] = ("location", "notification_url")
    signs_time: ClassVar[bool] = False
    webhook_timeout_s: ClassVar[float] = 10.0  # developer.squareup.com, webhooks; M
    endpoints: ClassVar[tuple[str, ...]] = _ROUTES.names
    pages: ClassVar[tuple[str, ...]] = (f"{links.PAGE}{{id}}",)
    hosts: ClassVar[tuple[str, ...]] = HOSTS

    def __init__(self, backend: Backend, settings: Mapping[str, Any]) -> None:
        self._account = Account.of(backend, settings)

    async def handle(self, call: VendorCall) -> HttpResponse:
        """Answer one request."""
        try:
            if call.http.target.startswith(links.PAGE):
                return await links.visit(call, self._account)
            if not call.http.headers.get("authorization"):
                raise Invalid("unauthorised")
            return await self._work(call)
        except Invalid as invalid:
            # The refused request did reach the link, so faults apply to it; its key stays unused.
            await execute_nothing(call)
            return failure(invalid.name, field=invalid.field, what=invalid.what)

    def _work(self, call: VendorCall) -> Awaitable[HttpResponse]:
        """Route a request to its handler. Raises Invalid for a path that is not served."""
        method, path = call.http.method, call.http.target.partition("?")[0].strip("/")
        found = _ROUTES.find(method, path.split("/"))
        if found is None:
            call.not_served()
            raise Invalid("no_resource")
        handler, names = found
        return handler(call, self._account, *names)

    def key(self, http: HttpRequest) -> str:
        """The idempotency key of a request, "" when it has none. A page pays under its own keys."""
        if http.target.startswith(links.PAGE):
            return links.key_of(self._account, http.target)
        return self._account.key(http)

    def error(self, error: Error) -> HttpResponse:
        """An error of the link or an injected one, in Square's format."""
        return errors.of_link(error)

    def mark_replayed(self, response: HttpResponse) -> HttpResponse:
        """Square does not mark replayed responses."""
        return response

    def reports(
        self,
        kind: str,
        request: PaymentRequest,  # noqa: ARG002  (a parameter of every VendorApi's)
    ) -> bool:
        """Whether Square sends a webhook for this kind of event."""
        return kind in events.TYPES

    def webhook(self, event: Event, path: str, secret: str, sent_s: int) -> HttpRequest:
        """The signed webhook that reports an event."""
        return events.webhook(event, path, secret, sent_s, self._account)

    def name_of(self, reference: str) -> str:
        """The id of an authorisation, as the dashboard shows it."""
        return payment_id(reference)

    @staticmethod
    def classify(response: HttpResponse) -> Reply:
        """Every decline is a 402; the code in its body says why."""
        try:
            body = decoded(data_in(response.body)) if response.body else {}
        except msgspec.MsgspecError:
            body = None
        if response.status == 402:
            return Reply(HopResult.DECLINED, _code(body))
        if response.status >= 400:
            proves = response.status in _NOT_EXECUTED
            result = HopResult.REJECTED if proves else HopResult.HTTP_ERROR
            return Reply(result, str(response.status))
        if not isinstance(body, dict):
            return Reply(HopResult.MALFORMED)
        payment = body.get("payment")
        state = payment.get("status") if isinstance(payment, dict) else ""
        return Reply(_STATES.get(str(state), HopResult.APPROVED))

    @staticmethod
    def secret(seed: str) -> str:
        """A webhook's signature key: 16 bytes in base64, like Square's."""
        digest = hashlib.sha256(f"square {seed}".encode()).digest()[:16]
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _code(body: Any) -> str:
    named = body.get("errors") if isinstance(body, dict) else None
    return str(named[0].get("code", "")) if named else ""
