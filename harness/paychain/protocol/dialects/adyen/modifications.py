"""Captures, cancels, reversals and refunds: `received` at once, the outcome as a webhook.

The link itself sends the webhook, so that it arrives even if the answer is lost.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from msgspec.structs import replace

from paychain.payments.cards import TEST_CARDS
from paychain.payments.outcome import Outcome
from paychain.protocol.dialects.adyen import bodies
from paychain.protocol.dialects.adyen.account import SINGLE, Account
from paychain.protocol.dialects.adyen.errors import Invalid
from paychain.protocol.dialects.adyen.records import Modification, Payment, modification_of
from paychain.protocol.dialects.adyen.references import authorisation_of, psp_reference
from paychain.protocol.message import PaymentRequest
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.protocol.vendor_money import Money
from paychain.wire.http import HttpResponse, json_response

# By the first letter of a modification's name: the webhook that brings its outcome.
CAPTURE, REFUND, CANCEL, TECHNICAL_CANCEL, REVERSAL, ADJUSTMENT = "c", "r", "v", "t", "o", "a"
Operation = Literal["capture", "refund", "void", "query"]
_STRUCTURES = {
    CAPTURE: "PaymentCaptureRequest",
    REFUND: "PaymentRefundRequest",
    CANCEL: "PaymentCancelRequest",
    REVERSAL: "PaymentReversalRequest",
    ADJUSTMENT: "PaymentAmountUpdateRequest",
}
_USED = frozenset({"amount", "merchantAccount", "reference", "paymentReference"})
_ECHOED = ("reference", "merchantRefundReason", "store", "capturePspReference", "industryUsage")


async def capture(call: VendorCall, account: Account, psp: str) -> HttpResponse:
    """`POST /payments/{psp}/captures`: capture what is held, or part of it."""
    return await _modify(call, account, psp, CAPTURE, "capture")


async def refund(call: VendorCall, account: Account, psp: str) -> HttpResponse:
    """`POST /payments/{psp}/refunds`: refund what was captured, or part of it."""
    return await _modify(call, account, psp, REFUND, "refund")


async def cancel(call: VendorCall, account: Account, psp: str) -> HttpResponse:
    """`POST /payments/{psp}/cancels`: release what is held."""
    return await _modify(call, account, psp, CANCEL, "void")


async def reverse(call: VendorCall, account: Account, psp: str) -> HttpResponse:
    """`POST /payments/{psp}/reversals`: release what is held, or refund what was captured."""
    return await _modify(call, account, psp, REVERSAL, "void")


async def adjust(call: VendorCall, account: Account, psp: str) -> HttpResponse:
    """`POST /payments/{psp}/amountUpdates`: change the amount held, which no card here allows.

    An update to the amount already held succeeds: Adyen extends the hold with it.
    """
    body = bodies.read(call.http.body, _STRUCTURES[ADJUSTMENT])
    merchant, amount = bodies.account(body, account.merchant), bodies.money(body)
    payment = _payment_of(account, psp, amount)
    account.ignored.note(call, body, _USED | {"industryUsage"})
    _attribute(call, account, payment)
    made = account.repeated(call.http) or _new(call, account, payment, ADJUSTMENT, "query", body)
    request = replace(_request(payment, made), amount_minor=amount.minor)
    entry = account.backend.entry(payment.reference)
    is_held = entry is not None and entry.state == "authorised"
    is_same = is_held and entry is not None and entry.rest_minor == amount.minor
    outcome = "adjusted" if is_same else "adjust_refused"
    await call.execute("query", request, change=partial(_report, account, made, outcome, request))
    shown = {"merchantAccount": merchant, "paymentPspReference": psp, **_received(made, body)}
    shown["reference"] = made.merchant_reference
    return json_response(
        201, {**shown, "amount": bodies.amount_object(amount.minor, amount.currency)}
    )


async def cancel_by_reference(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /cancels`: release a payment whose pspReference the merchant does not know.

    This resolves an unknown outcome. A payment in progress is waited for; one that never arrived
    cannot be cancelled, and is authorised if it arrives later.
    """
    body = bodies.read(call.http.body, "StandalonePaymentCancelRequest")
    merchant = bodies.account(body, account.merchant)
    reference = bodies.text(body, "paymentReference", "no_payment_reference")
    account.ignored.note(call, body, _USED)
    repeated = account.repeated(call.http)
    payment = account.registry.latest(reference)
    if repeated is not None:
        payment = account.registry.payment(repeated.reference)
    if payment is None or (repeated is not None and repeated.operation == "query"):
        made = await _cancel_unknown(call, account, merchant, reference, body)
    else:
        _attribute(call, account, payment)
        made = repeated or _new(call, account, payment, TECHNICAL_CANCEL, "void", body)
        await _execute(call, account, "void", _request(payment, made))
    shown = {"merchantAccount": merchant, "paymentReference": reference, **_received(made, body)}
    return json_response(201, shown)


