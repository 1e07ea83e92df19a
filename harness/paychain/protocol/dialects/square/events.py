"""Square's webhooks, signed over the URL that they are sent to and the body.

Sources: `square.utils.webhooks_helper` and the type `Dispute` of the Python SDK 46.0.0. That
`dispute.created` carries its object under the object's name is deduced from Square's other events.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from uuid import UUID

import msgspec

from paychain.payments.rules.position import REPEAT
from paychain.protocol.dialects.square import views
from paychain.protocol.dialects.square.account import (
    Account,
    Payment,
    Refund,
    merchant_id,
    payment_id,
    refund_id,
)
from paychain.protocol.message import Event
from paychain.protocol.vendor_ids import encode
from paychain.wire.http import HttpRequest

SIGNATURE = "x-square-hmacsha256-signature"
CREATED, UPDATED, REFUNDED = "payment.created", "payment.updated", "refund.updated"
REFUND_CREATED = "refund.created"
DISPUTED = "dispute.created"
# A request that is refused at once (`refund_refused` …) has no webhook.
TYPES = {
    "authorised": CREATED,
    "declined": UPDATED,
    "captured": UPDATED,
    "voided": UPDATED,
    "expired": UPDATED,
    REFUND_CREATED: REFUND_CREATED,
    "refunded": REFUNDED,
    "refund_failed": REFUNDED,
    "disputed": DISPUTED,
}
# Everything else is a payment.
_KINDS = {REFUND_CREATED: "refund", REFUNDED: "refund", DISPUTED: "dispute"}
_REFUND_STATUS = {REFUND_CREATED: "PENDING", "refunded": "COMPLETED", "refund_failed": "FAILED"}
_EVIDENCE_S = 14 * 86_400  # time to submit evidence, in seconds; deduced: it depends on the scheme


def signature(url: str, body: bytes, key: str) -> str:
    """HMAC-SHA256 of URL and body in base64."""
    signed = url.encode() + body
    return base64.b64encode(hmac.digest(key.encode(), signed, hashlib.sha256)).decode()


def webhook(event: Event, path: str, key: str, sent_s: int, account: Account) -> HttpRequest:
    """The webhook that reports an event; signed for its path if no URL is declared."""
    kind = TYPES[event.event]
    digest = hashlib.sha256(event.key.encode()).digest()
    name, shown = _object(event, kind, account, sent_s)
    what = _KINDS.get(kind, "payment")
    body = msgspec.json.encode(
        {
            "merchant_id": merchant_id(account),
            "location_id": account.location,
            "type": kind,
            "event_id": str(UUID(bytes=digest[:16])),
            "created_at": views.when(sent_s),
            "data": {"type": what, "id": name, "object": {what: shown}},
        }
    )
    headers = {
        "content-type": "application/json",
        "user-agent": "Square Connect v2",
        "square-environment": "Sandbox",
        SIGNATURE: signature(account.notification_url or path, body, key),
    }
    return HttpRequest("POST", path, headers, body)


def _object(event: Event, kind: str, account: Account, sent_s: int) -> tuple[str, dict[str, Any]]:
    """The id and the object that an event is about."""
    payment = account.payment(event.reference) or _unknown(event)
    if kind == DISPUTED:
        dispute = _dispute(event, payment, account, views.when(sent_s))
        dispute["due_at"] = views.when(sent_s + _EVIDENCE_S)
        return dispute["id"], dispute
    if _KINDS.get(kind) != "refund":
        return payment_id(event.reference), views.payment(account, payment, event.reference)
    # Without idempotency keys the link may have executed it again, under a suffixed name.
    item = event.item.partition(REPEAT)[0]
    made = next((each for each in payment.refunds if each.item == item), None)
    made = made or Refund(item=item, amount_minor=event.amount_minor, reason="", requested_s=0)
    shown = views.refund(account, payment, made, event.reference)
    shown["status"] = _REFUND_STATUS[event.event]
    return refund_id(payment.reference, item), shown


def _dispute(event: Event, payment: Payment, account: Account, at: str) -> dict[str, Any]:
    """The dispute that reports a chargeback by the cardholder's bank."""
    return {
        "id": encode(f"{event.reference}/{event.item}"),
        "amount_money": views.money(event.amount_minor, payment),
        "reason": "NO_KNOWLEDGE",
        "state": "EVIDENCE_REQUIRED",
        "disputed_payment": {"payment_id": payment_id(event.reference)},
        "card_brand": views.brand(event.instrument.group),
        "created_at": at,
        "updated_at": at,
        "reported_at": at,
        "version": 1,
        "location_id": account.location,
    }


def _unknown(event: Event) -> Payment:
    """A payment for an event whose payment this link has never seen, such as a probe's."""
    return Payment(
        request=event,
        tip_minor=0,
        to_capture_minor=event.amount_minor,
        requested_s=0,
        updated_s=0,
        echoed={"reference_id": event.payment},
    )
