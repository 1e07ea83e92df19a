"""PayPal's webhooks, and the path by which a receiver lets PayPal verify one.

PayPal signs with a key whose certificate a receiver fetches from PayPal's hosts. No mock has that
key: here the signature is an HMAC under the webhook's id, which the path verifies as PayPal's own
does; a receiver that checks certificates itself rejects it.

    signed: transmission id | transmission time | webhook id | CRC-32 of the event

Source of the chargeback: PayPal's documentation of dispute webhooks, and its Disputes API v1.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from zlib import crc32

import msgspec
from msgspec.structs import replace

from paychain.payments.rules.position import REPEAT
from paychain.protocol.dialects.paypal.account import (
    Account,
    Given,
    body_of,
    inside,
    shown_money,
    text,
)
from paychain.protocol.dialects.paypal.objects import (
    MERCHANT,
    authorization_shown,
    capture_shown,
    order_shown,
    refund_shown,
    time_of,
)
from paychain.protocol.dialects.paypal.orders import ORDER_APPROVED
from paychain.protocol.dialects.paypal.records import (
    AUTHORIZATION,
    AUTHORIZE,
    Charge,
    Order,
    made_id,
)
from paychain.protocol.dialects.paypal.vault import shown_of
from paychain.protocol.message import Event, PaymentRequest
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.wire.http import HttpRequest, HttpResponse, json_response

ALGORITHM = "SHA256withRSA"
_CERTIFICATE = "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-paychain"
_TYPES = {
    "authorised": "PAYMENT.AUTHORIZATION.CREATED",
    "voided": "PAYMENT.AUTHORIZATION.VOIDED",
    "expired": "PAYMENT.AUTHORIZATION.VOIDED",
    "captured": "PAYMENT.CAPTURE.COMPLETED",
    "capture_failed": "PAYMENT.CAPTURE.DENIED",
    "refunded": "PAYMENT.CAPTURE.REFUNDED",
    "refund_failed": "PAYMENT.REFUND.FAILED",
    "disputed": "CUSTOMER.DISPUTE.CREATED",
    "kept": "VAULT.PAYMENT-TOKEN.CREATED",
    ORDER_APPROVED: "CHECKOUT.ORDER.APPROVED",
}
_DECLINED = "PAYMENT.CAPTURE.DECLINED"
_OF_EACH_UNIT = ("captured", "declined")
_SUMMARIES = {
    "PAYMENT.AUTHORIZATION.CREATED": "A payment authorization was created",
    "PAYMENT.AUTHORIZATION.VOIDED": "A payment authorization was voided",
    "PAYMENT.CAPTURE.COMPLETED": "Payment completed",
    "PAYMENT.CAPTURE.DECLINED": "A payment capture was declined",
    "PAYMENT.CAPTURE.DENIED": "A payment capture was denied",
    "PAYMENT.CAPTURE.REFUNDED": "A capture payment was refunded",
    "PAYMENT.REFUND.FAILED": "A refund failed",
    "CUSTOMER.DISPUTE.CREATED": "A new dispute was opened",
    "VAULT.PAYMENT-TOKEN.CREATED": "A payment token has been created",
    "CHECKOUT.ORDER.APPROVED": "An order has been approved by buyer",
}
_RESOURCES = {
    **dict.fromkeys(("authorised", "voided", "expired"), "authorization"),
    "disputed": "dispute",
    "kept": "payment_token",
    ORDER_APPROVED: "checkout-order",
}
_RESPONSE_S = 10 * 86_400  # in which the seller is to respond; deduced: it depends on the case


def reports(kind: str, request: PaymentRequest, account: Account) -> bool:
    """Whether PayPal has a webhook for it. A payment captured at once has no authorisation."""
    found = account.registry.of_charge(request.reference)
    is_authorised = found is not None and found[0].intent == AUTHORIZE
    if kind in ("authorised", "voided", "expired"):
        return is_authorised or found is None
    if kind == "declined":
        return not is_authorised
    return kind in _TYPES


def events(kind: str, request: PaymentRequest, account: Account) -> tuple[str, ...]:
    """PayPal's webhooks about one outcome. Each unit of a charge has a capture of its own."""
    if not reports(kind, request, account):
        return ()
    found = account.registry.of_charge(request.reference)
    if found is None or kind not in _OF_EACH_UNIT or found[0].intent == AUTHORIZE:
        return (kind,)
    further = (f"{kind} {part.item}" for part in found[1].captures[1:])
    return (kind, *further)


