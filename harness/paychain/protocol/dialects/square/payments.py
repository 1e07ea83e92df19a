"""`/v2/payments`: authorise, complete at once or later, cancel by id or by key, read back.

Square captures once: completing a payment captures its amount and releases the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

from msgspec.structs import replace

from paychain.payments.codes import IN_PROGRESS
from paychain.payments.instrument import Instrument
from paychain.payments.outcome import Outcome
from paychain.protocol.dialects.square import order_views, reading, views
from paychain.protocol.dialects.square.account import (
    Account,
    Order,
    Payment,
    payment_id,
    reference_of,
    status,
)
from paychain.protocol.dialects.square.errors import Invalid, failure
from paychain.protocol.dialects.square.tables import decline_of
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.protocol.vendor_nothing import NOTHING, execute_nothing
from paychain.protocol.vendor_pages import query_of
from paychain.protocol.vendor_paying import attributed
from paychain.wire.http import HttpResponse, json_response

MAX_LISTED = 100  # payments in one page, as at Square
_SHOWN = ("reference_id", "note", "customer_id", "buyer_email_address", "location_id", "order_id")
_USED = frozenset(
    {
        *_SHOWN,
        "accept_partial_authorization",
        "amount_money",
        "autocomplete",
        "idempotency_key",
        "source_id",
        "tip_money",
        "verification_token",
    }
)
# What of a payment each parameter of a list names.
_FILTERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "card_brand": lambda shown: str(shown["card_details"]["card"]["card_brand"]),
    "last_4": lambda shown: str(shown["card_details"]["card"]["last_4"]),
    "location_id": lambda shown: str(shown["location_id"]),
    "total": lambda shown: str(shown["total_money"]["amount"]),
}
# The error for a payment that can no longer be completed, canceled or changed, by its status.
_CLOSED = {"COMPLETED": "captured", "CANCELED": "canceled", "FAILED": "failed", "PENDING": "failed"}


async def create(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /v2/payments`."""
    return await pay_by(call, account, reading.read(call.http.body, "CreatePayment"))


async def pay_by(call: VendorCall, account: Account, body: dict[str, Any]) -> HttpResponse:
    """Pay as the body of a request to `/v2/payments` says. Raises Invalid."""
    key = reading.text(body, "idempotency_key")
    requested = _payment_from(body, account)
    order = _order_of(body, account, requested)
    account.ignored.note(call, body, _USED)
    of_order = order.texts if order is not None else ()
    texts = (str(body.get("reference_id", "")), str(body.get("note", "")), *of_order)
    requested.request = attributed(call, requested.request, texts=texts, key=key)
    # Registered before it is executed: a cancel by key may arrive while it is in progress.
    payment = account.add(requested, key)
    with nullcontext() if order is None else order.attempts.working_on(payment.reference):
        answer = await call.execute("authorise", requested.request, note=partial(_note, payment))
    return _answered(account, payment, answer)


