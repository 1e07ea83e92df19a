"""Orders, authorisations, captures and refunds as PayPal shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from paychain.payments.outcome import Outcome
from paychain.protocol.dialect import BookEntry
from paychain.protocol.dialects.paypal.account import Account, inside, shown_money
from paychain.protocol.dialects.paypal.purchase_units import ONLY
from paychain.protocol.dialects.paypal.records import (
    AUTHORIZATION,
    CAPTURE,
    CaptureOrRefund,
    Charge,
    IdTarget,
    Order,
    Tracker,
    made_id,
)
from paychain.protocol.dialects.paypal.tables import APPROVED, PARTIAL, response_code
from paychain.protocol.vendor_parts import FAILED

DAY_S = 86_400
_OF_TOKEN = (("self", "GET"), ("delete", "DELETE"))
VALID_DAYS = 29  # of an authorisation (developer.paypal.com: authorize and capture)
MERCHANT = "PAYCHAIN"
_PAYEE = {"merchant_id": MERCHANT, "email_address": "merchant@example.com"}
APPROVAL = "checkoutnow"  # a page
ORDERS, PAYMENTS = "/v2/checkout/orders", "/v2/payments"
PENDING, DECLINED, DENIED = "PENDING", "DECLINED", "DENIED"
VOIDED, EXPIRED, CREATED = "VOIDED", "EXPIRED", "CREATED"
COMPLETED = "COMPLETED"


def time_of(seconds: int) -> str:
    """A time in seconds since 1970 as PayPal writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def status_of_charge(account: Account, charge: Charge) -> str:
    """Of its authorisation: CREATED, CAPTURED, PARTIALLY_CAPTURED, VOIDED, DENIED or PENDING."""
    entry = account.entry(charge.reference)
    state = entry.state if entry is not None else ""
    if state in ("", "in_flight", "not_authorised"):
        return DENIED if _is_declined(charge, state) else PENDING
    captured_minor = entry.captured_minor if entry is not None else 0
    if not captured_minor:
        return {"voided": VOIDED, "expired": EXPIRED}.get(state, CREATED)
    is_open = state == "authorised" and entry is not None and entry.rest_minor > 0
    if is_open:
        return "PARTIALLY_CAPTURED"
    # What a final capture leaves is released with it; what is left by others has to be voided.
    is_final = any(part.is_final for part in charge.captured(entry))
    return VOIDED if state == "voided" and not is_final else "CAPTURED"


def _is_declined(charge: Charge, state: str) -> bool:
    answer = charge.answer
    if answer is not None and answer.outcome is not Outcome.UNKNOWN:
        return answer.outcome is Outcome.DECLINED
    # Its answer was lost before it got here, or given before the link had begun it, but the book
    # has closed it since.
    return state == "not_authorised" and (answer is None or charge.was_stuck)


def status_of_capture(account: Account, charge: Charge, part: CaptureOrRefund) -> str:
    """The status of a capture, according to the book."""
    entry = account.entry(charge.reference)
    if part not in charge.captured(entry) or not part.amount_minor:
        # Of a partial approval, nothing may be left for it.
        is_denied = not part.amount_minor or (
            charge.request.is_sale and status_of_charge(account, charge) == DENIED
        )
        return DECLINED if is_denied or part.state == FAILED else PENDING
    given_back = part.amount_minor - left_minor(charge, part, entry)
    if given_back >= part.amount_minor:
        return "REFUNDED"
    return "PARTIALLY_REFUNDED" if given_back else COMPLETED


def left_minor(charge: Charge, part: CaptureOrRefund, entry: BookEntry | None) -> int:
    """What of a capture has not been refunded, in minor units."""
    refunded = charge.refunded(entry, part.item)
    return part.amount_minor - sum(refund.amount_minor for refund in refunded)


def status_of_refund(account: Account, charge: Charge, part: CaptureOrRefund) -> str:
    """The status of a refund, according to the book."""
    if part in charge.refunded(account.entry(charge.reference)):
        return COMPLETED
    return "FAILED" if part.state == FAILED else PENDING


def status_of_order(account: Account, order: Order) -> str:
    """The status of an order: COMPLETED even if its card was declined, as its payment shows."""
    charge = order.charge
    if charge is not None:
        status = status_of_charge(account, charge)
        if charge.is_card or status not in (DENIED, PENDING):
            return COMPLETED
        return "APPROVED"
    if order.is_paid:
        return "APPROVED"
    return "PAYER_ACTION_REQUIRED" if order.waits else CREATED


