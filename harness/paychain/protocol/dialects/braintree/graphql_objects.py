"""Transactions and refunds as Braintree's GraphQL API shows them, made of those of its other API.

Every object has `__types`: its type, and the interfaces and unions that it belongs to.
Source: schema.graphql in github.com/braintree/graphql-api.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from paychain.protocol.graphql import Selection

TYPES = "__types"
_BRANDS = {
    "Visa": "VISA",
    "MasterCard": "MASTERCARD",
    "American Express": "AMERICAN_EXPRESS",
    "Discover": "DISCOVER",
}
# The event of each status, and whether the status is the last one. AUTHORIZING has none.
_EVENTS = {
    "AUTHORIZED": ("AuthorizedEvent", False),
    "SUBMITTED_FOR_SETTLEMENT": ("SubmittedForSettlementEvent", False),
    "SETTLEMENT_PENDING": ("SettlementPendingEvent", False),
    "SETTLED": ("SettledEvent", True),
    "VOIDED": ("VoidedEvent", True),
    "AUTHORIZATION_EXPIRED": ("AuthorizationExpiredEvent", True),
    "PROCESSOR_DECLINED": ("ProcessorDeclinedEvent", True),
    "GATEWAY_REJECTED": ("GatewayRejectedEvent", True),
    "FAILED": ("FailedEvent", True),
}
TRANSACTION, REFUND = "transaction", "refund"
CARD, CUSTOMER = "paymentmethod_cc", "customer"


def global_id(kind: str, name: str) -> str:
    """The id of an object in this API, whose legacy id is that of the other one."""
    return base64.b64encode(f"{kind}_{name}".encode()).decode()


def legacy_id(given: str, *kinds: str) -> str:
    """The legacy id in an id of one of these kinds; "" for any other text."""
    try:
        text = base64.b64decode(given, validate=True).decode()
    except ValueError:
        return ""
    for kind in kinds:
        if text.startswith(f"{kind}_"):
            return text.removeprefix(f"{kind}_")
    return ""


def payment(shown: dict[str, Any]) -> dict[str, Any]:
    """A sale as a Transaction, a credit as a Refund. `shown`: it in the other API."""
    is_refund = shown["type"] == "credit"
    kind, name = (REFUND, "Refund") if is_refund else (TRANSACTION, "Transaction")
    status = str(shown["status"]).upper()
    amount = _money(shown["amount"], shown["currency_iso_code"])
    made: dict[str, Any] = {
        TYPES: (name, "Node", "Payment", "Reversal"),
        "id": global_id(kind, shown["id"]),
        "legacyId": shown["id"],
        "amount": amount,
        "createdAt": shown["created_at"],
        "merchantAccountId": shown["merchant_account_id"],
        "orderId": shown["order_id"],
        "status": status,
        "statusHistory": [_event(shown, status, amount)] if status in _EVENTS else [],
        "paymentMethodSnapshot": _card(shown["credit_card"]),
    }
    if is_refund:
        refunded = shown.get("refunded_transaction_id")
        made["refundedTransaction"] = _named(refunded) if refunded else None
        return made
    return {
        **made,
        "channel": shown["channel"],
        "customFields": _fields(shown["custom_fields"]),
        "customer": customer(shown["customer"]),
        "refunds": [_named(each, REFUND) for each in shown["refund_ids"]],
    }


def chosen(
    value: Any, selections: list[Selection], note: Callable[[str], None], at: str = ""
) -> Any:
    """What is asked of a value. `note` gets the path of what this mock does not know: null."""
    if isinstance(value, list):
        return [chosen(each, selections, note, at) for each in value]
    if not isinstance(value, dict):
        return value
    types = value.get(TYPES, ())
    found: dict[str, Any] = {}
    for each in selections:
        if each.on is not None:
            if each.on in ("", *types):
                _merge(found, chosen(value, each.selections, note, at))
            continue
        path = f"{at}.{each.name}" if at else each.name
        if each.name == "__typename":
            found[each.key] = types[0] if types else None
        elif each.name in value:
            _merge(found, {each.key: chosen(value[each.name], each.selections, note, path)})
        else:
            note(path)
            found[each.key] = None
    return found


def status_in(data: Any) -> str:
    """The status of the payment in an answer, "" where it was not asked for."""
    if not isinstance(data, dict):
        return ""
    if isinstance(data.get("status"), str):
        return str(data["status"])
    return next((status for each in data.values() if (status := status_in(each))), "")


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    """Fields of one name that are asked for twice are one field with both selections."""
    for name, value in more.items():
        old = into.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            _merge(old, value)
        else:
            into[name] = value


def _money(value: str, currency: str) -> dict[str, Any]:
    kind = {TYPES: ("MonetaryAmount",)}
    return {**kind, "value": value, "currencyIsoCode": currency, "currencyCode": currency}


def _event(shown: dict[str, Any], status: str, amount: dict[str, Any]) -> dict[str, Any]:
    """Only the present status: the mock keeps no history."""
    name, is_last = _EVENTS[status]
    response = {
        TYPES: ("TransactionAuthorizationProcessorResponse",),
        "legacyCode": shown["processor_response_code"] or None,
        "message": shown["processor_response_text"] or None,
        "authorizationId": shown["processor_authorization_code"],
        "additionalInformation": shown["additional_processor_response"],
    }
    reason = shown["gateway_rejection_reason"]
    return {
        TYPES: (name, "PaymentStatusEvent"),
        "amount": amount,
        "status": status,
        "terminal": is_last,
        "timestamp": shown["created_at"],
        "processorResponse": response,
        "gatewayRejectionReason": str(reason).upper() if reason else None,
        "declineType": _decline_type(shown) if status == "PROCESSOR_DECLINED" else None,
    }


def _decline_type(shown: dict[str, Any]) -> str:
    kind = str(shown["processor_response_type"] or "")
    return "HARD_DECLINE" if "hard" in kind else "SOFT_DECLINE"


def _card(card: dict[str, Any]) -> dict[str, Any]:
    brand = _BRANDS.get(card["card_type"], "UNKNOWN")
    return {
        TYPES: ("CreditCardDetails", "PaymentMethodSnapshot"),
        "bin": card["bin"],
        "brandCode": brand,
        "cardholderName": card["cardholder_name"],
        "expirationMonth": card["expiration_month"],
        "expirationYear": card["expiration_year"],
        "last4": card["last_4"],
    }


def payment_method(card: dict[str, Any]) -> dict[str, Any]:
    """A card in the vault. `card`: it in the other API."""
    return {
        TYPES: ("PaymentMethod", "Node"),
        "id": global_id(CARD, card["token"]),
        "legacyId": card["token"],
        "usage": "MULTI_USE",
        "createdAt": card["created_at"],
        "details": _card(card),
        "customer": {
            TYPES: ("Customer", "Node"),
            "id": global_id(CUSTOMER, card["customer_id"]),
            "legacyId": card["customer_id"],
        },
    }


def verification(shown: dict[str, Any] | None) -> dict[str, Any]:
    """The verification of a card. `shown`: one that failed, in the other API; None: it passed."""
    failed = shown or {}
    response = {
        TYPES: ("VerificationProcessorResponse",),
        "legacyCode": failed.get("processor_response_code") or "1000",
        "message": failed.get("processor_response_text") or "Approved",
    }
    return {
        TYPES: ("Verification", "Node"),
        "status": str(failed.get("status") or "verified").upper(),
        "processorResponse": response,
    }


def customer(shown: dict[str, Any]) -> dict[str, Any] | None:
    """A customer, None for a sale without one. `shown`: it in the other API."""
    name = shown["id"]
    if not name:
        return None
    return {
        TYPES: ("Customer", "Node"),
        "id": global_id(CUSTOMER, name),
        "legacyId": name,
        "company": shown["company"],
        "email": shown["email"],
        "firstName": shown["first_name"],
        "lastName": shown["last_name"],
        "phoneNumber": shown["phone"],
    }


def _fields(given: Any) -> list[dict[str, Any]]:
    if not isinstance(given, dict):
        return []
    kind = {TYPES: ("CustomField",)}
    return [{**kind, "name": name, "value": value} for name, value in given.items()]


def _named(name: str, kind: str = TRANSACTION) -> dict[str, Any]:
    return {
        TYPES: ("Refund" if kind == REFUND else "Transaction", "Node", "Payment"),
        "id": global_id(kind, name),
        "legacyId": name,
    }
