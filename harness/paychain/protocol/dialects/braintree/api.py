"""Braintree's server API in front of a mock link: which path does what, what an answer proves."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import msgspec

from paychain.payments.outcome import HopResult
from paychain.protocol.dialects.braintree import (
    errors,
    followups,
    graphql,
    graphql_objects,
    nonces,
    sales,
    search,
    vault,
    vault_search,
    webhooks,
)
from paychain.protocol.dialects.braintree.account import (
    AT_ONCE,
    BATCH,
    IGNORE,
    PUBLIC_KEY,
    SIMULATE,
    Account,
    inside,
    text,
)
from paychain.protocol.dialects.braintree.documents import Unreadable, read
from paychain.protocol.dialects.braintree.errors import Invalid, NotFound, plain, validation_error
from paychain.protocol.dialects.braintree.objects import FAILED, REJECTED
from paychain.protocol.json_text import decoded
from paychain.protocol.message import Error, Event, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.protocol.vendor import Backend, VendorCall
from paychain.protocol.vendor_ids import encode
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_routes import Routes
from paychain.wire.http import HttpRequest, HttpResponse

Handler = Callable[..., Awaitable[HttpResponse]]  # call, account, what stands in the path
_BASE = "merchants/{merchant}/"
_PLANS: dict[str, followups.Plan] = {
    "PUT transactions/{id}/submit_for_settlement": followups.submit,
    "POST transactions/{id}/submit_for_partial_settlement": followups.submit_partially,
    "PUT transactions/{id}/void": followups.void,
    "POST transactions/{id}/refund": followups.refund,
    "POST transactions/{id}/reverse": followups.reverse,
}


async def _client_token(call: VendorCall, _account: Account) -> HttpResponse:
    """`POST /client_token`: what the front end begins with. No front end is behind it."""
    await execute_nothing(call)
    return errors.document(201, "client_token", {"value": "cGF5Y2hhaW4="})


_ROUTES = Routes[Handler](
    {
        "POST transactions": sales.create,
        "POST transactions/advanced_search_ids": search.ids,
        "POST transactions/advanced_search": search.transactions,
        "GET transactions/{id}": followups.find,
        "GET transactions/{id}/line_items": followups.line_items,
        "PUT transactions/{id}/settle": followups.settle,
        **{name: partial(followups.follow, plan) for name, plan in _PLANS.items()},
        **vault.HANDLERS,
        **vault_search.HANDLERS,
        **nonces.HANDLERS,
        "POST client_token": _client_token,
    }
)
# Statuses by which Braintree proves that it did nothing.
_NOT_EXECUTED = frozenset({400, 401, 403, 404, 426, 429})
_IN_FLIGHT = "915233"  # answers a repeat, and proves nothing about the first request
_SERVER_ERROR = "915235"
_OF_STATUS = {
    "AUTHORIZING": HopResult.UNKNOWN,
    "PROCESSOR_DECLINED": HopResult.DECLINED,
    "GATEWAY_REJECTED": HopResult.DECLINED,
    "FAILED": HopResult.TECHNICAL,
}


class Braintree:
    """The API that the server SDKs call: XML or JSON requests, XML answers.

    Settings: `merchant_id` is the only merchant (default: any); `currency` is that of its merchant
    account (default: the chain's); `settlement` is `batch`, where only the sandbox's own path
    settles during a run, or `at_once`; `test_amounts` is `ignore`, or `simulate`, where 2000.00 is
    declined as in the sandbox; `public_key` names the key of webhooks.
    """

    idempotency: ClassVar[str] = "braintree"
    is_secret_of_api: ClassVar[bool] = True
    shows_latest_state: ClassVar[bool] = True
    settings: ClassVar[tuple[str, ...]] = (
        "merchant_id",
        "currency",
        "settlement",
        "test_amounts",
        "public_key",
    )
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "settlement": (BATCH, AT_ONCE),
        "test_amounts": (IGNORE, SIMULATE),
    }
    webhook_hint: ClassVar[str] = (
        f"the gateway's public key must be '{PUBLIC_KEY}', which signs these webhooks"
    )
    signs_time: ClassVar[bool] = False
    webhook_timeout_s: ClassVar[float] = 30.0  # developer.paypal.com/braintree/docs, webhooks; M
    endpoints: ClassVar[tuple[str, ...]] = (
        *(name.replace(" ", f" {_BASE}") for name in _ROUTES.names),
        f"POST {graphql.PATH}",
    )
    hosts: ClassVar[tuple[str, ...]] = ("*.braintreegateway.com", "*.braintree-api.com")

    def __init__(self, backend: Backend, settings: Mapping[str, Any]) -> None:
        self._account = Account.of(backend, settings)

    async def handle(self, call: VendorCall) -> HttpResponse:
        """Answer one request."""
        account, http = self._account, call.http
        if not http.headers.get("authorization"):
            return plain(401)
        key = account.known_key(http)
        try:
            if account.registry.has_failed(key):
                raise Invalid("key_failed")
            work = self._work(call)
            if work is None:
                call.not_served()
                raise NotFound
            return await work
        except Unreadable:
            refusal = plain(400)
        except NotFound:
            refusal = plain(404)
        except Invalid as invalid:
            account.registry.fail(key)
            refusal = validation_error(invalid.name)
        # The refused request did reach the link, so faults apply to it.
        await execute_nothing(call)
        return refusal

    def _work(self, call: VendorCall) -> Awaitable[HttpResponse] | None:
        """The work that a path asks for; None for a path that is not served."""
        account, method = self._account, call.http.method
        path = call.http.target.partition("?")[0].strip("/").split("/")
        if (method, path) == ("POST", [graphql.PATH]):
            return graphql.answer(call, account)
        if len(path) < 3 or path[0] != "merchants":
            return None
        if account.merchant_id and path[1] != account.merchant_id:
            return None
        found = _ROUTES.find(method, path[2:])
        if found is None:
            return None
        handler, names = found
        return handler(call, account, *names)

    def key(self, http: HttpRequest) -> str:
        """The idempotency key of a request, "" when it has none."""
        return self._account.key(http)

    def error(self, error: Error) -> HttpResponse:
        """An error of the link or an injected one, in Braintree's format."""
        return errors.of_link(error)

    def mark_replayed(self, response: HttpResponse) -> HttpResponse:
        """Braintree answers a repeat with the current state and does not mark it."""
        return response

    def name_of(self, reference: str) -> str:
        """The id of a transaction, as the control panel shows it."""
        return encode(reference)

    def reports(self, kind: str, request: PaymentRequest) -> bool:  # noqa: ARG002  (a parameter of every VendorApi's)
        """Whether Braintree sends a webhook for this kind of event."""
        return webhooks.reports(kind, self._account)

    def webhook(self, event: Event, path: str, secret: str, sent_s: int) -> HttpRequest:
        """The notification of an event, signed."""
        return webhooks.notification(event, path, secret, sent_s, self._account)

    @staticmethod
    def classify(response: HttpResponse) -> Reply:
        """2xx is an approval; 422 is a decline if it has a transaction, else nothing was done."""
        status = response.status
        if status >= 400 and status != errors.INVALID:
            result = HopResult.REJECTED if status in _NOT_EXECUTED else HopResult.HTTP_ERROR
            return Reply(result, str(status))
        if "json" in response.headers.get("content-type", ""):
            return _of_graphql(response.body)
        try:
            answered = read(response.body, errors.XML, is_own=True)
        except Unreadable:
            return Reply(HopResult.MALFORMED)
        if status == errors.INVALID:
            return _of_refusal(answered)
        transaction = answered.get("transaction")
        if isinstance(transaction, dict) and transaction.get("status") == "authorizing":
            return Reply(HopResult.UNKNOWN, "authorizing")
        code = transaction.get("processor_response_code") if isinstance(transaction, dict) else ""
        return Reply(HopResult.APPROVED, str(code or ""))

    @staticmethod
    def secret(seed: str) -> str:
        """A private key: 32 hex digits."""
        return hashlib.sha256(f"braintree {seed}".encode()).hexdigest()[:32]


def _of_graphql(body: bytes) -> Reply:
    """What an answer of GraphQL says, as far as its status was asked for."""
    try:
        answered = decoded(body)
    except msgspec.MsgspecError:
        return Reply(HopResult.MALFORMED)
    if not isinstance(answered, dict):
        return Reply(HopResult.MALFORMED)
    if isinstance(errors_of := answered.get("errors"), list) and errors_of:
        code = errors.first_error(_legacy(errors_of))[0]
        is_open = code in (_IN_FLIGHT, _SERVER_ERROR)
        return Reply(HopResult.HTTP_ERROR if is_open else HopResult.REJECTED, code)
    data = answered.get("data")
    # Neither an error nor what was asked for: that proves nothing.
    if not isinstance(data, dict) or all(each is None for each in data.values()):
        return Reply(HopResult.MALFORMED)
    return Reply(_OF_STATUS.get(graphql_objects.status_in(data), HopResult.APPROVED), "")


def _legacy(found: list[Any]) -> list[dict[str, str]]:
    """The validation errors as the other API has them."""
    extensions = [inside(each, "extensions") for each in found if isinstance(each, dict)]
    return [{"code": text(each, "legacyCode")} for each in extensions]


def _of_refusal(answered: dict[str, Any]) -> Reply:
    refusal = answered.get("api_error_response")
    if not isinstance(refusal, dict):
        return Reply(HopResult.MALFORMED)
    transaction = refusal.get("transaction")
    if isinstance(transaction, dict):
        code = str(transaction.get("processor_response_code") or "")
        match transaction.get("status"):
            case status if status == FAILED:
                return Reply(HopResult.TECHNICAL, code)
            case status if status == REJECTED:
                return Reply(HopResult.DECLINED, str(transaction["gateway_rejection_reason"]))
        return Reply(HopResult.DECLINED, code)
    code = errors.first_error(refusal.get("errors"))[0]
    is_open = code in (_IN_FLIGHT, _SERVER_ERROR)
    return Reply(HopResult.HTTP_ERROR if is_open else HopResult.REJECTED, code or "422")
