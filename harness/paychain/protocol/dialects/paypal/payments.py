"""Authorised payments, captures and refunds: Payments v2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from paychain.payments.codes import INVALID_AMOUNT, NOT_FOUND
from paychain.payments.outcome import Outcome
from paychain.protocol.dialects.paypal.account import Account, Given, body_of, inside, money, text
from paychain.protocol.dialects.paypal.errors import Invalid, refusal
from paychain.protocol.dialects.paypal.objects import (
    DENIED,
    EXPIRED,
    PENDING,
    VOIDED,
    left_minor,
    minimal,
    payment_shown,
    status_of_capture,
    status_of_charge,
)
from paychain.protocol.dialects.paypal.records import (
    AUTHORIZATION,
    CaptureOrRefund,
    IdTarget,
    KeyedRequest,
    made_id,
)
from paychain.protocol.message import Answer
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_parts import DONE, FAILED
from paychain.wire.http import HttpRequest, HttpResponse, json_response

PATH = "v2/payments"
Plan = Callable[[Account, IdTarget, Given], KeyedRequest]
_USED = frozenset({"amount", "final_capture", "invoice_id", "custom_id", "note_to_payer"})
_SHOWN = ("invoice_id", "custom_id", "note_to_payer")
_NOT_CAPTURABLE = {
    VOIDED: "AUTHORIZATION_VOIDED",
    EXPIRED: "AUTHORIZATION_EXPIRED",
    DENIED: "AUTHORIZATION_DENIED",
    PENDING: "PREVIOUS_REQUEST_IN_PROGRESS",
    "CAPTURED": "AUTHORIZATION_ALREADY_CAPTURED",
}
_NOT_VOIDABLE = {**_NOT_CAPTURABLE, VOIDED: "PREVIOUSLY_VOIDED", "CAPTURED": "CANNOT_BE_VOIDED"}
_NOT_DONE = {
    "capture": {INVALID_AMOUNT: "MAX_CAPTURE_AMOUNT_EXCEEDED", NOT_FOUND: "AUTHORIZATION_VOIDED"},
    "refund": {INVALID_AMOUNT: "REFUND_AMOUNT_EXCEEDED", NOT_FOUND: "REFUND_NOT_ALLOWED"},
    "void": {NOT_FOUND: "PREVIOUSLY_VOIDED"},
}


async def show(kind: str, call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /v2/payments/authorizations|captures|refunds/{id}`."""
    named = _named(call, account, name, kind)
    await execute_nothing(call, named.charge.request)
    return json_response(200, payment_shown(account, named))


async def follow(
    kind: str, plan: Plan, call: VendorCall, account: Account, name: str
) -> HttpResponse:
    """Do what `plan` makes of a payment, or show what the same key did before."""
    named = _named(call, account, name, kind)
    given = body_of(call.http)
    key = account.known_key(call.http)
    followed = account.registry.followed(call.http.target, key) or plan(account, named, given)
    account.ignored.note(call, given, _USED)
    account.registry.follow(followed, call.http.target, key)
    answer = await call.execute(followed.operation, followed.request)
    _note(followed.part, answer)
    if answer.outcome is Outcome.DECLINED:
        # A refusal, and no error: that would be given to each repeat of the key.
        return refusal(_NOT_DONE[followed.operation].get(answer.code, "TRANSACTION_REFUSED"))
    shown_as = IdTarget(order=named.order, charge=named.charge, part=followed.part)
    return _answer(call.http, payment_shown(account, shown_as), answer, followed)


def _answer(
    http: HttpRequest, shown: dict[str, Any], answer: Answer, followed: KeyedRequest
) -> HttpResponse:
    is_whole = "representation" in http.headers.get("prefer", "")
    if followed.operation == "void":
        return json_response(200, shown) if is_whole else HttpResponse(204)
    return json_response(200 if answer.replayed else 201, shown if is_whole else minimal(shown))


