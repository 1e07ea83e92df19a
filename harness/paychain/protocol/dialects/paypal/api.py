"""PayPal's API in front of a mock link: which path does what, and what an answer proves."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import msgspec

from paychain.payments.outcome import HopResult
from paychain.protocol.dialects.paypal import (
    approval,
    errors,
    orders,
    patching,
    payments,
    tracking,
    vault,
    webhooks,
)
from paychain.protocol.dialects.paypal.account import AT_ONCE, HOSTS, NEVER, ON_PAGE, Account
from paychain.protocol.dialects.paypal.errors import Invalid, error_response, refusal
from paychain.protocol.dialects.paypal.records import AUTHORIZE, CAPTURE
from paychain.protocol.dialects.paypal.tables import TECHNICAL
from paychain.protocol.json_text import decoded
from paychain.protocol.message import Error, Event, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.protocol.vendor import Backend, VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_pages import base_of
from paychain.protocol.vendor_routes import Routes
from paychain.wire.http import HttpRequest, HttpResponse, json_response

MOCK = "paypal-mock-response"
ACCESS = "v1/oauth2/token"
CLIENT_TOKEN_S = 3_600
TOKEN_S = 32_400  # how long a token is valid (developer.paypal.com: authentication)
Handler = Callable[..., Awaitable[HttpResponse]]  # call, account, the values in the path


async def _client_token(call: VendorCall, _account: Account) -> HttpResponse:
    """`POST /v1/identity/generate-token`: what the front end begins with; none is behind it."""
    await execute_nothing(call)
    return json_response(200, {"client_token": "cGF5Y2hhaW4=", "expires_in": CLIENT_TOKEN_S})


_KINDS = {"authorizations": "a", "captures": "c", "refunds": "r"}
_PLANS: dict[tuple[str, str], payments.Plan] = {
    ("authorizations", "capture"): payments.capture,
    ("authorizations", "void"): payments.void,
    ("authorizations", "reauthorize"): payments.reauthorize,
    ("captures", "refund"): payments.refund,
}
_PAGES = {approval.PAGE: approval.visit, vault.PAGE: vault.visit}
_ORDER = f"{orders.PATH}/{{id}}"
_ROUTES = Routes[Handler](
    {
        f"POST {orders.PATH}": orders.create,
        f"GET {_ORDER}": orders.show,
        f"PATCH {_ORDER}": patching.patch,
        f"POST {_ORDER}/track": tracking.track,
        f"PATCH {_ORDER}/trackers/{{tracker}}": tracking.update,
        f"POST {_ORDER}/confirm-payment-source": orders.confirm,
        f"POST {_ORDER}/capture": partial(orders.pay, CAPTURE),
        f"POST {_ORDER}/authorize": partial(orders.pay, AUTHORIZE),
        **{
            f"GET {payments.PATH}/{kind}/{{id}}": partial(payments.show, letter)
            for kind, letter in _KINDS.items()
        },
        **{
            f"POST {payments.PATH}/{kind}/{{id}}/{what}": partial(
                payments.follow, _KINDS[kind], plan
            )
            for (kind, what), plan in _PLANS.items()
        },
        **vault.HANDLERS,
        "POST v1/notifications/verify-webhook-signature": webhooks.verify,
        "POST v1/identity/generate-token": _client_token,
    }
)
# Statuses with which PayPal proves that it did nothing.
_NOT_EXECUTED = frozenset({400, 401, 403, 404, 409, 422, 429})
_OPEN = "PREVIOUS_REQUEST_IN_PROGRESS"  # refuses a repeat: proves nothing about the first request
_DECLINED = "INSTRUMENT_DECLINED"


class PayPal:
    """Orders v2 and Payments v2, with the token that they require.

    Setting: `approval` is `at_once`, where payers approve their orders as soon as anybody reads
    them, `on_page`, where they do so on PayPal's page, or `never`.
    """

    idempotency: ClassVar[str] = "paypal"
    shows_latest_state: ClassVar[bool] = True
    is_verified_by_api: ClassVar[bool] = True
    settings: ClassVar[tuple[str, ...]] = ("approval",)
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"approval": (AT_ONCE, ON_PAGE, NEVER)}
    signs_time: ClassVar[bool] = True
    webhook_timeout_s: ClassVar[float] = 30.0  # developer.paypal.com, webhooks; M
    endpoints: ClassVar[tuple[str, ...]] = (
        *_ROUTES.names,
        f"POST {ACCESS}",
    )
    pages: ClassVar[tuple[str, ...]] = tuple(f"/{page}" for page in _PAGES)
    hosts: ClassVar[tuple[str, ...]] = HOSTS

    def __init__(self, backend: Backend, settings: Mapping[str, Any]) -> None:
        self._account = Account.of(backend, settings)

    async def handle(self, call: VendorCall) -> HttpResponse:
        """Answer one request."""
        headers = call.http.headers
        path = call.http.target.partition("?")[0].strip("/")
        if path == ACCESS:
            return await _token(call, self._account)
        page = _PAGES.get(path)
        if page is None and not headers.get("authorization", "").startswith("Bearer "):
            return _invalid_token()
        mock = headers.get(MOCK, "")
        try:
            if mock:
                raise Invalid(_wanted(mock))
            account = self._account.at(base_of(call.http, HOSTS))
            work = page(call, account) if page is not None else _work(call, account, path)
            if work is None:
                call.not_served()
                raise Invalid("INVALID_RESOURCE_ID")
            return await work
        except Invalid as refused:
            # The refused request did reach the link, so faults apply to it; its key stays unused.
            await execute_nothing(call)
            if refused.issue in errors.INTERNAL:
                return error_response(500)
            return refusal(refused.issue, refused.field, refused.value)

    def key(self, http: HttpRequest) -> str:
        """The idempotency key of a request, "" when it has none."""
        return self._account.key(http)

    def error(self, error: Error) -> HttpResponse:
        """An error of the link or an injected one, in PayPal's format."""
        return errors.of_link(error)

    def mark_replayed(self, response: HttpResponse) -> HttpResponse:
        """PayPal answers a repeat with the current state and does not mark it."""
        return response

    def name_of(self, reference: str) -> str:
        """The id of a payment, as the dashboard shows it."""
        return self._account.registry.name_of(reference)

    def reports(self, kind: str, request: PaymentRequest) -> bool:
        """Whether PayPal sends a webhook for this kind of event."""
        return webhooks.reports(kind, request, self._account)

    def events(self, kind: str, request: PaymentRequest) -> tuple[str, ...]:
        """The webhooks about one outcome: one for each purchase unit that was captured."""
        return webhooks.events(kind, request, self._account)

    def webhook(self, event: Event, path: str, secret: str, sent_s: int) -> HttpRequest:
        """The webhook about an event. `secret`: the webhook's id."""
        return webhooks.notification(event, path, secret, sent_s, self._account)

    @staticmethod
    def classify(response: HttpResponse) -> Reply:
        """A declined card is 201, too: the payment in the order has the outcome."""
        if response.status == 204:
            return Reply(HopResult.APPROVED)
        try:
            body = decoded(response.body)
        except msgspec.MsgspecError:
            body = None
        if response.status >= 400:
            return _of_error(response.status, body)
        if not isinstance(body, dict):
            return Reply(HopResult.MALFORMED)
        return _of_payment(body)

    @staticmethod
    def secret(seed: str) -> str:
        """A webhook's id: 17 digits and letters."""
        return hashlib.sha256(f"paypal {seed}".encode()).hexdigest()[:17].upper()


