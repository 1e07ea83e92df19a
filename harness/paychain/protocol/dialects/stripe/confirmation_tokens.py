"""Confirmation tokens: what a front end has collected, for the server to confirm an intent with.

The front end's own are not simulated. In place of one stands any name of a test card, or a token
of ours, as for `payment_method`, or what `/v1/test_helpers/confirmation_tokens` has made. What that
has made pays one intent, also where its payment method is a customer's and may pay others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from paychain.protocol.dialects.stripe.account import Account, Plan, RoutedRequest
from paychain.protocol.dialects.stripe.cards import ConfirmationToken, Method
from paychain.protocol.dialects.stripe.details import Shown, address
from paychain.protocol.dialects.stripe.errors import invalid, missing
from paychain.protocol.dialects.stripe.parameters import mapping, text

TOKEN = "confirmation_token"  # noqa: S105  (a parameter's name)
_LASTS_S = 43_200
_METHOD = ("payment_method", "payment_method_data")
_BROUGHT = (*_METHOD, "return_url", "setup_future_usage", "shipping")
_NOT_PREVIEWED = ("id", "object", "created", "livemode", "metadata")


def filled(account: Account, given: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a request with what its token brings along. Raises Invalid."""
    name = text(given, TOKEN)
    if not name:
        return given
    if any(given.get(each) for each in _METHOD):
        raise invalid(f"You cannot provide a payment method together with a {TOKEN}.", param=TOKEN)
    token = account.confirmation_tokens.get(name)
    if token is None and name.startswith("ctoken_"):
        raise missing(TOKEN, name, TOKEN)
    if token is None:
        return {"payment_method": name, **given}
    brought = {each: value for each, value in token.given.items() if each not in _METHOD}
    return {**brought, "payment_method": token.method.id, **given}


def create(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/test_helpers/confirmation_tokens`. Raises Invalid."""
    given = {name: asked.given[name] for name in _BROUGHT if asked.given.get(name)}
    name, now_s = account.new_id("ctoken"), account.backend.now_s()
    method = _method(account, given)
    token = ConfirmationToken(given=given, method=method, created_s=now_s)

    def keep() -> None:
        account.confirmation_tokens[name] = token
        account.keep_method(method)

    return account.looked_up(lambda: _shown(account, name, token), change=keep)


def retrieve(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/confirmation_tokens/{confirmation_token}`."""
    name = asked.names[0]
    token = account.confirmation_tokens.get(name)
    if token is None:
        raise missing(TOKEN, name)
    return account.looked_up(lambda: _shown(account, name, token))


HANDLERS: dict[str, Callable[[Account, RoutedRequest], Plan]] = {
    "POST /v1/test_helpers/confirmation_tokens": create,
    "GET /v1/confirmation_tokens/{confirmation_token}": retrieve,
}


def _method(account: Account, given: dict[str, Any]) -> Method:
    if not any(given.get(each) for each in _METHOD):
        given["payment_method_data"] = {"card": {"token": "tok_visa"}}
    method = account.method_given(given, partial(account.new_id, "pm"))
    assert method is not None  # the request has one now
    return method


def _shown(account: Account, name: str, token: ConfirmationToken) -> Shown:
    given, created_s = token.given, token.created_s
    payer = account.intents.of(token.used_by)
    method = account.objects.method(token.method)
    return {
        "id": name,
        "object": TOKEN,
        "created": created_s,
        "expires_at": created_s + _LASTS_S,
        "livemode": False,
        "mandate_data": None,
        "metadata": {},
        "payment_intent": payer.id if payer is not None else None,
        "payment_method_options": None,
        "payment_method_preview": {
            each: value for each, value in method.items() if each not in _NOT_PREVIEWED
        },
        "return_url": given.get("return_url"),
        "setup_future_usage": given.get("setup_future_usage"),
        "setup_intent": None,
        "shipping": _shipping(mapping(given, "shipping")),
        "use_stripe_sdk": True,
    }


def _shipping(given: dict[str, Any]) -> Shown | None:
    if not given:
        return None
    to = address(given.get("address") or {})
    return {"address": to, "name": given.get("name", ""), "phone": given.get("phone")}