def capture(account: Account, named: IdTarget, given: Given) -> KeyedRequest:
    """`POST /v2/payments/authorizations/{id}/capture`: capture what is held, or part of it.

    Raises Invalid.
    """
    charge = named.charge
    status = status_of_charge(account, charge)
    if status in _NOT_CAPTURABLE:
        raise Invalid(_NOT_CAPTURABLE[status])
    entry = account.entry(charge.reference)
    rest = entry.rest_minor if entry is not None else 0
    minor = _minor(named, given) or rest
    if minor > rest:
        raise Invalid("MAX_CAPTURE_AMOUNT_EXCEEDED", "/amount/value")
    is_final = given.get("final_capture") is True
    part = _part(account, f"c{len(charge.captures) + 1}", minor, given)
    part.is_final = is_final
    charge.captures.append(part)
    request = replace(
        charge.request,
        amount_minor=minor,
        item=part.item,
        is_final=is_final,
        is_sale=False,
        declined_as="",
    )
    return KeyedRequest(
        operation="capture", request=request, order=named.order, charge=charge, part=part
    )


def void(account: Account, named: IdTarget, _given: Given) -> KeyedRequest:
    """`POST /v2/payments/authorizations/{id}/void`: release what is held. Raises Invalid."""
    status = status_of_charge(account, named.charge)
    if status in _NOT_VOIDABLE:
        raise Invalid(_NOT_VOIDABLE[status])
    request = replace(named.charge.request, is_sale=False, declined_as="")
    return KeyedRequest(operation="void", request=request, order=named.order, charge=named.charge)


def reauthorize(account: Account, named: IdTarget, _given: Given) -> KeyedRequest:
    """`POST /v2/payments/authorizations/{id}/reauthorize`: refused, since it takes days.

    Raises Invalid.
    """
    status = status_of_charge(account, named.charge)
    raise Invalid(_NOT_CAPTURABLE.get(status, "REAUTHORIZATION_TOO_SOON"))


def refund(account: Account, named: IdTarget, given: Given) -> KeyedRequest:
    """`POST /v2/payments/captures/{id}/refund`: refund a capture, or part of it. Raises Invalid."""
    charge, captured = named.charge, named.part
    assert captured is not None  # the id of a capture names a part
    status = status_of_capture(account, charge, captured)
    if status == "REFUNDED":
        raise Invalid("CAPTURE_FULLY_REFUNDED")
    if status not in ("COMPLETED", "PARTIALLY_REFUNDED"):
        raise Invalid("REFUND_NOT_ALLOWED")
    left = left_minor(charge, captured, account.entry(charge.reference))
    minor = _minor(named, given) or left
    if minor > left:
        raise Invalid("REFUND_AMOUNT_EXCEEDED", "/amount/value")
    part = _part(account, f"r{len(charge.refunds) + 1}", minor, given)
    part.of = captured.item
    charge.refunds.append(part)
    request = replace(
        charge.request, amount_minor=minor, item=part.item, is_sale=False, declined_as=""
    )
    return KeyedRequest(
        operation="refund", request=request, order=named.order, charge=charge, part=part
    )


def _named(call: VendorCall, account: Account, name: str, kind: str) -> IdTarget:
    named = account.registry.payment(name, kind)
    if named is None:
        raise Invalid("INVALID_RESOURCE_ID")
    about = made_id(named.charge.reference, AUTHORIZATION)
    key = account.key(call.http)
    call.attribute(Evidence(headers=call.http.headers, object_id=about, key=key))
    return named


def _minor(named: IdTarget, given: Given) -> int | None:
    if not given.get("amount"):
        return None
    minor, currency = money(inside(given, "amount"), "/amount")
    if currency != named.charge.request.currency:
        raise Invalid("CURRENCY_MISMATCH", "/amount/currency_code", currency)
    return minor


def _part(account: Account, item: str, minor: int, given: Given) -> CaptureOrRefund:
    return CaptureOrRefund(
        item=item,
        amount_minor=minor,
        created_s=account.backend.now_s(),
        shown={name: text(given, name) for name in _SHOWN if text(given, name)},
    )


def _note(part: CaptureOrRefund | None, answer: Answer) -> None:
    """Record the answer to a capture or refund."""
    if part is not None and answer.outcome is not Outcome.UNKNOWN:
        part.state = DONE if answer.outcome is Outcome.APPROVED else FAILED
