"""Braintree's webhooks: a form with a signed document that reports a settlement or a dispute.

Authorisations have no webhook: their answer or a search shows the outcome.
Sources: `WebhookNotificationGateway` and `WebhookTestingGateway` of the Python SDK 4.48.0, which
has a sample of each kind.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import urlencode
from zlib import crc32

from paychain.protocol.dialects.braintree.account import AT_ONCE, Account
from paychain.protocol.dialects.braintree.documents import Rows, moment, write
from paychain.protocol.dialects.braintree.objects import amount, shown
from paychain.protocol.dialects.braintree.records import IdTarget, SaleTransaction
from paychain.protocol.message import Event
from paychain.protocol.vendor_ids import encode
from paychain.wire.http import HttpRequest

SETTLED = "transaction_settled"
_KINDS = {
    "settled": SETTLED,
    "captured": SETTLED,
    "capture_failed": "transaction_settlement_declined",
    "refund_failed": "refund_failed",
    "disputed": "dispute_opened",
}
_REPLY_S = 7 * 86_400  # time to submit evidence, in seconds; deduced: it depends on the scheme
HEADERS = {
    "content-type": "application/x-www-form-urlencoded",
    "user-agent": "Braintree-Webhooks",
    "accept": "*/*",
}


def reports(kind: str, account: Account) -> bool:
    """Whether Braintree sends a webhook: a submission settles, and is reported, later that day."""
    return kind in _KINDS and (kind != "captured" or account.settlement == AT_ONCE)


def notification(
    event: Event, path: str, private_key: str, sent_s: int, account: Account
) -> HttpRequest:
    """The webhook that reports an event."""
    document = write(
        "notification",
        {
            "timestamp": moment(sent_s),
            "kind": _KINDS[event.event],
            "source_merchant_id": _merchant_id(event, account) or "paychain",
            "subject": {"dispute": _dispute(event, account, sent_s)}
            if event.event == "disputed"
            else {"transaction": _subject(event, account)},
        },
    )
    # Like the SDKs: base64 in lines, each with a line feed, the last one included.
    payload = base64.encodebytes(document)
    signed = f"{account.public_key}|{signature(payload, private_key)}"
    form = urlencode({"bt_signature": signed, "bt_payload": payload.decode()})
    return HttpRequest("POST", path, dict(HEADERS), form.encode())


def signature(payload: bytes, private_key: str) -> str:
    """HMAC-SHA1 in hex digits; its key is the hash of the private key."""
    key = hashlib.sha1(private_key.encode()).digest()  # noqa: S324  (Braintree's own scheme)
    return hmac.new(key, payload, hashlib.sha1).hexdigest()


def _merchant_id(event: Event, account: Account) -> str:
    transaction = account.registry.at(event.reference)
    return transaction.merchant_id if transaction is not None else ""


def _dispute(event: Event, account: Account, sent_s: int) -> dict[str, Any]:
    """The dispute that reports a chargeback by the cardholder's bank."""
    sold = _subject(event, account)
    disputed, opened = amount(event.amount_minor, event.currency), moment(sent_s)
    return {
        "id": encode(f"{event.reference}/{event.item}"),
        "amount": disputed,
        "amount_disputed": disputed,
        "amount_won": amount(0, event.currency),
        "case_number": f"CB{crc32(event.key.encode())}",
        "created_at": opened,
        "updated_at": opened,
        "currency_iso_code": event.currency,
        "kind": "chargeback",
        "merchant_account_id": sold.get("merchant_account_id"),
        "reason": "fraud",
        "reason_code": None,
        "reason_description": None,
        "received_date": opened.date(),
        "date_opened": opened.date(),
        "reply_by_date": moment(sent_s + _REPLY_S).date(),
        "reference_number": None,
        "original_dispute_id": None,
        "status": "open",
        "status_history": Rows("status_history", [{"status": "open", "timestamp": opened}]),
        "evidence": Rows("evidence", []),
        "transaction": {
            "id": sold["id"],
            "amount": sold["amount"],
            "created_at": sold.get("created_at", opened),
            "order_id": sold.get("order_id"),
            "payment_instrument_subtype": event.instrument.group.capitalize(),
        },
    }


def _subject(event: Event, account: Account) -> dict[str, Any]:
    transaction = account.registry.at(event.reference)
    if transaction is not None:
        return shown(account, _named(event, transaction))
    return {
        "id": encode(event.reference),
        "amount": amount(event.amount_minor, event.currency),
        "status": "settled",
        "type": "sale",
        "currency_iso_code": event.currency,
        "order_id": event.payment,
    }


def _named(event: Event, transaction: SaleTransaction) -> IdTarget:
    """The settlement or refund that an event is about, where it has a transaction of its own."""
    parts = [*transaction.settlements, *transaction.refunds]
    part = next((part for part in parts if part.is_own and part.item == event.item), None)
    return IdTarget(transaction=transaction, part=part)
