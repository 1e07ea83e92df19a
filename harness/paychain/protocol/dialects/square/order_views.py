"""Orders as Square shows them, from what they come to and what the book says was paid."""

from __future__ import annotations

from typing import Any

from paychain.protocol.dialects.square import views
from paychain.protocol.dialects.square.account import Account, Order, Payment, payment_id, status
from paychain.protocol.dialects.square.order_sums import LineSums, parts_of

Shown = dict[str, Any]
DRAFT, OPEN, COMPLETED, CANCELED = "DRAFT", "OPEN", "COMPLETED", "CANCELED"
_OVER = (COMPLETED, CANCELED)  # of an order, and of a fulfillment
_APPLIED = ("discounts", "taxes", "service_charges")


def paid_by(account: Account, order: Order, *states: str) -> list[tuple[Payment, str]]:
    """The order's payments in these states, each with our reference of it."""
    found = []
    for reference in order.attempts.references:
        payment = account.payment(reference)
        if payment is not None and status(account.backend.entry(reference)) in states:
            found.append((payment, reference))
    return found


def begun(account: Account, order: Order, besides: Payment | None = None) -> list[Payment]:
    """The order's payments, other than `besides`, that may yet be approved."""
    reference = besides.reference if besides is not None else ""
    begun = map(account.payment, order.attempts.begun(account.backend, reference))
    return [payment for payment in begun if payment is not None]


def worth(payment: Payment) -> int:
    """What a payment pays of its order, in minor units: tips are no part of it."""
    return payment.to_capture_minor - payment.tip_minor


def due_minor(account: Account, order: Order) -> int:
    """What no payment holds or has taken yet, in minor units."""
    paid = paid_by(account, order, "APPROVED", "COMPLETED")
    return order.sums.total_minor - sum(worth(payment) for payment, _ in paid)


def state(account: Account, order: Order) -> str:
    """OPEN until all is taken and every fulfillment is over; a draft is opened by an update."""
    if order.is_canceled:
        return CANCELED
    if order.asked.get("state") == DRAFT:
        return DRAFT
    total_minor = order.sums.total_minor
    taken = sum(worth(payment) for payment, _ in paid_by(account, order, "COMPLETED"))
    is_paid = taken >= total_minor if total_minor else order.is_marked_paid
    is_over = all(each.get("state") in _OVER for each in parts_of(order.asked, "fulfillments"))
    return COMPLETED if is_paid and is_over else OPEN


def order(account: Account, order: Order) -> Shown:
    """An order object."""
    sums, now = order.sums, state(account, order)
    paid = paid_by(account, order, "APPROVED", "COMPLETED")
    tips = sum(each.tip_minor for each, _ in paid)
    updated_s = max([order.updated_s, *(each.updated_s for each, _ in paid)])

    def money(minor: int) -> Shown:
        return {"amount": minor, "currency": sums.currency}

    amounts = {
        "total_money": money(sums.total_minor + tips),
        "tax_money": money(sums.tax_minor),
        "discount_money": money(sums.discount_minor),
        "tip_money": money(tips),
        "service_charge_money": money(sums.service_minor),
    }
    lines = zip(parts_of(order.asked, "line_items"), sums.lines, strict=True)
    shown: Shown = {
        **order.asked,
        "id": order.id,
        "location_id": order.asked.get("location_id") or account.location,
        "source": order.asked.get("source") or {"name": "paychain"},
        "line_items": [_line(asked, line, sums.currency) for asked, line in lines],
        **{
            name: [{**each, "applied_money": money(sums.applied[each["uid"]])} for each in given]
            for name in _APPLIED
            if (given := parts_of(order.asked, name))
        },
        "net_amounts": amounts,
        "state": now,
        "version": order.version,
        "created_at": views.when(order.created_s),
        "updated_at": views.when(updated_s),
        **{f"total_{name}".replace("total_total", "total"): each for name, each in amounts.items()},
        "net_amount_due_money": money(max(due_minor(account, order), 0)),
    }
    if now in _OVER:
        shown["closed_at"] = shown["updated_at"]
    tenders = [_tender(account, order, *each) for each in paid]
    return {**shown, "tenders": tenders} if tenders else shown


def _line(asked: Shown, line: LineSums, currency: str) -> Shown:
    amounts = {
        "variation_total_price_money": line.gross_minor,
        "gross_sales_money": line.gross_minor,
        "total_discount_money": line.discount_minor,
        "total_tax_money": line.tax_minor + line.included_minor,
        "total_money": line.net_minor + line.tax_minor,
    }
    shown = {name: {"amount": minor, "currency": currency} for name, minor in amounts.items()}
    return {"item_type": "ITEM", **asked, **shown}


def _tender(account: Account, order: Order, payment: Payment, reference: str) -> Shown:
    """A payment as its order shows it."""
    name = payment_id(reference)
    is_taken = status(account.backend.entry(reference)) == "COMPLETED"
    shown: Shown = {
        "id": name,
        "payment_id": name,
        "location_id": account.location,
        "transaction_id": order.id,
        "created_at": views.when(payment.requested_s),
        "amount_money": views.money(payment.to_capture_minor, payment),
        "type": "CARD",
        "card_details": {
            "status": "CAPTURED" if is_taken else "AUTHORIZED",
            "card": views.card_shown(payment.request.instrument),
            "entry_method": "KEYED",
        },
    }
    if payment.tip_minor:
        shown["tip_money"] = views.money(payment.tip_minor, payment)
    return shown