def notification(
    event: Event, path: str, webhook_id: str, sent_s: int, account: Account
) -> HttpRequest:
    """The webhook that reports an event."""
    what, _, item = event.event.partition(" ")
    if item:
        event = replace(event, event=what, item=item)
    kind = _TYPES.get(event.event, _DECLINED)
    created = time_of(sent_s)
    number = hashlib.sha256(f"{event.key}{item}".encode()).hexdigest()
    shown = {
        "id": f"WH-{number[:17]}-{number[17:34]}".upper(),
        "event_version": "1.0",
        "create_time": created,
        "resource_type": _resource_type(event),
        "resource_version": "2.0",
        "event_type": kind,
        "summary": _SUMMARIES[kind],
        "resource": _dispute(event, account, sent_s)
        if event.event == "disputed"
        else _resource(event, account),
        "links": [],
    }
    transmission_id = f"{number[:8]}-{number[8:12]}-11ef-{number[12:16]}-{number[16:28]}"
    headers = {
        "content-type": "application/json",
        "user-agent": "PayPal/AUHD-1.0-1",
        "paypal-transmission-id": transmission_id,
        "paypal-transmission-time": created,
        "paypal-transmission-sig": signature(transmission_id, created, webhook_id, shown),
        "paypal-cert-url": _CERTIFICATE,
        "paypal-auth-algo": ALGORITHM,
    }
    return HttpRequest("POST", path, headers, msgspec.json.encode(shown))


async def verify(call: VendorCall, _account: Account) -> HttpResponse:
    """`POST /v1/notifications/verify-webhook-signature`: SUCCESS or FAILURE."""
    given = body_of(call.http)
    await execute_nothing(call)
    expected = signature(
        text(given, "transmission_id"),
        text(given, "transmission_time"),
        text(given, "webhook_id"),
        inside(given, "webhook_event"),
    )
    is_right = hmac.compare_digest(expected, text(given, "transmission_sig"))
    return json_response(200, {"verification_status": "SUCCESS" if is_right else "FAILURE"})


def signature(transmission_id: str, sent: str, webhook_id: str, event: Given) -> str:
    """PAYPAL-TRANSMISSION-SIG of a webhook. How the event's JSON is formatted does not matter."""
    checksum = crc32(msgspec.json.encode(event, order="sorted"))
    signed = f"{transmission_id}|{sent}|{webhook_id}|{checksum}"
    digest = hmac.digest(webhook_id.encode(), signed.encode(), hashlib.sha256)
    return base64.b64encode(digest).decode()


def _resource_type(event: Event) -> str:
    if event.event in _RESOURCES:
        return _RESOURCES[event.event]
    return "refund" if event.event.startswith("refund") else "capture"


def _dispute(event: Event, account: Account, sent_s: int) -> dict[str, Any]:
    """A chargeback by the cardholder's bank. From outside PayPal, it starts as a claim."""
    found = account.registry.of_charge(event.reference)
    sold = [part.item for part in found[1].captures] if found is not None else []
    opened = time_of(sent_s)
    return {
        "dispute_id": f"PP-D-{crc32(event.key.encode())}",
        "create_time": opened,
        "update_time": opened,
        "disputed_transactions": [
            {
                "seller_transaction_id": made_id(event.reference, item),
                "seller": {"merchant_id": MERCHANT},
                "custom": found[0].units[found[0].unit_of(item)].get("custom_id", "")
                if found is not None
                else event.payment,
            }
            for item in sold or ["c1"]
        ],
        "reason": "UNAUTHORISED",
        "status": "WAITING_FOR_SELLER_RESPONSE",
        "dispute_amount": shown_money(event.amount_minor, event.currency),
        "dispute_life_cycle_stage": "CHARGEBACK",
        "dispute_channel": "EXTERNAL",
        "seller_response_due_date": time_of(sent_s + _RESPONSE_S),
        "links": [],
    }


def _resource(event: Event, account: Account) -> dict[str, Any]:
    if event.event == ORDER_APPROVED:
        order = account.registry.of_reference(event.reference)
        if order is not None:
            return order_shown(account.at(order.base), order)
    found = account.registry.of_charge(event.reference)
    if found is not None:
        shown = _known(event, *found, account.at(found[0].base))
        if shown is not None:
            return shown
    # A payment that this link does not know, such as one that a probe of a receiver makes up.
    item = AUTHORIZATION if _resource_type(event) == "authorization" else event.item or "c1"
    return {
        "id": made_id(event.reference, item.partition(REPEAT)[0]),
        "status": "COMPLETED",
        "amount": shown_money(event.amount_minor, event.currency),
        "custom_id": event.payment,
    }


def _known(event: Event, order: Order, charge: Charge, account: Account) -> dict[str, Any] | None:
    kind, item = _resource_type(event), event.item.partition(REPEAT)[0]
    if kind == "payment_token":
        kept = account.tokens.get(order.kept[0]) if order.kept is not None else None
        return shown_of(account, kept) if kept is not None else None
    if kind == "authorization":
        return authorization_shown(account, order, charge)
    if kind == "refund":
        refund = next((part for part in charge.refunds if part.item == item), None)
        return refund_shown(account, order, charge, refund) if refund is not None else None
    capture = next((part for part in charge.captures if part.item == (item or "c1")), None)
    return capture_shown(account, order, charge, capture) if capture is not None else None
