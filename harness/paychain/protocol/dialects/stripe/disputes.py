"""Stripe's disputes: what it shows about a charge that the cardholder's bank has charged back.

Sources: Stripe's OpenAPI description (`dispute`), and its error code `charge_disputed`.
"""

from __future__ import annotations

from msgspec.structs import replace

from paychain.protocol.dialects.stripe.account import Account, Plan, RoutedRequest
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.errors import Invalid, invalid, missing
from paychain.protocol.dialects.stripe.ids import made, read
from paychain.protocol.dialects.stripe.records import CaptureOrRefund, Charge, Intent
from paychain.protocol.message import PaymentRequest

CREATED = "charge.dispute.created"
_PREFIX = "du"
_DUE_S = 7 * 86_400  # time to submit evidence, in seconds; deduced: it depends on the scheme
_EVIDENCE = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)


def note(account: Account, request: PaymentRequest) -> None:
    """Record that a charge is disputed."""
    found = account.intents.charge_of(request.reference)
    if found is not None and found[1].dispute is None:
        found[1].dispute = CaptureOrRefund(
            item=request.item,
            amount_minor=request.amount_minor,
            created_s=account.backend.now_s(),
        )


def shown(intent: Intent, charge: Charge) -> Shown:
    """The dispute of a charge that has one."""
    part, method = charge.dispute, charge.method
    assert part is not None
    return {
        "id": made(_PREFIX, charge.reference, part.item),
        "object": "dispute",
        "amount": part.amount_minor,
        "balance_transactions": [],
        "charge": made("ch", charge.reference),
        "created": part.created_s,
        "currency": intent.currency,
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": part.created_s + _DUE_S,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": intent.id,
        "payment_method_details": {
            "card": {
                "brand": method.brand,
                "case_type": "chargeback",
                "network": method.brand,
                "network_reason_code": None,
            },
            "type": "card",
        },
        "reason": "general",
        "status": "needs_response",
    }


def retrieve(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/disputes/{dispute}`."""
    name = asked.names[0]
    asked.concerns(name)
    reference, item = read(_PREFIX, name) or ("", "")
    found = account.intents.charge_of(reference)
    if found is None or found[1].dispute is None or found[1].dispute.item != item:
        raise missing("dispute", name)
    intent, charge = found
    return account.looked_up(lambda: shown(intent, charge), replace(charge.request, is_sale=False))


def not_refundable(charge: Charge) -> Invalid:
    """The error for a refund of what the cardholder has already got back."""
    return invalid(
        f"Charge {made('ch', charge.reference)} has been charged back; cannot issue a refund.",
        code="charge_disputed",
    )
