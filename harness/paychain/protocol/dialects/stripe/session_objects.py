"""Checkout Sessions and their lines as Stripe's API shows them.

Source: the fixtures and the description in Stripe's stripe-mock v0.203.0 (2026-08-26.dahlia).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from paychain.protocol.dialects.stripe import products
from paychain.protocol.dialects.stripe.account import Account
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.errors import invalid
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
# In a session in which nothing is paid.
_OF_SETUP: Shown = {
    "amount_subtotal": None,
    "amount_total": None,
    "mode": "setup",
    "payment_method_collection": "always",
    "payment_status": "no_payment_required",
    "total_details": None,
}


def status_of(account: Account, session: CheckoutSession) -> str:
    """open, complete or expired."""
    intent = session.intent
    if session.setup is not None and session.setup.is_done:
        return "complete"
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
    if session.setup is not None:
        shown |= {
            **_OF_SETUP,
            "currency": intent.currency or None,
            "setup_intent": session.setup.id,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a session. `made`: a product and its price, where the line brought its own."""

    item: Shown
    made: tuple[Shown, Shown] | None = None

    def keep(self, account: Account) -> None:
        """Let what came with the line be found; a product that is known already stays as it is."""
        if self.made is None:
            return
        product, price = self.made
        if product["id"] not in account.products:
            account.sold_once[product["id"]] = product
        account.sold_once[price["id"]] = price


def lines_of(account: Account, given: dict[str, Any]) -> list[Line]:
    """The lines of a session. Raises Invalid for lines that cannot be paid."""
    required(given, "line_items")
    asked = given["line_items"]
    if not isinstance(asked, list) or len(asked) > MAX_LINES:
        raise invalid("Invalid array", param="line_items")
    lines = [_line(account, line, number) for number, line in enumerate(asked)]
    if len({line.item["currency"] for line in lines}) > 1:
        raise invalid(
            "All prices on a Checkout Session must have the same currency.", param="line_items"
        )
    return lines


def _line(account: Account, line: Any, number: int) -> Line:
    place = f"line_items[{number}]"
    if not isinstance(line, dict):
        raise invalid("Invalid object", param=place)
    made: tuple[Shown, Shown] | None = None
    if name := text(line, "price"):
        price = products.sold_price(account, name, f"{place}[price]")
        product = account.products.get(price["product"], {"name": name})
    else:
        required(line, "price_data")
        product, price = made = _of_data(account, mapping(line, "price_data"), place)
    quantity = integer(line, "quantity") or 1
    total_minor = price["unit_amount"] * quantity
    item = {
        "id": account.new_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": total_minor,
        "amount_tax": 0,
        "amount_total": total_minor,
        "currency": price["currency"],
        "description": product["name"],
        "metadata": {},
        "price": dict(price),
        "quantity": quantity,
    }
    return Line(item=item, made=made)


def _of_data(account: Account, data: dict[str, Any], place: str) -> tuple[Shown, Shown]:
    """The product and the price that a line brings. Stripe makes both, and neither sells again."""
    place = f"{place}[price_data]"
    described, name = mapping(data, "product_data"), text(data, "product")
    title = text(described, "name") or name
    if not title:
        raise products.parameter_missing(f"{place}[product_data][name]")
    if data.get("recurring"):
        raise products.recurring_refused(f"{place}[recurring]")
    price = products.new_price(account, data, name or account.new_id("prod", 14), place)
    price["active"] = False
    # A product that a shop has made elsewhere is known by its id alone.
    product = account.products.get(name) or products.new_product(account, price["product"], title)
    if not name:
        product["active"] = False
        products.write(product, described)
    return product, price
