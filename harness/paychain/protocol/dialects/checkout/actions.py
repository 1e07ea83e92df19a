"""Captures, voids, refunds and reversals: accepted with 202; webhook and query show the outcome.

An action that the book rules out is refused at once.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec.structs import replace

from paychain.payments.outcome import Outcome
from paychain.protocol.dialect import BookEntry
from paychain.protocol.dialects.checkout import reading, views
from paychain.protocol.dialects.checkout.account import (
    CAPTURE,
    REFUND,
    VOID,
    Account,
    Action,
    Payment,
    action_id,
    payment_id,
    reference_of,
)
from paychain.protocol.dialects.checkout.errors import Invalid
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.wire.http import HttpResponse, json_response

Operation = Literal["capture", "void", "refund"]
KINDS: dict[Operation, str] = {"capture": CAPTURE, "void": VOID, "refund": REFUND}
NOT_FINAL = "NonFinal"  # `capture_type` of a capture that others may follow
_USED = frozenset({"amount", "capture_type", "reference", "metadata"})


async def capture(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`POST /payments/{id}/captures`: capture all or part of the held amount."""
    return await _act(call, account, name, "capture")


async def void(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`POST /payments/{id}/voids`: release the held amount."""
    return await _act(call, account, name, "void")


async def refund(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`POST /payments/{id}/refunds`: refund all or part of the captured amount."""
    return await _act(call, account, name, "refund")


async def reverse(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`POST /payments/{id}/reversals`: release the hold, or refund what was captured."""
    entry = account.backend.entry(reference_of(name))
    is_captured = entry is not None and entry.captured_minor > 0
    return await _act(call, account, name, "refund" if is_captured else "void", is_whole=True)


def refusal(entry: BookEntry | None, operation: Operation, minor: int | None) -> str:
    """The error of an impossible action, "" if it is possible. `minor`: None for the whole."""
    if entry is None or entry.request is None:
        return f"{operation}_not_allowed"
    is_held = entry.state == "authorised" and entry.rest_minor > 0
    if operation == "refund":
        left = entry.captured_minor - entry.refunded_minor
        if not left:
            return "refund_not_allowed"
        return "refund_above_balance" if minor is not None and minor > left else ""
    if not is_held:
        return f"{operation}_not_allowed"
    if operation == "void" or minor is None or minor <= entry.rest_minor:
        return ""
    return "capture_above_rest" if entry.captured_minor else "capture_above_authorised"


async def _act(
    call: VendorCall,
    account: Account,
    name: str,
    operation: Operation,
    *,
    is_whole: bool = False,
) -> HttpResponse:
    body = reading.read(call.http.body)
    minor = None if is_whole or operation == "void" else reading.amount(body)
    reference = reference_of(name)
    payment = account.payment(reference)
    entry = account.backend.entry(reference)
    if payment is None or (entry is None and not payment.stage):
        raise Invalid("not_found")
    call.attribute(Evidence(headers=call.http.headers, object_id=name, key=account.key(call.http)))
    account.ignored.note(call, body, _USED)
    # A repeat executes under its key: the first outcome decides, not what is possible now.
    action = account.repeated(call.http)
    is_repeated = action is not None
    refused = "" if is_repeated else refusal(entry, operation, minor)
    if refused:
        raise Invalid(refused)
    if action is not None:
        operation = next(each for each, kind in KINDS.items() if kind == action.item[0])
    else:
        action = account.act(payment, KINDS[operation], _amount(entry, operation, minor), call.http)
        action.reference = str(body.get("reference") or "")
    request = replace(
        payment.request,
        reference=reference,
        item=action.item,
        is_sale=False,
        declined_as="",
        is_final=operation == "capture" and body.get("capture_type") != NOT_FINAL,
    )
    if operation != "void":
        request.amount_minor = action.amount_minor
    answer = await call.execute(operation, request)
    if answer.outcome is Outcome.DECLINED:
        # A refused repeat proves nothing: the first request may have acted, its answer lost.
        action.is_refused = action.is_refused or not is_repeated
        entry = account.backend.entry(reference)
        return account.refused(refusal(entry, operation, minor) or f"{operation}_not_allowed")
    return json_response(202, _accepted(call, payment, action, reference))


def _amount(entry: BookEntry | None, operation: Operation, minor: int | None) -> int:
    """The amount of an action in minor units: as requested, or all that is left."""
    if minor is not None or entry is None:
        return minor or 0
    if operation == "refund":
        return entry.captured_minor - entry.refunded_minor
    return entry.rest_minor


def _accepted(call: VendorCall, payment: Payment, action: Action, reference: str) -> dict[str, Any]:
    own = f"{views.base_url(call.http)}/payments/{payment_id(reference)}"
    return {
        "action_id": action_id(reference, action.item),
        "reference": action.reference or payment.merchant_reference,
        "_links": {"payment": {"href": own}},
    }