def order_shown(account: Account, order: Order) -> dict[str, Any]:
    """The whole order."""
    return {
        "id": order.id,
        "intent": order.intent,
        "status": status_of_order(account, order),
        **({"payment_source": _source(account, order)} if order.source else {}),
        "purchase_units": [
            _unit_shown(account, order, number) for number in range(len(order.units))
        ],
        "create_time": time_of(order.created_s),
        "update_time": time_of(order.created_s),
        "links": order_links(account, order),
    }


def _unit_shown(account: Account, order: Order, number: int) -> dict[str, Any]:
    """A purchase unit with its payments, and the trackers of what was shipped of it."""
    unit, charge = order.units[number], order.charge
    shown = {"reference_id": ONLY, **unit, "payee": {**_PAYEE, **inside(unit, "payee")}}
    if charge is not None:
        shown["payments"] = payments_of(account, order, charge, number)
    trackers = [_tracker(account, order, each) for each in order.trackers if each.unit == number]
    if trackers:
        shown["shipping"] = {**inside(unit, "shipping"), "trackers": trackers}
    return shown


def _tracker(account: Account, order: Order, tracker: Tracker) -> dict[str, Any]:
    at = f"{ORDERS}/{order.id}"
    return {
        "id": tracker.id,
        "status": tracker.status,
        **({"items": tracker.items} if tracker.items else {}),
        "links": [
            _link(account, at, "up", "GET"),
            _link(account, f"{at}/trackers/{tracker.id}", "update", "PATCH"),
        ],
        "create_time": time_of(tracker.created_s),
        "update_time": time_of(tracker.updated_s),
    }


def _source(account: Account, order: Order) -> dict[str, Any]:
    """What pays an order, with the token under which the vault keeps it."""
    if order.kept is None:
        return order.source
    token, customer = order.kept
    at = f"{account.base}/v3/vault/payment-tokens/{token}"
    links = [{"href": at, "rel": rel, "method": method} for rel, method in _OF_TOKEN]
    vault = {"id": token, "status": "VAULTED", "customer": {"id": customer}, "links": links}
    ((name, shown),) = order.source.items()
    return {name: {**shown, "attributes": {"vault": vault}}}


def minimal(shown: dict[str, Any]) -> dict[str, Any]:
    """The part of an object that is shown with `Prefer: return=minimal`."""
    return {name: shown[name] for name in ("id", "status", "links") if name in shown}


def order_links(account: Account, order: Order) -> list[dict[str, str]]:
    """The links of an order: what can be done with it next."""
    status, at = status_of_order(account, order), f"{ORDERS}/{order.id}"
    links = [_link(account, at, "self", "GET")]
    if status in (CREATED, "PAYER_ACTION_REQUIRED"):
        rel = "approve" if status == CREATED else "payer-action"
        href = approval_page(account, order)
        links.append({"href": href, "rel": rel, "method": "GET"})
    if status in (CREATED, "APPROVED"):
        action = order.intent.lower()
        links.append(_link(account, f"{at}/{action}", action, "POST"))
    return links


def approval_page(account: Account, order: Order) -> str:
    """Where the payer approves an order."""
    return f"{account.pages}/{APPROVAL}?token={order.id}"


def payments_of(account: Account, order: Order, charge: Charge, number: int) -> dict[str, Any]:
    """The payments of an order's unit: its authorisation or captures, and refunds."""
    payments: dict[str, Any] = {}
    if order.intent != CAPTURE:
        payments["authorizations"] = [authorization_shown(account, order, charge)]
    captured = charge.captured(account.entry(charge.reference))
    captures = charge.captures if order.intent == CAPTURE else captured
    captures = [part for part in captures if order.unit_of(part.item) == number]
    if captures:
        payments["captures"] = [capture_shown(account, order, charge, each) for each in captures]
    refunded = charge.refunded(account.entry(charge.reference))
    refunded = [part for part in refunded if order.unit_of(part.of) == number]
    if refunded:
        payments["refunds"] = [refund_shown(account, order, charge, each) for each in refunded]
    return payments


