"""Adyen's classic webhooks: one notification item, signed over what its receiver acts on.

Sources: Webhooks-v1.json; the signature as `Adyen.util` of the Python library makes it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import msgspec

from paychain.payments.rules.position import REPEAT
from paychain.protocol.dates import iso_utc
from paychain.protocol.dialects.adyen import modifications
from paychain.protocol.dialects.adyen.account import Account
from paychain.protocol.dialects.adyen.bodies import amount_object
from paychain.protocol.dialects.adyen.payments import authorisation_code, brand_of
from paychain.protocol.dialects.adyen.records import Payment
from paychain.protocol.dialects.adyen.references import psp_reference
from paychain.protocol.dialects.adyen.stored import REPORTED
from paychain.protocol.message import Event, PaymentRequest
from paychain.wire.http import HttpRequest

# By the first letter of a modification's name.
_CODES = {
    modifications.CAPTURE: "CAPTURE",
    modifications.REFUND: "REFUND",
    modifications.CANCEL: "CANCELLATION",
    modifications.TECHNICAL_CANCEL: "TECHNICAL_CANCEL",
    modifications.REVERSAL: "CANCEL_OR_REFUND",
    modifications.ADJUSTMENT: "AUTHORISATION_ADJUSTMENT",
}
_STORED = "RECURRING_CONTRACT"
_OF_PAYMENT = {"authorised": "AUTHORISATION", "declined": "AUTHORISATION", "expired": "EXPIRE"}
_OF_NETWORK = {
    "capture_failed": "CAPTURE_FAILED",
    "refund_failed": "REFUND_FAILED",
    "disputed": "CHARGEBACK",
}
_REASONS = {"capture_failed": "Capture Failed", "refund_failed": "Refund Failed"}
_DONE = frozenset(
    {"authorised", "captured", "refunded", "voided", "expired", "adjusted", REPORTED, *_OF_NETWORK}
)
_REFUSED = frozenset({"capture_refused", "refund_refused", "void_refused", "adjust_refused"})
KINDS = frozenset({*_OF_PAYMENT, *_DONE, *_REFUSED})
SIGNED = (
    "pspReference",
    "originalReference",
    "merchantAccountCode",
    "merchantReference",
    "value",
    "currency",
    "eventCode",
    "success",
)
HEADERS = {"content-type": "application/json; charset=utf-8", "user-agent": "Adyen HttpClient 1.0"}


def reports(kind: str, request: PaymentRequest) -> bool:
    """Whether Adyen has a webhook for it: a sale's capture has none beside its AUTHORISATION."""
    return kind in KINDS and not (kind == "captured" and request.is_sale)


def notification(event: Event, path: str, key: str, sent_s: int, account: Account) -> HttpRequest:
    """The webhook that reports an event. `key`: the HMAC key in hex digits."""
    item = _item(event, sent_s, account)
    item.setdefault("additionalData", {})["hmacSignature"] = signature(item, key)
    body = {"live": "false", "notificationItems": [{"NotificationRequestItem": item}]}
    return HttpRequest("POST", path, dict(HEADERS), msgspec.json.encode(body))


def signature(item: dict[str, Any], key: str) -> str:
    """HMAC-SHA256 of the signed fields in base64."""
    values = {**item, **item["amount"]}
    signed = ":".join(str(values.get(name, "")) for name in SIGNED)
    digest = hmac.digest(bytes.fromhex(key), signed.encode(), hashlib.sha256)
    return base64.b64encode(digest).decode()


def _item(event: Event, sent_s: int, account: Account) -> dict[str, Any]:
    payment = account.registry.payment(event.reference)
    shared: dict[str, Any] = {
        "eventDate": iso_utc(sent_s),
        "merchantAccountCode": payment.merchant_account
        if payment is not None
        else event.merchant or account.merchant,
        "merchantReference": payment.merchant_reference if payment else event.payment,
        "paymentMethod": brand_of(event),
        "amount": amount_object(event.amount_minor, event.currency),
        "success": "true" if event.event in _DONE else "false",
    }
    if event.event == REPORTED and payment is not None:
        return {**shared, **_of_stored(event, payment)}
    if event.event in _OF_PAYMENT:
        return {**shared, **_of_payment(event, account)}
    return {**shared, **_of_modification(event, account)}


