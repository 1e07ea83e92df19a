"""Payments and actions as Checkout.com shows them, from what the book holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from paychain.payments.instrument import Instrument
from paychain.protocol.dialect import BookEntry
from paychain.protocol.dialects.checkout.account import (
    CAPTURE,
    HOSTS,
    REFUND,
    VOID,
    Account,
    Action,
    Customer,
    Payment,
    action_id,
    payment_id,
)
from paychain.protocol.dialects.checkout.reading import STORED
from paychain.protocol.dialects.checkout.tables import APPROVED, DO_NOT_HONOUR, responses
from paychain.protocol.message import PaymentRequest
from paychain.protocol.vendor_pages import base_of
from paychain.wire.http import HttpRequest

AUTHORISATION = "a1"  # the authorisation's name among the actions
_TYPES = {CAPTURE: "Capture", REFUND: "Refund", VOID: "Void"}
_SCHEMES = {"amex": "American Express"}  # schemes whose name is not just capitalised


def when(seconds: int) -> str:
    """A time, given in seconds since 1970, as Checkout.com writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def authorisation_code(reference: str) -> str:
    """Six digits, the same for the same authorisation."""
    return f"{crc32(reference.encode()) % 1_000_000:06d}"


def base_url(http: HttpRequest) -> str:
    """The base URL at which the caller reached this API."""
    return base_of(http, HOSTS, "api.sandbox.checkout.com")


def source(payment: Payment) -> dict[str, Any]:
    """The card that was charged."""
    shown = card(payment.request.instrument, payment.expiry)
    return {**shown, "id": payment.stored} if payment.stored else shown


def customer(owner: Customer) -> dict[str, Any]:
    """A customer, in short."""
    name = {"name": owner.said["name"]} if owner.said.get("name") else {}
    return {"id": owner.id, "email": owner.email, **name}


def card(charged: Instrument, expiry: tuple[int, int]) -> dict[str, Any]:
    """A card, by the id under which it pays again; `expiry`: month and year."""
    scheme, digits = charged.group, charged.identity
    return {
        "id": f"{STORED}{scheme}_{digits[-4:]}",
        "type": "card",
        "expiry_month": expiry[0],
        "expiry_year": expiry[1],
        "scheme": _SCHEMES.get(scheme, scheme.capitalize()),
        "last4": digits[-4:],
        "bin": digits[:6],
        "fingerprint": f"{crc32(digits.encode()):08x}" * 8,
        "card_type": "CREDIT",
        "card_category": "CONSUMER",
        "issuer_country": "GB",
        "product_id": "F",
        "avs_check": "G",
        "cvv_check": "Y",
    }


def links(http: HttpRequest, reference: str, *names: str) -> dict[str, Any]:
    """The links to a payment and to the actions it allows."""
    own = f"{base_url(http)}/payments/{payment_id(reference)}"
    found = {"self": {"href": own}, "actions": {"href": f"{own}/actions"}}
    return found | {name: {"href": f"{own}/{name}s"} for name in names}


def status(payment: Payment, entry: BookEntry | None) -> str:
    """The status of a payment."""
    if entry is None or entry.state == "in_flight":
        return "Declined" if payment.stage == "failed" else "Pending"
    captured, refunded = entry.captured_minor, entry.refunded_minor
    if refunded:
        return "Refunded" if refunded >= captured else "Partially Refunded"
    if captured:
        return "Partially Captured" if captured < _held(entry) else "Captured"
    names = {"voided": "Voided", "expired": "Expired", "authorised": "Authorized"}
    return names.get(entry.state, "Declined") if entry.request is not None else "Declined"


def balances(entry: BookEntry | None) -> dict[str, int]:
    """What has been done with an authorisation and what is left of it, in minor units."""
    held = _held(entry)
    captured = entry.captured_minor if entry is not None else 0
    refunded = entry.refunded_minor if entry is not None else 0
    is_held = entry is not None and entry.state == "authorised"
    rest = entry.rest_minor if entry is not None and is_held else 0
    return {
        "total_authorized": held,
        "total_voided": held - captured if entry is not None and not is_held else 0,
        "available_to_void": rest,
        "total_captured": captured,
        "available_to_capture": rest,
        "total_refunded": refunded,
        "available_to_refund": captured - refunded,
    }