def authorization_shown(account: Account, order: Order, charge: Charge) -> dict[str, Any]:
    """An authorised payment."""
    name = made_id(charge.reference, AUTHORIZATION)
    status, at = status_of_charge(account, charge), f"{PAYMENTS}/authorizations/{name}"
    # PayPal has no status for an expired one: only its link to capture is gone.
    links = [_link(account, at, "self", "GET")]
    if status in (CREATED, "PARTIALLY_CAPTURED"):
        links += [_link(account, f"{at}/{what}", what, "POST") for what in ("capture", "void")]
    entry = account.entry(charge.reference)
    booked = entry.request if entry is not None else None
    minor = booked.amount_minor if booked is not None else charge.request.amount_minor
    return {
        "id": name,
        "status": VOIDED if status == EXPIRED else status,
        "amount": shown_money(minor, charge.request.currency),
        **_merchants(order),
        **_processor(account, charge),
        "seller_protection": {"status": "NOT_ELIGIBLE"},
        "expiration_time": time_of(charge.created_s + VALID_DAYS * DAY_S),
        "create_time": time_of(charge.created_s),
        "update_time": time_of(charge.created_s),
        "links": [*links, _link(account, f"{ORDERS}/{order.id}", "up", "GET")],
    }


def capture_shown(
    account: Account, order: Order, charge: Charge, part: CaptureOrRefund
) -> dict[str, Any]:
    """A captured payment."""
    name = made_id(charge.reference, part.item)
    at, status = f"{PAYMENTS}/captures/{name}", status_of_capture(account, charge, part)
    up = f"{ORDERS}/{order.id}"
    if order.intent != CAPTURE:
        up = f"{PAYMENTS}/authorizations/{made_id(charge.reference, AUTHORIZATION)}"
    gross = shown_money(part.amount_minor, charge.request.currency)
    zero = shown_money(0, charge.request.currency)
    return {
        "id": name,
        "status": status,
        **({"status_details": {"reason": "OTHER"}} if status == PENDING else {}),
        "amount": gross,
        "final_capture": part.is_final,
        **_merchants(order, order.unit_of(part.item)),
        **part.shown,
        **_processor(account, charge),
        "seller_protection": {"status": "NOT_ELIGIBLE"},
        "seller_receivable_breakdown": {
            "gross_amount": gross,
            "paypal_fee": zero,
            "net_amount": gross,
        },
        "create_time": time_of(part.created_s),
        "update_time": time_of(part.created_s),
        "links": [
            _link(account, at, "self", "GET"),
            _link(account, f"{at}/refund", "refund", "POST"),
            _link(account, up, "up", "GET"),
        ],
    }


def refund_shown(
    account: Account, order: Order, charge: Charge, part: CaptureOrRefund
) -> dict[str, Any]:
    """A refund."""
    name = made_id(charge.reference, part.item)
    capture = f"{PAYMENTS}/captures/{made_id(charge.reference, part.of)}"
    gross = shown_money(part.amount_minor, charge.request.currency)
    return {
        "id": name,
        "status": status_of_refund(account, charge, part),
        "amount": gross,
        **_merchants(order, order.unit_of(part.of)),
        **part.shown,
        "seller_payable_breakdown": {
            "gross_amount": gross,
            "net_amount": gross,
            "total_refunded_amount": gross,
        },
        "create_time": time_of(part.created_s),
        "update_time": time_of(part.created_s),
        "links": [
            _link(account, f"{PAYMENTS}/refunds/{name}", "self", "GET"),
            _link(account, capture, "up", "GET"),
        ],
    }


def payment_shown(account: Account, named: IdTarget) -> dict[str, Any]:
    """The authorisation, capture or refund that an id names."""
    order, charge, part = named.order, named.charge, named.part
    if part is None:
        return authorization_shown(account, order, charge)
    shown = refund_shown if part in charge.refunds else capture_shown
    return shown(account, order, charge, part)


def response_of(charge: Charge) -> str:
    """The processor's response, "" when there is none."""
    answer = charge.answer
    if answer is None or answer.outcome is Outcome.UNKNOWN:
        return ""
    if answer.outcome is Outcome.APPROVED:
        is_part = 0 < answer.amount_minor < charge.request.amount_minor
        return PARTIAL if is_part else APPROVED
    return charge.response or response_code(answer.code, charge.request.instrument.group)


def _processor(account: Account, charge: Charge) -> dict[str, Any]:
    code = response_of(charge)
    if not code or not charge.is_card:
        return {}
    is_declined = status_of_charge(account, charge) == DENIED
    avs, cvv = ("G", "P") if is_declined else ("Y", "M")
    return {"processor_response": {"avs_code": avs, "cvv_code": cvv, "response_code": code}}


def _merchants(order: Order, number: int = 0) -> dict[str, Any]:
    unit = order.units[number]
    return {name: unit[name] for name in ("custom_id", "invoice_id") if name in unit}


def _link(account: Account, path: str, rel: str, method: str) -> dict[str, str]:
    return {"href": f"{account.base}{path}", "rel": rel, "method": method}