def _work(call: VendorCall, account: Account, path: str) -> Awaitable[HttpResponse] | None:
    """What executes requests for a path; None for a path that is not served."""
    found = _ROUTES.find(call.http.method, path.split("/"))
    if found is None:
        return None
    handler, names = found
    return handler(call, account, *names)


def _of_error(status: int, body: Any) -> Reply:
    details = body.get("details") if isinstance(body, dict) else None
    first = details[0] if isinstance(details, list) and details else {}
    issue = str(first.get("issue", "")) if isinstance(first, dict) else ""
    if issue == _DECLINED:
        return Reply(HopResult.DECLINED, issue)
    proves = status in _NOT_EXECUTED and issue != _OPEN
    return Reply(HopResult.REJECTED if proves else HopResult.HTTP_ERROR, issue or str(status))


def _of_payment(body: dict[str, Any]) -> Reply:
    units = body.get("purchase_units")
    paid = units[0].get("payments", {}) if isinstance(units, list) and units else {}
    payment = next(
        (each[-1] for each in (paid.get("captures"), paid.get("authorizations")) if each), body
    )
    code = str(payment.get("processor_response", {}).get("response_code", ""))
    match payment.get("status"):
        case "DECLINED" | "DENIED" | "FAILED":
            return Reply(HopResult.TECHNICAL if code in TECHNICAL else HopResult.DECLINED, code)
        case "PENDING":
            return Reply(HopResult.UNKNOWN, "PENDING")
    return Reply(HopResult.APPROVED, code)


def _wanted(header: str) -> str:
    """The issue that a test requests with PayPal-Mock-Response. Raises Invalid."""
    try:
        wanted = decoded(header)
    except msgspec.MsgspecError:
        raise Invalid("INVALID_PARAMETER_SYNTAX") from None
    code = wanted.get("mock_application_codes") if isinstance(wanted, dict) else None
    if not isinstance(code, str) or not code:
        raise Invalid("INVALID_PARAMETER_SYNTAX")
    return code


def _invalid_token() -> HttpResponse:
    """Without a token the request has not reached the API."""
    return json_response(
        401, {"error": "invalid_token", "error_description": "Token signature verification failed"}
    )


async def _token(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /v1/oauth2/token`, of any client."""
    if not call.http.headers.get("authorization", "").startswith("Basic "):
        description = "Client Authentication failed"
        return json_response(401, {"error": "invalid_client", "error_description": description})
    await execute_nothing(call)
    client = call.http.headers["authorization"]
    token = hashlib.sha256(f"{client} {account.backend.now_s()}".encode()).hexdigest()
    return json_response(
        200,
        {
            "scope": "https://uri.paypal.com/services/payments/payment/authcapture",
            "access_token": f"A21AA{token}",
            "token_type": "Bearer",
            "app_id": "APP-80W284485P519543T",
            "expires_in": TOKEN_S,
            "nonce": f"{account.backend.now_s()}paychain",
        },
    )