def details(
    http: HttpRequest, account: Account, payment: Payment, reference: str
) -> dict[str, Any]:
    """A payment as it is read back."""
    entry = account.backend.entry(reference)
    shown: dict[str, Any] = {
        "id": payment_id(reference),
        "requested_on": when(payment.requested_s),
        "source": source(payment),
        **({"customer": customer(payment.customer)} if payment.customer else {}),
        "amount": booked(payment, entry).amount_minor,
        "currency": payment.request.currency,
        "payment_type": "Regular",
        "reference": payment.merchant_reference,
        "status": status(payment, entry),
        "balances": balances(entry),
        "risk": {"flagged": False, "score": 0},
        "metadata": payment.metadata,
        "_links": links(http, reference),
    }
    if shown["status"] != "Pending":
        shown["approved"] = _is_approved(entry)
    if payment.stage:
        shown["3ds"] = {"downgraded": False, "enrolled": "Y", "challenged": True}
    return shown


def actions(account: Account, payment: Payment, reference: str) -> list[dict[str, Any]]:
    """The actions on a payment, newest first.

    An action whose answer was lost is shown as far as the book's totals cover it.
    """
    entry = account.backend.entry(reference)
    if entry is None:
        return []
    shown = [_authorisation(payment, entry, reference)]
    left = {CAPTURE: entry.captured_minor, REFUND: entry.refunded_minor, VOID: 1}
    if payment.request.is_sale and entry.captured_minor:
        whole = Action(
            item="c1",
            amount_minor=booked(payment, entry).amount_minor,
            reference="",
            requested_s=payment.requested_s,
        )
        shown.append(_action(payment, whole, reference, is_done=True))
    for action in payment.actions:
        kind = action.item[0]
        is_void = kind == VOID
        is_done = entry.state == "voided" if is_void else action.amount_minor <= left[kind]
        if action.is_refused or not is_done or not left[kind]:
            if action.is_refused:
                shown.append(_action(payment, action, reference, is_done=False))
            continue
        left[kind] -= 1 if is_void else action.amount_minor
        shown.append(_action(payment, action, reference, is_done=True))
    return shown[::-1]


def booked(payment: Payment, entry: BookEntry | None) -> PaymentRequest:
    """The authorisation as approved, or as requested if it was not."""
    return payment.request if entry is None or entry.request is None else entry.request


def _authorisation(payment: Payment, entry: BookEntry, reference: str) -> dict[str, Any]:
    is_approved = _is_approved(entry)
    response = responses()[APPROVED if is_approved else payment.code or DO_NOT_HONOUR]
    return {
        "id": action_id(reference, AUTHORISATION),
        "type": "Authorization",
        "processed_on": when(payment.requested_s),
        "amount": booked(payment, entry).amount_minor,
        "approved": is_approved,
        "auth_code": authorisation_code(reference) if is_approved else "",
        "response_code": response.code,
        "response_summary": response.summary,
        "reference": payment.merchant_reference,
    }


def _action(payment: Payment, action: Action, reference: str, *, is_done: bool) -> dict[str, Any]:
    response = responses()[APPROVED if is_done else DO_NOT_HONOUR]
    return {
        "id": action_id(reference, action.item),
        "type": _TYPES[action.item[0]],
        "processed_on": when(action.requested_s),
        "amount": action.amount_minor,
        "approved": is_done,
        "response_code": response.code,
        "response_summary": response.summary,
        "reference": action.reference or payment.merchant_reference,
    }


def _is_approved(entry: BookEntry | None) -> bool:
    return entry is not None and entry.request is not None


def _held(entry: BookEntry | None) -> int:
    return entry.request.amount_minor if entry is not None and entry.request is not None else 0