async def _modify(
    call: VendorCall, account: Account, psp: str, kind: str, operation: Operation
) -> HttpResponse:
    body = bodies.read(call.http.body, _STRUCTURES[kind])
    merchant = bodies.account(body, account.merchant)
    amount = bodies.money(body) if operation in ("capture", "refund") else None
    payment = _payment_of(account, psp, amount)
    reference = authorisation_of(psp)
    assert reference is not None  # it has a payment
    account.ignored.note(call, body, _USED)
    _attribute(call, account, payment)
    entry = account.backend.entry(reference)
    captured_minor = entry.captured_minor if entry is not None else 0
    if kind == REVERSAL and captured_minor:
        operation = "refund"
    made = account.repeated(call.http) or _new(call, account, payment, kind, operation, body)
    request = _request(payment, made)
    request.reference = reference  # another name for each execution, where the link keeps no keys
    if amount is not None:
        request.amount_minor = amount.minor
        request.is_final = operation == "capture" and account.partial_captures == SINGLE
    elif made.operation == "refund":
        request.amount_minor = captured_minor - (entry.refunded_minor if entry is not None else 0)
    await _execute(call, account, made.operation, request)
    shown = {"merchantAccount": merchant, "paymentPspReference": psp, **_received(made, body)}
    if amount is not None:
        shown["amount"] = bodies.amount_object(amount.minor, amount.currency)
    return json_response(201, shown)


def _payment_of(account: Account, psp: str, amount: Money | None) -> Payment:
    """The payment with a pspReference, in the currency of the amount. Raises Invalid."""
    reference = authorisation_of(psp)
    payment = account.registry.payment(reference) if reference is not None else None
    if payment is None:
        raise Invalid("original")
    if amount is not None and amount.currency != payment.request.currency:
        raise Invalid("currency")
    return payment


async def _execute(
    call: VendorCall, account: Account, operation: str, request: PaymentRequest
) -> None:
    """Execute the request on the link, and ensure that its outcome is reported.

    The link reports what it did or refused. It does not know of a request that a fault declined in
    its place, although Adyen has accepted that request.
    """
    name = modification_of(request)
    account.unreported.add(name)
    try:
        answer = await call.execute(operation, request)
        is_declined = answer.outcome is Outcome.DECLINED and not answer.replayed
        if is_declined and name in account.unreported:
            account.backend.notify(f"{operation}_refused", request)
    finally:
        account.unreported.discard(name)


def _attribute(call: VendorCall, account: Account, payment: Payment) -> None:
    psp, key = psp_reference(payment.reference), account.key(call.http)
    call.attribute(Evidence(headers=call.http.headers, object_id=psp, key=key))


def _new(
    call: VendorCall,
    account: Account,
    payment: Payment,
    kind: str,
    operation: Operation,
    body: dict[str, Any],
) -> Modification:
    """Recorded before it is executed: its webhook may arrive although its answer is lost."""
    made = Modification(
        reference=payment.reference,
        item=account.registry.next_item(kind, payment.reference),
        operation=operation,
        merchant_account=payment.merchant_account,
        merchant_reference=str(body.get("reference") or payment.merchant_reference),
    )
    account.registry.modify(made, account.known_key(call.http))
    return made


def _request(payment: Payment, made: Modification) -> PaymentRequest:
    return replace(payment.request, item=made.item, is_sale=False, declined_as="")


async def _cancel_unknown(
    call: VendorCall, account: Account, merchant: str, reference: str, body: dict[str, Any]
) -> Modification:
    """No payment has this reference: Adyen accepts the request, then reports that it failed."""
    key = account.key(call.http)
    found = call.attribute(
        Evidence(headers=call.http.headers, texts=(reference,), key=key, makes_attempt=False)
    )
    repeated = account.repeated(call.http)
    made = repeated or Modification(
        reference=found.reference,
        item=account.registry.next_item(TECHNICAL_CANCEL, found.reference),
        operation="query",
        merchant_account=merchant,
        merchant_reference=str(body.get("reference") or reference),
    )
    account.registry.modify(made, account.known_key(call.http))
    request = PaymentRequest(
        found.payment,
        0,
        "EUR",
        TEST_CARDS[0],
        merchant=merchant,
        attempt=found.attempt,
        reference=made.reference,
        item=made.item,
    )
    report = partial(_report, account, made, "void_refused", request)
    await call.execute("query", request, change=report)
    return made


def _report(account: Account, made: Modification, outcome: str, request: PaymentRequest) -> None:
    if not made.is_reported:
        made.is_reported = True
        account.backend.notify(outcome, request)


def _received(made: Modification, body: dict[str, Any]) -> dict[str, Any]:
    echoed = {name: body[name] for name in _ECHOED if name in body}
    psp = psp_reference(made.reference, made.item)
    return {**echoed, "pspReference": psp, "status": "received"}
