"""Parts of Stripe's objects: a card's details, the outcome of a charge, an address."""

from __future__ import annotations

from typing import Any

from paychain.protocol.dialects.stripe.cards import Method
from paychain.protocol.dialects.stripe.ids import opaque
from paychain.protocol.dialects.stripe.records import Charge, Intent

Shown = dict[str, Any]
_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def address(given: Any) -> Shown | None:
    """An address with all of its lines, None when there is none."""
    if not isinstance(given, dict):
        return None
    return {name: given.get(name) for name in _ADDRESS}


def billing(given: Shown) -> Shown:
    """The billing details of a payment method."""
    return {
        "address": address(given.get("address") or {}),
        "email": given.get("email"),
        "name": given.get("name"),
        "phone": given.get("phone"),
        "tax_id": given.get("tax_id"),
    }


def checks(method: Method) -> Shown:
    """The issuer's checks of a card."""
    has_line = isinstance(method.billing.get("address"), dict)
    return {
        "address_line1_check": "pass" if has_line else None,
        "address_postal_code_check": "pass" if has_line else None,
        "cvc_check": "pass" if method.has_cvc else None,
    }


def outcome(failure: Shown | None) -> Shown:
    """The outcome of a charge; `failure`: the error of one that was declined."""
    if failure is None:
        return {
            "advice_code": None,
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": "normal",
            "risk_score": 20,
            "seller_message": "Payment complete.",
            "type": "authorized",
        }
    return {
        "advice_code": failure.get("advice_code"),
        "network_advice_code": None,
        "network_decline_code": failure.get("network_decline_code"),
        "network_status": "declined_by_network",
        "reason": failure.get("decline_code") or failure["code"],
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }


def details(charge: Charge, intent: Intent) -> Shown:
    """The card of a charge, and which operations it supports."""
    method = charge.method
    is_challenged = bool(charge.request.three_ds)
    unavailable = {"status": "unavailable"}
    return {
        "amount_authorized": charge.request.amount_minor,
        "authorization_code": None,
        "brand": method.brand,
        "checks": checks(method),
        "country": "US",
        "exp_month": method.month,
        "exp_year": method.year,
        "extended_authorization": {"status": "disabled"},
        "fingerprint": opaque("", method.card.masked + method.last4, 16)[1:],
        "funding": method.funding,
        "incremental_authorization": dict(unavailable),
        "installments": None,
        "last4": method.last4,
        "mandate": None,
        "multicapture": {"status": "available" if intent.is_manual else "unavailable"},
        "network": method.brand,
        "network_token": {"used": False},
        "network_transaction_id": opaque("", charge.reference, 15)[1:],
        "overcapture": {
            "maximum_amount_capturable": charge.request.amount_minor,
            "status": "unavailable",
        },
        "regulated_status": "unregulated",
        "three_d_secure": _three_ds(charge) if is_challenged else None,
        "transaction_link_id": None,
        "wallet": None,
    }


def _three_ds(charge: Charge) -> Shown:
    is_mastercard = charge.method.brand == "mastercard"
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "02" if is_mastercard else "05",  # docs/domain.md §1.2
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": opaque("", f"{charge.reference}/3ds", 32)[1:],
        "version": "2.2.0",
    }
