"""`/v2/refunds`: refund a completed payment in full or in part. Pending at first."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from paychain.payments.outcome import Outcome
from paychain.protocol.dialect import BookEntry
from paychain.protocol.dialects.square import reading, views
from paychain.protocol.dialects.square.account import Account, refund_of, status
from paychain.protocol.dialects.square.errors import Invalid, failure
from paychain.protocol.dialects.square.events import REFUND_CREATED
from paychain.protocol.dialects.square.payments import MAX_LISTED, found_payment
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_pages import query_of
from paychain.wire.http import HttpResponse, json_response

_USED = frozenset({"amount_money", "idempotency_key", "payment_id", "reason"})


async def create(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /v2/refunds`. Raises Invalid."""
    body = reading.read(call.http.body, "RefundPayment")
    key = reading.text(body, "idempotency_key")
    amount = reading.amount(body)
    payment, reference = found_payment(call, account, reading.text(body, "payment_id"))
    if amount.currency != payment.request.currency:
        raise Invalid("other_currency", field="amount_money.currency")
    account.ignored.note(call, body, _USED)
    # A repeat executes under its key: the first outcome decides, not what is refundable now.
    is_repeated = account.refund_of(key) is not None
    refused = _refusal(account.backend.entry(reference), amount.minor)
    if refused and not is_repeated:
        raise Invalid(refused)
    made = account.refund(payment, amount.minor, str(body.get("reason") or ""), key)
    request = replace(
        payment.request,
        reference=reference,
        item=made.item,
        is_sale=False,
        declined_as="",
        amount_minor=amount.minor,
    )
    undo = None if is_repeated else partial(account.withdraw, payment, made, key)
    begun = partial(account.backend.notify, REFUND_CREATED, request)
    answer = await call.execute("refund", request, change=begun, undo=undo)
    if answer.outcome is Outcome.DECLINED:
        # A refused repeat proves nothing: the first request may have refunded, its answer lost.
        made.is_refused = made.is_refused or not is_repeated
        refused = _refusal(account.backend.entry(reference), amount.minor)
        return failure(refused or "not_refundable")
    shown = views.refund(account, payment, made, reference)
    return json_response(200, {"refund": {**shown, "status": "PENDING"}})


async def show(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /v2/refunds/{id}`. Raises Invalid."""
    reference, item = refund_of(name)
    payment = account.payment(reference)
    made = next((each for each in payment.refunds if each.item == item), None) if payment else None
    if payment is None or made is None:
        raise Invalid("not_found", what=f"refund with id: {name}")
    call.attribute(Evidence(headers=call.http.headers, object_id=name))
    await execute_nothing(call, payment.request)
    return json_response(200, {"refund": views.refund(account, payment, made, reference)})


async def list_refunds(call: VendorCall, account: Account) -> HttpResponse:
    """`GET /v2/refunds`: newest payment first."""
    query = query_of(call.http)
    first_s, last_s = reading.window(query)
    await execute_nothing(call)
    known = [
        shown
        for payment in account.payments.values()
        for made in payment.refunds
        if first_s <= made.requested_s <= last_s
        and _fits(shown := views.refund(account, payment, made, payment.reference), query)
    ]
    if query.get("sort_order", "DESC") == "DESC":
        known.reverse()
    part, more = reading.page_of(known, query, MAX_LISTED)
    return json_response(200, {"refunds": part, **more})


def _fits(shown: dict[str, Any], query: Mapping[str, str]) -> bool:
    """Whether a list asks for a refund. All are of cards."""
    asked = (query.get(name) in (None, shown[name]) for name in ("location_id", "status"))
    return all(asked) and query.get("source_type") in (None, "CARD")


def _refusal(entry: BookEntry | None, minor: int) -> str:
    """The error of a refund that is impossible, "" if it is possible."""
    now = status(entry)
    if now == "APPROVED":
        return "needs_completion"
    if entry is None or now != "COMPLETED":
        return "not_refundable"
    return "refund_amount" if minor > entry.captured_minor - entry.refunded_minor else ""
