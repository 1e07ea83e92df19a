"""Payments and refunds as Square shows them, from what the book holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from paychain.payments.instrument import Instrument
from paychain.protocol.dialect import BookEntry
from paychain.protocol.dialects.square.account import (
    Account,
    Payment,
    Refund,
    order_id,
    payment_id,
    refund_id,
    status,
)
from paychain.protocol.vendor_ids import encode

_BRANDS = {"amex": "AMERICAN_EXPRESS"}  # schemes that Square names differently
_CARD_STATES = {
    "PENDING": "PENDING",
    "APPROVED": "AUTHORIZED",
    "COMPLETED": "CAPTURED",
    "CANCELED": "VOIDED",
    "FAILED": "FAILED",
}
PAYMENT_ERROR = "PAYMENT_METHOD_ERROR"


def when(seconds: int) -> str:
    """A time, given in seconds since 1970, as Square writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def money(minor: int, payment: Payment) -> dict[str, Any]:
    """An amount in minor units of the currency of a payment."""
    return {"amount": minor, "currency": payment.request.currency}


def brand(scheme: str) -> str:
    """Square's name of a scheme."""
    return _BRANDS.get(scheme, scheme.upper())


def declined(code: str) -> dict[str, str]:
    """The error that shows a decline."""
    return {"category": PAYMENT_ERROR, "code": code, "detail": f"Authorization error: '{code}'"}


def payment(account: Account, payment: Payment, reference: str) -> dict[str, Any]:
    """A payment object. `reference`: of the execution that is shown."""
    entry = account.backend.entry(reference)
    name = status(entry)
    total = entry.captured_minor if entry is not None and entry.captured_minor else 0
    total = total or payment.to_capture_minor
    shown: dict[str, Any] = {
        "id": payment_id(reference),
        "created_at": when(payment.requested_s),
        "updated_at": when(payment.updated_s),
        "amount_money": money(total - payment.tip_minor, payment),
        "status": name,
        "delay_duration": "PT168H",
        "delay_action": "CANCEL",
        "delayed_until": when(payment.requested_s + 168 * 3600),
        "source_type": "CARD",
        "card_details": _card_details(payment, name),
        "location_id": account.location,
        "order_id": order_id(reference),
        "total_money": money(total, payment),
        "approved_money": money(_approved(entry), payment),
        "application_details": {"square_product": "ECOMMERCE_API", "application_id": "sandbox-sq0"},
        "version_token": encode(f"{name}-{reference}"),
        **payment.echoed,
    }
    if payment.tip_minor:
        shown["tip_money"] = money(payment.tip_minor, payment)
    if name == "APPROVED":
        shown["capabilities"] = ["EDIT_AMOUNT_DOWN", "EDIT_TIP_AMOUNT_DOWN"]
    if name == "COMPLETED":
        shown["receipt_number"] = payment_id(reference)[:4]
    if entry is not None and entry.refunded_minor:
        shown["refunded_money"] = money(entry.refunded_minor, payment)
        shown["refund_ids"] = [
            refund_id(payment.reference, each.item) for each in done(account, payment, reference)
        ]
    return shown


def refund(account: Account, payment: Payment, made: Refund, reference: str) -> dict[str, Any]:
    """A refund object: pending until the book has it."""
    is_done = any(each is made for each in done(account, payment, reference))
    return {
        "id": refund_id(payment.reference, made.item),
        "status": "COMPLETED" if is_done else "FAILED" if made.is_refused else "PENDING",
        "amount_money": money(made.amount_minor, payment),
        "payment_id": payment_id(reference),
        "order_id": encode(f"{reference}/o2"),
        "created_at": when(made.requested_s),
        "updated_at": when(made.requested_s),
        "location_id": account.location,
        **({"reason": made.reason} if made.reason else {}),
    }


def done(account: Account, payment: Payment, reference: str) -> list[Refund]:
    """The refunds that the book's refunded total covers, oldest first.

    Among equal refunds whose answers were lost, which of them was done cannot be told apart.
    """
    entry = account.backend.entry(reference)
    left = entry.refunded_minor if entry is not None else 0
    covered = []
    for made in payment.refunds:
        if not made.is_refused and made.amount_minor <= left:
            left -= made.amount_minor
            covered.append(made)
    return covered


def card_shown(card: Instrument) -> dict[str, Any]:
    """A card in the form that payments and cards on file show."""
    digits = card.identity
    return {
        "card_brand": brand(card.group),
        "last_4": digits[-4:],
        "exp_month": 12,
        "exp_year": 2030,
        "fingerprint": f"sq-1-{crc32(digits.encode()):08x}",
        "card_type": "CREDIT",
        "bin": digits[:6],
    }


def _card_details(payment: Payment, name: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "status": _CARD_STATES[name],
        "card": card_shown(payment.request.instrument),
        "entry_method": "KEYED",
        "cvv_status": "CVV_REJECTED" if payment.failure == "CVV_FAILURE" else "CVV_ACCEPTED",
        "avs_status": "AVS_ACCEPTED",
        "statement_description": "SQ *PAYCHAIN",
        "card_payment_timeline": {"authorized_at": when(payment.requested_s)},
    }
    if name == "FAILED" and payment.failure:
        shown["errors"] = [declined(payment.failure)]
    return shown


def _approved(entry: BookEntry | None) -> int:
    return entry.request.amount_minor if entry is not None and entry.request is not None else 0
