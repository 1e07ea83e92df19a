"""Stripe's disputes: what it shows about a charge that the cardholder's bank has charged back.

Sources: Stripe's OpenAPI description (`dispute`), and its error code `charge_disputed`.
"""

from __future__ import annotations

from msgspec.structs import replace

from paychain.protocol.dialects.stripe.account import Account, Plan, RoutedRequest, written
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.errors import Invalid, invalid, missing
from paychain.protocol.dialects.stripe.ids import made, read
from paychain.protocol.dialects.stripe.parameters import boolean, mapping
from paychain.protocol.dialects.stripe.records import (
    CaptureOrRefund,
    Charge,
    Intent,
    item_of_update,
)
from paychain.protocol.message import PaymentRequest

CREATED, UPDATED = "charge.dispute.created", "charge.dispute.updated"
CLOSED = "charge.dispute.closed"
EVENTS = "charge.dispute."
UNDER_REVIEW, LOST = "under_review", "lost"
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
        "evidence": {
            **dict.fromkeys(_EVIDENCE),
            "enhanced_evidence": {},
            **part.fields.get("evidence", {}),
        },
        "evidence_details": {
            "due_by": part.created_s + _DUE_S,
            "enhanced_eligibility": {},
            "has_evidence": bool(part.fields.get("evidence")),
            "past_due": False,
            "submission_count": part.fields.get("submissions", 0),
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": part.fields.get("metadata", {}),
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
        "status": part.state or "needs_response",
    }


def retrieve(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/disputes/{dispute}`."""
    intent, charge, _ = _found(account, asked)
    return account.looked_up(lambda: shown(intent, charge), replace(charge.request, is_sale=False))


def update(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/disputes/{dispute}`: evidence, which is submitted unless `submit=false`.

    Raises Invalid.
    """
    intent, charge, part = _found(account, asked)
    given = mapping(asked.given, "evidence")
    for name, value in given.items():
        if name not in _EVIDENCE or not isinstance(value, str):
            raise invalid(f"Received unknown parameter: evidence[{name}]", param="evidence")
    is_submitted = boolean(asked.given, "submit", default=True)
    # What its metadata say can be changed at any time.
    is_for_review = bool(given) or (is_submitted and "submit" in asked.given)

    def check() -> None:
        if is_for_review:
            _check_open(part)

    check()
    written(part.fields.get("metadata", {}), asked.given)

    def change() -> None:
        check()
        metadata = written(part.fields.get("metadata", {}), asked.given)
        evidence = {**part.fields.get("evidence", {}), **given}
        part.fields.update(metadata=metadata, evidence=evidence)
        if is_submitted and evidence and not part.state:
            part.state, part.fields["submissions"] = UNDER_REVIEW, 1
        _report(account, charge, part, UPDATED)

    request = replace(charge.request, is_sale=False)
    return account.looked_up(lambda: shown(intent, charge), request, change=change)


def close(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/disputes/{dispute}/close`: the merchant accepts it. Raises Invalid."""
    intent, charge, part = _found(account, asked)
    _check_open(part)

    def change() -> None:
        # Another request may have closed it meanwhile.
        _check_open(part)
        part.state = LOST
        part.fields["closed_as"] = len(part.updated_s) + 1
        _report(account, charge, part, CLOSED)

    request = replace(charge.request, is_sale=False)
    return account.looked_up(lambda: shown(intent, charge), request, change=change)


def _check_open(part: CaptureOrRefund) -> None:
    if part.state:
        raise invalid("This dispute is already closed, or under review.")


def log(charge: Charge) -> list[tuple[str, PaymentRequest, int]]:
    """The events of a charge's dispute, each with its time."""
    part = charge.dispute
    assert part is not None
    found = [(CREATED, replace(charge.request, item=part.item), part.created_s)]
    for number, at_s in enumerate(part.updated_s, 1):
        kind = CLOSED if number == part.fields.get("closed_as") else UPDATED
        found.append((kind, replace(charge.request, item=item_of_update(part, number)), at_s))
    return found


def _report(account: Account, charge: Charge, part: CaptureOrRefund, kind: str) -> None:
    part.updated_s.append(account.backend.now_s())
    request = replace(charge.request, is_sale=False, item=item_of_update(part))
    account.backend.notify(kind, request)


def _found(account: Account, asked: RoutedRequest) -> tuple[Intent, Charge, CaptureOrRefund]:
    """The dispute that a path names, and its charge. Raises Invalid."""
    name = asked.names[0]
    asked.concerns(name)
    reference, item = read(_PREFIX, name) or ("", "")
    found = account.intents.charge_of(reference)
    part = found[1].dispute if found is not None else None
    if found is None or part is None or part.item != item:
        raise missing("dispute", name)
    return *found, part


def not_refundable(charge: Charge) -> Invalid:
    """The error for a refund of what the cardholder has already got back."""
    return invalid(
        f"Charge {made('ch', charge.reference)} has been charged back; cannot issue a refund.",
        code="charge_disputed",
    )
