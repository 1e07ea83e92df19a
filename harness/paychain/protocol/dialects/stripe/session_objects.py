"""Checkout Sessions and their lines as Stripe's API shows them.

Source: the fixtures and the description in Stripe's stripe-mock v0.203.0 (2026-08-26.dahlia).
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from paychain.protocol.dialects.stripe.account import Account
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.errors import Invalid, invalid, missing
from paychain.protocol.dialects.stripe.ids import opaque
from paychain.protocol.dialects.stripe.parameters import integer, mapping, required, text
from paychain.protocol.dialects.stripe.records import (
    CANCELED,
    REQUIRES_CAPTURE,
    SUCCEEDED,
    CheckoutSession,
)

PAY_PAGE = "/c/pay/"
MAX_LINES = 100
# Older libraries use the names from before 2026.
HOSTED = ("hosted_page", "hosted")
WITHIN = ("embedded_page", "embedded", "elements", "custom")
_DONE = (SUCCEEDED, REQUIRES_CAPTURE, CANCELED)
# Fields that a session for a single payment never uses.
_UNUSED: Shown = {
    "adaptive_pricing": {"enabled": False},
    "after_expiration": None,
    "allow_promotion_codes": None,
    "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
    "billing_address_collection": None,
    "collected_information": None,
    "consent": None,
    "consent_collection": None,
    "currency_conversion": None,
    "custom_fields": [],
    "custom_text": dict.fromkeys(
        ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
    ),
    "customer_account": None,
    "customer_creation": "if_required",
    "discounts": [],
    "integration_identifier": None,
    "invoice": None,
    "invoice_creation": None,
    "livemode": False,
    "managed_payments": None,
    "mode": "payment",
    "origin_context": None,
    "payment_link": None,
    "payment_method_collection": "if_required",
    "payment_method_configuration_details": None,
    "payment_method_options": {},
    "permissions": None,
    "phone_number_collection": {"enabled": False},
    "recovered_from": None,
    "saved_payment_method_options": None,
    "setup_intent": None,
    "shipping_address_collection": None,
    "shipping_cost": None,
    "shipping_options": [],
    "submit_type": None,
    "subscription": None,
    "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
    "wallet_options": None,
}


def status_of(account: Account, session: CheckoutSession) -> str:
    """open, complete or expired."""
    intent = session.intent
    entry = account.objects.entry(intent)
    if entry is not None and intent.status(entry) in _DONE:
        return "complete"
    # A payment in progress when the session's time runs out may still be made.
    is_late = account.backend.now_s() >= session.expires_s and not intent.is_busy
    return "expired" if session.expired_s or is_late else "open"


def shown_of(account: Account, session: CheckoutSession) -> Shown:
    """A session."""
    intent, fields = session.intent, session.fields
    status = status_of(account, session)
    entry = account.objects.entry(intent)
    is_paid = entry is not None and entry.captured_minor > 0
    is_open, is_complete = status == "open", status == "complete"
    url = f"{account.objects.base}{PAY_PAGE}{session.id}"
    email = fields["customer_email"]
    shown = _UNUSED | {
        "amount_subtotal": intent.amount_minor,
        "amount_total": intent.amount_minor,
        "cancel_url": session.cancel_url or None,
        "client_reference_id": fields["client_reference_id"],
        "client_secret": None
        if session.is_hosted
        else f"{session.id}_{opaque('secret', intent.reference)}",
        "created": intent.created_s,
        "currency": intent.currency,
        "customer": intent.fields.get("customer"),
        "customer_details": _customer(email) if is_complete or email else None,
        "customer_email": email,
        "expires_at": session.expires_s,
        "locale": fields["locale"],
        "metadata": fields["metadata"],
        "payment_intent": intent.id if intent.charges or intent.waits else None,
        "payment_method_types": intent.fields.get("payment_method_types", ["card"]),
        "payment_status": "paid" if is_paid else "unpaid",
        "status": status,
        "success_url": session.success_url if session.is_hosted else None,
        "ui_mode": HOSTED[0] if session.is_hosted else WITHIN[0],
        "url": url if is_open and session.is_hosted else None,
    }
    # Stripe sorts them by name.
    return {"id": session.id, "object": "checkout.session"} | dict(sorted(shown.items()))


def _customer(email: str | None) -> Shown:
    """The details that a customer entered on the page."""
    return {
        "address": dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": None,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }


def lines_of(account: Account, given: dict[str, Any]) -> list[Shown]:
    """The lines of a session. Raises Invalid for lines that cannot be paid."""
    required(given, "line_items")
    lines = given["line_items"]
    if not isinstance(lines, list) or len(lines) > MAX_LINES:
        raise invalid("Invalid array", param="line_items")
    items = [_line(account, line, number) for number, line in enumerate(lines)]
    if len({item["currency"] for item in items}) > 1:
        raise invalid(
            "All prices on a Checkout Session must have the same currency.", param="line_items"
        )
    return items


def _line(account: Account, line: Any, number: int) -> Shown:
    place = f"line_items[{number}]"
    if not isinstance(line, dict):
        raise invalid("Invalid object", param=place)
    if name := text(line, "price"):
        refusal = missing("price", name, f"{place}[price]")
        refusal.status = 400
        raise refusal
    required(line, "price_data")
    price = mapping(line, "price_data")
    required(price, "currency")
    product = mapping(price, "product_data")
    name = text(product, "name") or text(price, "product")
    if not name:
        raise _missing(f"{place}[price_data][product_data][name]")
    each_minor = _unit_amount(price, place)
    quantity = integer(line, "quantity") or 1
    currency = text(price, "currency").lower()
    total_minor = each_minor * quantity
    return {
        "id": account.new_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": total_minor,
        "amount_tax": 0,
        "amount_total": total_minor,
        "currency": currency,
        "description": name,
        "metadata": {},
        "price": {
            "id": account.new_id("price"),
            "object": "price",
            "active": False,
            "billing_scheme": "per_unit",
            "created": account.backend.now_s(),
            "currency": currency,
            "custom_unit_amount": None,
            "livemode": False,
            "lookup_key": None,
            "metadata": {},
            "nickname": None,
            "product": account.new_id("prod", 14),
            "recurring": None,
            "tax_behavior": "unspecified",
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "one_time",
            "unit_amount": each_minor,
            "unit_amount_decimal": str(each_minor),
        },
        "quantity": quantity,
    }


def _unit_amount(price: dict[str, Any], place: str) -> int:
    """The price of one unit in minor units. Raises Invalid."""
    if price.get("unit_amount") not in (None, ""):
        return integer(price, "unit_amount", least=0) or 0
    try:
        exact = Decimal(text(price, "unit_amount_decimal"))
    except InvalidOperation:
        raise _missing(f"{place}[price_data][unit_amount]") from None
    if not exact.is_finite() or exact != exact.to_integral_value() or exact < 0:
        raise invalid("Invalid decimal", param=f"{place}[price_data][unit_amount_decimal]")
    return int(exact)


def _missing(param: str) -> Invalid:
    return invalid(f"Missing required param: {param}.", code="parameter_missing", param=param)
