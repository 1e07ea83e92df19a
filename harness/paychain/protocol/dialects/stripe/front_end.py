"""What a shop's server fetches for its front end: account, ephemeral keys, customer sessions.

No front end is behind the mock, so that nothing can be done with a key or a client secret.
"""

from __future__ import annotations

from collections.abc import Callable

from paychain.protocol.dialects.stripe import confirmation_tokens
from paychain.protocol.dialects.stripe.account import Account, Plan, RoutedRequest
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.errors import invalid
from paychain.protocol.dialects.stripe.ids import opaque
from paychain.protocol.dialects.stripe.parameters import mapping, required

_KEY_S = 3_600  # how long an ephemeral key is valid
_SESSION_S = 1_800
_COMPONENTS = ("customer_sheet", "mobile_payment_element", "payment_element")
# They are on or off, and have no features.
_WITHOUT_FEATURES = ("active_entitlements", "buy_button", "customer_portal", "pricing_table")


def account_shown(account: Account, _asked: RoutedRequest) -> Plan:
    """`GET /v1/account`."""
    name, currency = opaque("acct", account.backend.link, 16), account.backend.currency.lower()
    shown: Shown = {
        "id": name,
        "object": "account",
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": "IE",
        "default_currency": currency,
        "details_submitted": True,
        "email": "shop@example.com",
        "payouts_enabled": True,
        "type": "standard",
    }
    return account.looked_up(lambda: shown)


def create_key(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/ephemeral_keys`, of a customer. Raises Invalid."""
    required(asked.given, "customer")
    account.customer_asked(asked.given)
    if "stripe-version" not in asked.call.http.headers:
        raise invalid(
            "When creating an ephemeral key, a Stripe-Version header must be explicitly provided."
        )
    name, now_s = account.new_id("ephkey"), account.backend.now_s()
    return account.looked_up(
        lambda: {
            "id": name,
            "object": "ephemeral_key",
            "created": now_s,
            "expires": now_s + _KEY_S,
            "livemode": False,
            "secret": f"ek_test_{name.partition('_')[2]}",
        }
    )


def delete_key(account: Account, asked: RoutedRequest) -> Plan:
    """`DELETE /v1/ephemeral_keys/{key}`: nothing knows it afterwards, as nothing did before."""
    name, now_s = asked.names[0], account.backend.now_s()
    shown = {"id": name, "object": "ephemeral_key", "created": now_s, "expires": now_s}
    return account.looked_up(lambda: {**shown, "livemode": False})


def create_session(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/customer_sessions`. Raises Invalid."""
    for name in ("components", "customer"):
        required(asked.given, name)
    customer, wanted = account.customer_asked(asked.given), mapping(asked.given, "components")
    name, now_s = account.new_id("cuss"), account.backend.now_s()
    components: Shown = {each: {"enabled": False, "features": None} for each in _COMPONENTS}
    components |= {each: {"enabled": False} for each in _WITHOUT_FEATURES}
    for each, given in wanted.items():
        if each not in components or not isinstance(given, dict):
            raise invalid(f"Received unknown parameter: components[{each}]", param="components")
        components[each]["enabled"] = given.get("enabled") == "true"
        if given.get("features"):
            asked.call.ignored(f"components[{each}][features]")
    return account.looked_up(
        lambda: {
            "object": "customer_session",
            "client_secret": f"{name}_secret",
            "components": components,
            "created": now_s,
            "customer": customer,
            "customer_account": None,
            "expires_at": now_s + _SESSION_S,
            "livemode": False,
        }
    )


HANDLERS: dict[str, Callable[[Account, RoutedRequest], Plan]] = {
    **confirmation_tokens.HANDLERS,
    "GET /v1/account": account_shown,
    "POST /v1/ephemeral_keys": create_key,
    "DELETE /v1/ephemeral_keys/{key}": delete_key,
    "POST /v1/customer_sessions": create_session,
}
