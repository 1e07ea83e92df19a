"""Setup intents as Stripe's API shows them.

Source: the fixtures and the description in Stripe's stripe-mock v0.203.0 (2026-08-26.dahlia).
"""

from __future__ import annotations

from paychain.protocol.dialects.stripe.account import Account
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.ids import opaque
from paychain.protocol.dialects.stripe.records import REQUIRES_ACTION, Setup

PAGE = "/3d_secure_2/setup/"
USAGES = ("off_session", "on_session")


def secret_of(setup: Setup) -> str:
    """Its client secret."""
    return f"{setup.id}_{opaque('secret', setup.id)}"


def shown_of(account: Account, setup: Setup) -> Shown:
    """A setup intent with every field of Stripe's fixture."""
    fields, status = setup.fields, setup.status
    return {
        "id": setup.id,
        "object": "setup_intent",
        "allowed_payment_method_types": None,
        "application": None,
        "automatic_payment_methods": fields.get("automatic_payment_methods"),
        "cancellation_reason": setup.cancellation_reason or None,
        "client_secret": secret_of(setup),
        "created": setup.created_s,
        "customer": setup.customer or None,
        "customer_account": None,
        "description": fields.get("description"),
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": setup.error,
        "latest_attempt": None,
        "livemode": False,
        "managed_payments": None,
        "mandate": None,
        "metadata": fields.get("metadata", {}),
        "next_action": _next_action(account, setup) if status == REQUIRES_ACTION else None,
        "on_behalf_of": None,
        "payment_method": setup.method.id if setup.method is not None else None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": fields.get("payment_method_types", ["card"]),
        "single_use_mandate": None,
        "status": status,
        "usage": fields.get("usage", USAGES[0]),
    }


def _next_action(account: Account, setup: Setup) -> Shown:
    url = f"{account.objects.base}{PAGE}{setup.id}"
    if not setup.return_url:
        return {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {
                "type": "three_d_secure_redirect",
                "stripe_js": url,
                "source": opaque("payatt", setup.id),
            },
        }
    return {
        "type": "redirect_to_url",
        "redirect_to_url": {"return_url": setup.return_url, "url": url},
    }