def _of_payment(event: Event, account: Account) -> dict[str, Any]:
    payment = account.registry.payment(event.reference)
    shown: dict[str, Any] = {
        "eventCode": _OF_PAYMENT[event.event],
        "pspReference": psp_reference(event.reference),
        "reason": "",
    }
    if event.event == "declined":
        shown["reason"] = _refusal(payment)
    if event.event == "authorised":
        expiry = payment.expiry if payment else ""
        number = event.instrument.identity
        shown["reason"] = f"{authorisation_code(event.reference)}:{number[-4:]}:{expiry}"
        shown["operations"] = ["CANCEL", "CAPTURE", "REFUND"]
        shown["amount"] = _authorised(event, account)
    return shown


def _of_stored(event: Event, payment: Payment) -> dict[str, Any]:
    paid = psp_reference(event.reference)
    return {
        "additionalData": {
            "recurring.recurringDetailReference": payment.stored,
            "recurring.shopperReference": payment.shopper,
            "shopperReference": payment.shopper,
        },
        "amount": amount_object(0, event.currency),
        "eventCode": _STORED,
        "originalPsp": paid,
        "originalReference": paid,
        "pspReference": payment.stored,
        "reason": "",
    }


def _refusal(payment: Payment | None) -> str:
    """Why it was refused; if the answer was lost, the reason that was known before it."""
    if payment is None or not (payment.reason or payment.steer):
        return "Refused"
    return payment.reason or (payment.steer.reason if payment.steer is not None else "")


def _authorised(event: Event, account: Account) -> dict[str, Any]:
    """The approved amount, which may be less than the requested one."""
    entry = account.backend.entry(event.reference)
    booked = entry.request if entry is not None else None
    minor = booked.amount_minor if booked is not None else event.amount_minor
    return amount_object(minor, event.currency)


def _of_modification(event: Event, account: Account) -> dict[str, Any]:
    # Without idempotency keys the link may have executed it again, under a suffixed name.
    item = event.item.partition(REPEAT)[0]
    known = account.registry.modification(event.reference, item)
    shown: dict[str, Any] = {
        "eventCode": _OF_NETWORK.get(event.event) or _CODES[item[:1] or modifications.CANCEL],
        "pspReference": psp_reference(event.reference.partition(REPEAT)[0], item),
        "reason": _reason(event, account),
    }
    if known is not None:
        shown["merchantReference"] = known.merchant_reference
        shown["merchantAccountCode"] = known.merchant_account
    if known is None or known.operation != "query" or item[:1] == modifications.ADJUSTMENT:
        shown["originalReference"] = psp_reference(event.reference)
    if item[:1] == modifications.REVERSAL:
        is_refund = event.event in ("refunded", "refund_refused", "refund_failed")
        shown["additionalData"] = {"modification.action": "refund" if is_refund else "cancel"}
    return shown


def _reason(event: Event, account: Account) -> str:
    """Why a modification failed, "" for one that did not.

    Sources: Webhooks-v1.json (a refund of what is not captured), tests of adyen-dotnet (a capture
    of more than is left); the reason of a failed cancel is deduced.
    """
    if event.event in _DONE:
        return _REASONS.get(event.event, "")
    entry = account.backend.entry(event.reference)
    if entry is None or entry.request is None:
        return "Original transaction not found"
    if event.event == "adjust_refused":
        return "Refused"
    if event.event == "void_refused":
        if entry.captured_minor > 0:
            return "Transaction already captured"
        return "Refused" if entry.state == "authorised" else "Transaction already cancelled"
    if event.event == "refund_refused" and not entry.captured_minor:
        return "Transaction hasn't been captured, refund not possible"
    return "Insufficient balance on payment"