async def complete(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`POST /v2/payments/{id}/complete`: capture the held amount, as updates reduced it."""
    body = reading.read(call.http.body, "CompletePayment")
    account.ignored.note(call, body, frozenset())
    payment, reference = _open(call, account, name)
    answer = await _capture(call, account, payment, reference)
    return _shown(account, payment, reference, answer)


async def complete_all(call: VendorCall, account: Account, references: list[str]) -> None:
    """Complete the payments that pay an order together. Raises Invalid.

    The first one's outcome is that of the request's key; a repeat completes what is still held.
    """
    first, *others = references
    key = account.key(call.http)
    call.attribute(Evidence(headers=call.http.headers, object_id=payment_id(first), key=key))
    works = [_complete(call, account, first)]
    works += [
        _complete(call.another(), account, each, is_keyed=False)
        for each in others
        if is_held(account, each)
    ]
    await call.together(works)


async def _complete(
    call: VendorCall, account: Account, reference: str, *, is_keyed: bool = True
) -> None:
    """Complete one of an order's payments. Raises Invalid for one that is no longer held."""
    payment = account.payment(reference)
    assert payment is not None, "an order's payments are known"
    await _capture(call, account, payment, reference, is_keyed=is_keyed)
    # Declined, it may have been completed by a repeat that overlaps.
    if (now := status(account.backend.entry(reference))) != "COMPLETED":
        raise Invalid(_CLOSED.get(now, "failed"))


def is_held(account: Account, reference: str) -> bool:
    """Whether a payment can still be completed."""
    return status(account.backend.entry(reference)) == "APPROVED"


async def _capture(
    call: VendorCall, account: Account, payment: Payment, reference: str, *, is_keyed: bool = True
) -> Answer:
    entry = account.backend.entry(reference)
    # A partial approval whose answer was lost has not lowered `to_capture_minor` yet.
    held_minor = entry.rest_minor if entry is not None else 0
    request = replace(
        _about(payment, reference),
        item="c1",
        is_final=True,
        amount_minor=min(payment.to_capture_minor, held_minor),
    )
    touch = partial(_touch, account, payment)
    return await call.execute("capture", request, is_keyed=is_keyed, change=touch)


async def cancel(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`POST /v2/payments/{id}/cancel`: release what is held."""
    payment, reference = _open(call, account, name)
    touch = partial(_touch, account, payment)
    answer = await call.execute("void", _about(payment, reference), change=touch)
    return _shown(account, payment, reference, answer)


async def cancel_by_key(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /v2/payments/cancel`: the way out of an unknown outcome.

    It waits for a payment that is still in progress. If no payment came with the key, nothing is
    done and the answer is the same.
    Raises Invalid. Source: the SDK's documentation of CancelPaymentByIdempotencyKey.
    """
    body = reading.read(call.http.body, "CancelPaymentByIdempotencyKey")
    key = reading.text(body, "idempotency_key")
    payment = account.by_key(key)
    found = call.attribute(
        Evidence(
            headers=call.http.headers,
            key=key,
            object_id=payment_id(payment.reference) if payment is not None else "",
            makes_attempt=False,
        )
    )
    if payment is None:
        # A payment that arrives later under this key is executed, as at Square.
        await execute_nothing(call, replace(NOTHING, payment=found.payment))
        return json_response(200, {})
    if status(account.backend.entry(payment.reference)) == "COMPLETED":
        raise Invalid("captured")
    answer = await call.execute("void", _about(payment, payment.reference))
    if answer.outcome is Outcome.DECLINED:
        return failure("captured")
    return json_response(200, {})


async def update(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`PUT /v2/payments/{id}`: reduce the amount that completing it will capture.

    Raises Invalid.
    """
    body = reading.read(call.http.body, "UpdatePayment")
    reading.text(body, "idempotency_key")
    change = body.get("payment") or {}
    if not isinstance(change, dict):
        raise Invalid("object", field="payment")
    account.ignored.note(call, change, frozenset({"amount_money", "tip_money"}))
    payment, reference = _open(call, account, name)
    wanted = reading.money(change, "amount_money", "payment.")
    tip = reading.money(change, "tip_money", "payment.")
    before_minor = payment.to_capture_minor - payment.tip_minor
    tip_minor = payment.tip_minor if tip is None else tip.minor
    total_minor = (before_minor if wanted is None else wanted.minor) + tip_minor
    for each in (wanted, tip):
        if each is not None and each.currency != payment.request.currency:
            raise Invalid("other_currency")
    entry = account.backend.entry(reference)
    if not total_minor:
        raise Invalid("too_low", field="payment.amount_money")
    # Square may ask the issuer for more; the mock does not.
    if entry is None or total_minor > entry.rest_minor:
        raise Invalid("too_high", field="payment.amount_money")

    def apply() -> None:
        payment.to_capture_minor, payment.tip_minor = total_minor, tip_minor
        payment.updated_s = account.backend.now_s()

    await call.execute("query", _about(payment, reference), change=apply)
    return json_response(200, {"payment": views.payment(account, payment, reference)})


async def show(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /v2/payments/{id}`."""
    payment, reference = found_payment(call, account, name)
    await execute_nothing(call, _about(payment, reference))
    return json_response(200, {"payment": views.payment(account, payment, reference)})


async def list_payments(call: VendorCall, account: Account) -> HttpResponse:
    """`GET /v2/payments`: the newest first. Square has no search by the merchant's reference."""
    query = query_of(call.http)
    first_s, last_s = reading.window(query)
    await execute_nothing(call)
    known = [
        each
        for each in account.payments.values()
        if account.backend.entry(each.reference)
        and first_s <= each.requested_s <= last_s
        and _fits(account, each, query)
    ]
    if query.get("sort_order", "DESC") == "DESC":
        known.reverse()
    part, more = reading.page_of(known, query, MAX_LISTED)
    shown = [views.payment(account, each, each.reference) for each in part]
    return json_response(200, {"payments": shown, **more})


def _fits(account: Account, payment: Payment, query: Mapping[str, str]) -> bool:
    """Whether a list asks for a payment, or for none in particular."""
    wanted = {name: value for name in _FILTERS if (value := query.get(name))}
    if not wanted:
        return True
    shown = views.payment(account, payment, payment.reference)
    return all(_FILTERS[name](shown) == value for name, value in wanted.items())


def found_payment(call: VendorCall, account: Account, name: str) -> tuple[Payment, str]:
    """The payment with an id, and our reference of the execution it names. Raises Invalid."""
    reference = reference_of(name)
    payment = account.payment(reference)
    # After an error before the work there is nothing to read back.
    if payment is None or account.backend.entry(reference) is None:
        raise Invalid("not_found", what=f"payment with id: {name}")
    call.attribute(Evidence(headers=call.http.headers, object_id=name, key=account.key(call.http)))
    return payment, reference


def _open(call: VendorCall, account: Account, name: str) -> tuple[Payment, str]:
    """A payment that can still be completed, canceled or changed. Raises Invalid."""
    payment, reference = found_payment(call, account, name)
    entry = account.backend.entry(reference)
    now = status(entry)
    if now != "APPROVED":
        is_over = entry is not None and entry.state == "expired" and now == "CANCELED"
        raise Invalid("expired" if is_over else _CLOSED[now])
    return payment, reference


def _touch(account: Account, payment: Payment) -> None:
    payment.updated_s = account.backend.now_s()


def _about(payment: Payment, reference: str) -> PaymentRequest:
    """A request about a payment that was authorised before."""
    return replace(payment.request, reference=reference, is_sale=False, declined_as="")


def _payment_from(body: dict[str, Any], account: Account) -> Payment:
    """The payment that a request body describes, not yet attributed. Raises Invalid."""
    amount = reading.amount(body)
    tip = reading.money(body, "tip_money")
    if tip is not None and tip.currency != amount.currency:
        raise Invalid("other_currency", field="tip_money.currency")
    tip_minor = tip.minor if tip is not None else 0
    now_s = account.backend.now_s()
    instrument, declined_as = _source_of(body, account)
    is_sale = body.get("autocomplete") is not False
    is_partial = body.get("accept_partial_authorization") is True
    if is_partial and is_sale:
        raise Invalid("partly_completed", field="accept_partial_authorization")
    total = amount.minor + tip_minor
    is_verified = bool(body.get("verification_token"))  # the front end had the buyer authenticated
    return Payment(
        request=PaymentRequest(
            "",
            total,
            amount.currency,
            instrument,
            is_sale=is_sale,
            accepts_partial=is_partial,
            authenticated=is_verified,
            three_ds="challenge" if is_verified else "",
            declined_as=declined_as,
        ),
        tip_minor=tip_minor,
        to_capture_minor=total,
        requested_s=now_s,
        updated_s=now_s,
        echoed={name: body[name] for name in _SHOWN if body.get(name)},
    )


def _order_of(body: dict[str, Any], account: Account, payment: Payment) -> Order | None:
    """The order that a payment names. Raises Invalid for one that it cannot pay."""
    name = body.get("order_id")
    if not name:
        return None
    order = account.orders.get(str(name))
    if order is None:
        raise Invalid("not_found", field="order_id", what=f"order with id: {name}")
    # The repeat of a payment is that payment, although its order is paid now.
    key = reading.text(body, "idempotency_key")
    if account.executed_by_key(key) is not None:
        return order
    if payment.request.currency != order.sums.currency:
        raise Invalid("other_currency", field="amount_money.currency")
    if (state := order_views.state(account, order)) != order_views.OPEN:
        raise Invalid("order_closed", field="order_id", what=state)
    # So is one that comes while the first is in progress.
    repeated = account.by_key(key) if account.backend.knows_keys else None
    begun = order_views.begun(account, order, repeated)
    due_minor = order_views.due_minor(account, order) - sum(map(order_views.worth, begun))
    minor = order_views.worth(payment)
    # Payments that are held may be parts of it, which are completed together.
    if minor > due_minor or (payment.request.is_sale and minor < due_minor):
        raise Invalid("order_total", field="amount_money")
    return order


def _source_of(body: dict[str, Any], account: Account) -> tuple[Instrument, str]:
    """The card that pays, and the DE39 code of its decline, "" for none. Raises Invalid."""
    source, customer = reading.text(body, "source_id"), str(body.get("customer_id") or "")
    try:
        stored = account.charged(source, customer) if source in account.cards else None
    except Invalid:
        # The repeat of a payment is that payment, although its card has been disabled since.
        paid = account.executed_by_key(reading.text(body, "idempotency_key"))
        if paid is None:
            raise
        return paid.request.instrument, paid.request.declined_as
    return stored or reading.card(source)


def _note(payment: Payment, answer: Answer) -> None:
    """Record the outcome of a payment's authorisation, even if nobody receives the answer."""
    if answer.outcome is Outcome.DECLINED:
        payment.failure = decline_of(answer.code, payment.request.instrument.group)
    elif 0 < answer.amount_minor < payment.to_capture_minor:
        payment.to_capture_minor = answer.amount_minor


def _answered(account: Account, payment: Payment, answer: Answer) -> HttpResponse:
    """The answer to a finished authorisation: the payment, or the error of its decline.

    A repeated key returns the payment in its current state, also after an error.
    """
    reference = answer.reference or payment.reference
    is_approved = answer.outcome is Outcome.APPROVED
    if is_approved and not answer.replayed and 0 < answer.amount_minor < payment.to_capture_minor:
        payment.to_capture_minor = answer.amount_minor
    is_open = answer.outcome is Outcome.UNKNOWN and (answer.replayed or answer.code == IN_PROGRESS)
    is_failed = status(account.backend.entry(reference)) == "FAILED"
    if is_approved or (is_open and not is_failed):
        return json_response(200, {"payment": views.payment(account, payment, reference)})
    # A network that does not answer is a decline, too; what it may have done is reversed.
    scheme = payment.request.instrument.group
    payment.failure = payment.failure or decline_of(answer.code, scheme)
    shown = views.payment(account, payment, reference)
    return json_response(402, {"errors": [views.declined(payment.failure)], "payment": shown})


def _shown(account: Account, payment: Payment, reference: str, answer: Answer) -> HttpResponse:
    """The payment after a change; an error if a concurrent request came first."""
    if answer.outcome is Outcome.DECLINED:
        return failure(_CLOSED.get(status(account.backend.entry(reference)), "failed"))
    return json_response(200, {"payment": views.payment(account, payment, reference)})
