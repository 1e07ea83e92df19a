"""Stripe's objects as its API shows them, with every field that its fixtures have, nulls included.

Source: the fixtures and the description in Stripe's stripe-mock v0.203.0 (2026-08-26.dahlia).
"""

from __future__ import annotations

from paychain.protocol.dialect import BookEntry
from paychain.protocol.dialects.stripe.cards import Method
from paychain.protocol.dialects.stripe.declines import decline_of
from paychain.protocol.dialects.stripe.details import Shown, billing, checks, details, outcome
from paychain.protocol.dialects.stripe.ids import made, opaque
from paychain.protocol.dialects.stripe.records import (
    CANCELED,
    METHOD_ITEM,
    REQUIRES_ACTION,
    REQUIRES_CAPTURE,
    REQUIRES_METHOD,
    SUCCEEDED,
    CaptureOrRefund,
    Charge,
    Intent,
)
from paychain.protocol.vendor import Backend

_CARD_OPTIONS = {
    "installments": None,
    "mandate_options": None,
    "network": None,
    "request_three_d_secure": "automatic",
}


class Objects:
    """Shows the objects of one link. `base`: the URL at which customers reach its pages."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.base = ""

    def entry(self, intent: Intent) -> BookEntry | None:
        """The book entry of the last charge of an intent."""
        return self._backend.entry(intent.charge.reference) if intent.charge is not None else None

    def intent(self, intent: Intent, status: str = "") -> Shown:
        """A payment intent. `status`: set where a fault shows another one than the book's."""
        entry = self.entry(intent)
        status = status or intent.status(entry)
        fields = intent.fields
        # The intent no longer has a card that was declined.
        has_method = intent.method is not None and status != REQUIRES_METHOD
        capturable_minor = entry.rest_minor if entry and status == REQUIRES_CAPTURE else 0
        received_minor = entry.captured_minor if entry is not None else 0
        is_shown = intent.charge is not None and self.is_made(intent.charge)
        is_canceled = status == CANCELED
        return {
            "id": intent.id,
            "object": "payment_intent",
            "allowed_payment_method_types": None,
            "amount": intent.amount_minor,
            "amount_capturable": capturable_minor,
            "amount_details": {"tip": {}},
            "amount_received": received_minor,
            "application": None,
            "application_fee_amount": None,
            "automatic_payment_methods": fields.get("automatic_payment_methods"),
            "canceled_at": (intent.canceled_s or self._backend.now_s()) if is_canceled else None,
            "cancellation_reason": _reason(intent, entry) if is_canceled else None,
            "capture_method": fields.get("capture_method", "automatic_async"),
            "client_secret": f"{intent.id}_{opaque('secret', intent.reference)}",
            "confirmation_method": fields.get("confirmation_method", "automatic"),
            "created": intent.created_s,
            "currency": intent.currency,
            "customer": fields.get("customer"),
            "customer_account": None,
            "description": fields.get("description"),
            "excluded_payment_method_types": None,
            "last_payment_error": self._last_error(intent, entry, status),
            "latest_charge": made("ch", intent.charge.reference)
            if is_shown and intent.charge
            else None,
            "livemode": False,
            "managed_payments": None,
            "metadata": fields.get("metadata", {}),
            "next_action": self._next_action(intent) if status == REQUIRES_ACTION else None,
            "on_behalf_of": None,
            "payment_method": intent.method.id if has_method and intent.method else None,
            "payment_method_configuration_details": None,
            "payment_method_options": {"card": dict(_CARD_OPTIONS)},
            "payment_method_types": fields.get("payment_method_types", ["card"]),
            "processing": None,
            "receipt_email": fields.get("receipt_email"),
            "review": None,
            "setup_future_usage": fields.get("setup_future_usage"),
            "shipping": fields.get("shipping"),
            "source": None,
            "statement_descriptor": fields.get("statement_descriptor"),
            "statement_descriptor_suffix": fields.get("statement_descriptor_suffix"),
            "status": status,
            "transfer_data": None,
            "transfer_group": fields.get("transfer_group"),
        }

    def is_made(self, charge: Charge) -> bool:
        """Whether a charge reached the link: an error before the link's work prevents that."""
        return charge.answer is not None or self._backend.entry(charge.reference) is not None

    def _last_error(self, intent: Intent, entry: BookEntry | None, status: str) -> Shown | None:
        if status != REQUIRES_METHOD:
            return None
        # The answer with a decline was lost: the intent shows the decline all the same.
        if intent.error is None and entry is not None and intent.charge is not None:
            return self.decline(intent.charge, "")
        return intent.error

    def _next_action(self, intent: Intent) -> Shown:
        if not intent.return_url:
            return {
                "type": "use_stripe_sdk",
                "use_stripe_sdk": {
                    "type": "three_d_secure_redirect",
                    "stripe_js": self.page(intent),
                    "source": opaque("payatt", intent.reference),
                },
            }
        return {
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": intent.return_url, "url": self.page(intent)},
        }

    def page(self, intent: Intent) -> str:
        """The URL where the customer authenticates a payment."""
        return f"{self.base}/3d_secure_2/authenticate/{intent.id}"

    def decline(self, charge: Charge, code: str) -> Shown:
        """The error for a charge that was declined with a DE39 code."""
        de39 = code or (charge.answer.code if charge.answer is not None else "")
        return self.card_error(charge.method, de39, charge=made("ch", charge.reference))

    def card_error(self, method: Method, de39: str, **more: str) -> Shown:
        """The error for a declined card. `more`: the object that it was to pay for."""
        known = decline_of(de39)
        shown: Shown = {}
        if known.advice:
            shown["advice_code"] = known.advice
        shown.update(more)
        shown["code"] = known.code
        if known.decline_code:
            shown["decline_code"] = known.decline_code
        shown["doc_url"] = f"https://stripe.com/docs/error-codes/{known.code.replace('_', '-')}"
        shown["message"] = known.message
        if known.de39:
            shown["network_decline_code"] = known.de39
        shown["payment_method"] = self.method(method)
        shown["type"] = "card_error"
        return shown

    def charge(self, intent: Intent, charge: Charge) -> Shown:
        """A charge."""
        entry = self._backend.entry(charge.reference)
        is_held = entry is not None and entry.state not in ("not_authorised", "in_flight")
        is_open = entry is not None and entry.state == "in_flight"
        captured_minor = entry.captured_minor if entry is not None else 0
        refunded_minor = entry.refunded_minor if entry is not None else 0
        # A voided amount was held, and then refunded.
        is_voided = (
            entry is not None and entry.state in ("voided", "expired") and not captured_minor
        )
        failure = None if is_held or is_open else self.decline(charge, "")
        fields = intent.fields
        method = charge.method
        return {
            "id": made("ch", charge.reference),
            "object": "charge",
            "amount": charge.request.amount_minor,
            "amount_captured": captured_minor,
            "amount_refunded": charge.request.amount_minor if is_voided else refunded_minor,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": made("txn", charge.reference) if captured_minor else None,
            "billing_details": billing(method.billing),
            "calculated_statement_descriptor": fields.get("statement_descriptor") or "PAYCHAIN",
            "captured": captured_minor > 0,
            "created": charge.created_s,
            "currency": intent.currency,
            "customer": fields.get("customer"),
            "description": fields.get("description"),
            "disputed": charge.dispute is not None,
            "failure_balance_transaction": None,
            "failure_code": failure["code"] if failure else None,
            "failure_message": failure["message"] if failure else None,
            "fraud_details": {},
            "livemode": False,
            "metadata": fields.get("metadata", {}),
            "on_behalf_of": None,
            "outcome": None if is_open else outcome(failure),
            "paid": is_held,
            "payment_intent": intent.id,
            "payment_method": method.id,
            "payment_method_details": {"card": details(charge, intent), "type": "card"},
            "radar_options": {},
            "receipt_email": fields.get("receipt_email"),
            "receipt_number": None,
            "receipt_url": None,
            "refunded": is_voided or 0 < captured_minor == refunded_minor,
            "review": None,
            "shipping": fields.get("shipping"),
            "source": None,
            "source_transfer": None,
            "statement_descriptor": fields.get("statement_descriptor"),
            "statement_descriptor_suffix": fields.get("statement_descriptor_suffix"),
            "status": "succeeded" if is_held else "pending" if is_open else "failed",
            "transfer_data": None,
            "transfer_group": fields.get("transfer_group"),
        }

    def refund(self, intent: Intent, charge: Charge, part: CaptureOrRefund) -> Shown:
        """A refund."""
        done = charge.refunded(self._backend.entry(charge.reference))
        status = part.state or (SUCCEEDED if part in done else "pending")
        status = "failed" if part.failed_s else status
        shown = {
            "id": made("re", charge.reference, part.item),
            "object": "refund",
            "amount": part.amount_minor,
            "balance_transaction": made("txn", charge.reference, part.item)
            if status == SUCCEEDED
            else None,
            "charge": made("ch", charge.reference),
            "created": part.created_s,
            "currency": intent.currency,
            "customer": intent.fields.get("customer"),
            "customer_account": None,
            "destination_details": {
                "card": {
                    "reference_status": "pending",
                    "reference_type": "acquirer_reference_number",
                    "type": "refund",
                },
                "type": "card",
            },
            "metadata": part.fields.get("metadata", {}),
            "payment_intent": intent.id,
            "payment_method": charge.method.id,
            "reason": part.fields.get("reason"),
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": status,
            "transfer_reversal": None,
        }
        if status == "failed":
            shown["failure_reason"] = "unknown"
        return shown

    def method(self, method: Method) -> Shown:
        """A payment method."""
        return {
            "id": method.id,
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": billing(method.billing),
            "card": {
                "brand": method.brand,
                "checks": checks(method),
                "country": "US",
                "display_brand": method.brand,
                "exp_month": method.month,
                "exp_year": method.year,
                "fingerprint": opaque("", method.card.masked + method.last4, 16)[1:],
                "funding": method.funding,
                "generated_from": None,
                "last4": method.last4,
                "networks": {"available": [method.brand], "preferred": None},
                "regulated_status": "unregulated",
                "three_d_secure_usage": {"supported": True},
                "wallet": None,
            },
            "created": method.created_s,
            "customer": method.customer or None,
            "customer_account": None,
            "livemode": False,
            "metadata": method.metadata,
            "type": "card",
        }

    def movement(self, intent: Intent, charge: Charge, part: CaptureOrRefund | None) -> Shown:
        """The balance transaction of a charge, or of a refund."""
        amount_minor, created_s, kind = 0, charge.created_s, "charge"
        source = made("ch", charge.reference)
        if part is not None:
            amount_minor, created_s, kind = -part.amount_minor, part.created_s, "refund"
            source = made("re", charge.reference, part.item)
        elif (entry := self._backend.entry(charge.reference)) is not None:
            amount_minor = entry.captured_minor
        return {
            "id": made("txn", charge.reference, part.item if part is not None else ""),
            "object": "balance_transaction",
            "amount": amount_minor,
            "available_on": created_s,
            "balance_type": "payments",
            "created": created_s,
            "currency": intent.currency,
            "description": intent.fields.get("description"),
            "exchange_rate": None,
            "fee": 0,
            "fee_details": [],
            "net": amount_minor,
            "reporting_category": kind,
            "source": source,
            "status": "available",
            "type": kind,
        }


def method_id(intent: Intent) -> str:
    """The id of a payment method that an intent brings along."""
    return made("pm", intent.reference, f"{METHOD_ITEM[0]}{len(intent.charges) + 1}")


def _reason(intent: Intent, entry: BookEntry | None) -> str | None:
    if entry is not None and entry.state == "expired":
        return "automatic"
    return intent.cancellation_reason or None
