"""`/payments` and `/payments/details`: authorise, at once or after authentication.

Adyen captures an authorisation by itself unless the merchant account or the request says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from zlib import crc32

from msgspec.structs import replace

from paychain.payments.outcome import Outcome
from paychain.protocol.dialects.adyen import authentication, bodies, outcomes, stored
from paychain.protocol.dialects.adyen.account import HOSTS, Account
from paychain.protocol.dialects.adyen.errors import TRANSIENT, Invalid, service_error
from paychain.protocol.dialects.adyen.records import Payment
from paychain.protocol.dialects.adyen.references import psp_reference
from paychain.protocol.dialects.adyen.tables import brand_of_scheme, reasons
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.protocol.vendor_ignored import within
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_pages import base_of
from paychain.protocol.vendor_paying import attributed
from paychain.wire.http import HttpResponse, json_response

NOT_3D_AUTHENTICATED = "11"
TEST_ERROR = "RequestedTestErrorResponseCode"
NO_CONNECTION, IO_EXCEPTION = "NO_CONNECTION_AVAILABLE", "IOEXCEPTION_RECEIVED"
_USED = frozenset(
    {
        *within("additionalData", "allowPartialAuth", "executeThreeD", "manualCapture"),
        *within("additionalData", outcomes.STEER, TEST_ERROR),
        "amount",
        *within("authenticationData", "attemptAuthentication"),
        *within("authenticationData.threeDSRequestData", "nativeThreeDS"),
        "captureDelayHours",
        "merchantAccount",
        "merchantOrderReference",
        "metadata",
        "mpiData",
        *bodies.USED_METHOD,
        "enableRecurring",
        "recurringProcessingModel",
        "reference",
        "returnUrl",
        "shopperInteraction",
        "shopperReference",
        "storePaymentMethod",
    }
)


async def pay(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /payments`."""
    return await pay_by(call, account, bodies.read(call.http.body, "PaymentRequest"))


async def pay_by(
    call: VendorCall,
    account: Account,
    body: dict[str, Any],
    on_known: Callable[[str], None] = lambda _reference: None,
) -> HttpResponse:
    """Make the payment that the body of a request to `/payments` describes.

    `on_known` gets our reference of the payment before anything is executed.
    """
    key = account.known_key(call.http)
    asked = _asked(body, account, key)
    failure = _wanted_failure(body)
    if failure:
        return await _fail(call, asked.request, failure)
    account.ignored.note(call, body, _USED)
    texts = (
        asked.merchant_reference,
        *bodies.texts(body.get("metadata")),
        str(body.get("merchantOrderReference", "")),
    )
    request = attributed(call, asked.request, texts=texts, key=account.key(call.http))
    asked.request = request
    # Registered before it is executed: a cancel by the merchant's own reference may arrive while
    # it is in progress, and its answer may be lost.
    payment = account.registry.add(asked)
    stored.note_paid(account, asked, key)
    on_known(payment.reference)
    if payment.stage:
        await call.execute("query", replace(request, is_sale=False))
        return _to_authenticate(call, payment)
    return await _authorise(call, account, payment, request)


async def details(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /payments/details`: what the front end got from the shopper's bank."""
    return await go_on_with(call, account, bodies.read(call.http.body, "PaymentDetailsRequest"))


async def go_on_with(call: VendorCall, account: Account, body: dict[str, Any]) -> HttpResponse:
    """Continue a payment as the body of a request to `/payments/details` says. Raises Invalid."""
    payment = account.registry.payment(authentication.named(body))
    if payment is None:
        raise Invalid("details")
    psp = psp_reference(payment.reference)
    call.attribute(Evidence(headers=call.http.headers, object_id=psp, key=account.key(call.http)))
    request = payment.request
    asks_nothing = replace(request, is_sale=False)
    stage, key = payment.stage, account.known_key(call.http)
    if key is not None:
        stage = account.stages_of_keys.setdefault(key, stage)
    if not authentication.is_authenticated(body):
        notify = partial(account.backend.notify, "declined", asks_nothing)
        await call.execute("query", asks_nothing, change=notify)
        return _refused_unauthenticated(payment)
    if stage == authentication.IDENTIFY:
        challenge = partial(setattr, payment, "stage", authentication.CHALLENGE)
        await call.execute("query", asks_nothing, change=challenge)
        return _to_authenticate(call, payment)
    # An authorisation that was begun is never begun again, even if its answer was lost.
    is_begun = account.backend.entry(payment.reference) is not None
    if is_begun and not account.key(call.http):
        await call.execute("query", asks_nothing)
        return service_error("in_progress")
    payment.request = replace(request, authenticated=True, three_ds="challenge")

    def undo() -> None:
        # Another request may have authorised it meanwhile.
        if account.backend.entry(payment.reference) is None:
            payment.request = request

    return await _authorise(call, account, payment, payment.request, undo)


def brand_of(request: PaymentRequest) -> str:
    """Adyen's name of a card's scheme."""
    return brand_of_scheme(request.instrument.group)


def authorisation_code(reference: str) -> str:
    """Six digits, the same for the same authorisation."""
    return f"{crc32(reference.encode()) % 1_000_000:06d}"


def _asked(body: dict[str, Any], account: Account, key: tuple[str, str] | None) -> Payment:
    """The payment that a request body describes, not yet attributed. Raises Invalid."""
    merchant = bodies.account(body, account.merchant)
    amount = bodies.money(body)
    reference = bodies.text(body, "reference", "no_reference")
    method = bodies.part(body, "paymentMethod")
    if not method:
        raise Invalid("no_payment_method")
    return_url = bodies.text(body, "returnUrl", "no_return_url")
    kept = stored.asked(account, body, method, key)
    if kept is not None:
        instrument, of_card = kept.instrument, stored.AUTHENTICATION
    else:
        instrument, of_card = bodies.card(method)
    additional = bodies.part(body, "additionalData")
    holder = str(method.get("holderName", ""))
    steer = outcomes.steered(holder, additional)
    mpi = bodies.part(body, "mpiData")
    return Payment(
        request=PaymentRequest(
            "",
            amount.minor,
            amount.currency,
            instrument,
            is_sale=account.captures_at_once(body, additional),
            accepts_partial=bodies.is_true(additional.get("allowPartialAuth")) is True,
            authenticated=bool(mpi),
            three_ds="frictionless" if mpi else "",
            declined_as=steer.declined_as if steer is not None else "",
        ),
        merchant_account=merchant,
        merchant_reference=reference,
        expiry=kept.expiry
        if kept is not None
        else f"{method.get('expiryMonth', '03')}/{method.get('expiryYear', '2030')}",
        holder=holder,
        shopper=str(body.get("shopperReference") or ""),
        keeps=kept is None and stored.is_wanted(body),
        stored=kept.id if kept is not None else "",
        return_url=return_url,
        stage=authentication.begins_with(body, of_card),
        steer=steer,
        is_received=outcomes.is_received(holder, additional),
    )


def _wanted_failure(body: dict[str, Any]) -> str:
    """The communication error that a test requests, "" for none."""
    wanted = bodies.part(body, "additionalData").get(TEST_ERROR)
    return str(wanted) if wanted in (NO_CONNECTION, IO_EXCEPTION) else ""


async def _fail(call: VendorCall, request: PaymentRequest, wanted: str) -> HttpResponse:
    """A communication error on the way to the network, as requested by a test.

    Without a connection nothing was sent, so the key is not used up; after an I/O error the error
    is the key's final result. Source: CheckoutService-v72.json, AdditionalDataCommon.
    """
    is_transient = wanted == NO_CONNECTION
    await execute_nothing(call, request, is_keyed=not is_transient)
    response = service_error("no_connection" if is_transient else "io_exception")
    if is_transient:
        response.headers[TRANSIENT] = "true"
    return response


async def _authorise(
    call: VendorCall,
    account: Account,
    payment: Payment,
    request: PaymentRequest,
    undo: Callable[[], object] | None = None,
) -> HttpResponse:
    note = partial(_note, account, payment, request)
    answer = await call.execute("authorise", request, undo=undo, note=note)
    return json_response(200, _shown(payment, request, answer))


def _note(account: Account, payment: Payment, request: PaymentRequest, answer: Answer) -> None:
    """Record the outcome of a payment's authorisation, even if nobody receives the answer."""
    outcome = outcomes.shown(answer, request.amount_minor, request.instrument.group, payment.steer)
    payment.reason = outcome.get("refusalReason", "")
    if answer.outcome is Outcome.APPROVED and payment.keeps:
        stored.store(account, payment)
    # For Adyen, a payment that the network did not answer has ended; the link reports no outcome
    # that it does not know.
    if answer.outcome is Outcome.UNKNOWN and not outcomes.is_pending(answer):
        account.backend.notify("declined", request)


def _shown(payment: Payment, request: PaymentRequest, answer: Answer) -> dict[str, Any]:
    """The answer to a payment whose authorisation ended."""
    reference = answer.reference or payment.reference
    outcome = outcomes.shown(answer, request.amount_minor, request.instrument.group, payment.steer)
    payment.reason = outcome.get("refusalReason", "")
    if payment.is_received:
        outcome = {"resultCode": outcomes.RECEIVED}
    shown: dict[str, Any] = {
        "additionalData": _additional(payment, request, answer),
        "pspReference": psp_reference(reference),
        **outcome,
        "merchantReference": payment.merchant_reference,
    }
    if answer.outcome is Outcome.APPROVED and not payment.is_received:
        minor = answer.amount_minor or request.amount_minor
        shown["amount"] = bodies.amount_object(minor, request.currency)
        shown["paymentMethod"] = {"brand": brand_of(request), "type": "scheme"}
    return shown


def _additional(payment: Payment, request: PaymentRequest, answer: Answer) -> dict[str, str]:
    brand, number = brand_of(request), request.instrument.identity
    shown = {
        "cardSummary": number[-4:],
        "cardBin": number[:6],
        "paymentMethod": brand,
        "cardPaymentMethod": brand,
        "expiryDate": payment.expiry,
        "merchantReference": payment.merchant_reference,
        "refusalReasonRaw": outcomes.raw_reason(answer),
        "acquirerCode": "TestPmmAcquirer",
        "cvcResult": "1 Matches",
        "cvcResultRaw": "M",
        "avsResult": "4 AVS not supported for this card type",
        "avsResultRaw": "4",
        "threeDAuthenticated": str(request.authenticated).lower(),
    }
    if answer.outcome is Outcome.APPROVED:
        shown["authCode"] = authorisation_code(payment.reference)
        shown |= stored.additional(payment)
    return shown


def _to_authenticate(call: VendorCall, payment: Payment) -> HttpResponse:
    psp = psp_reference(payment.reference)
    shown: dict[str, Any] = {
        "resultCode": payment.stage,
        "action": authentication.action(payment.stage, psp, base_of(call.http, HOSTS)),
        "merchantReference": payment.merchant_reference,
    }
    # As in Adyen's examples: a native flow has its pspReference only once it is authorised.
    if payment.stage == authentication.REDIRECT:
        shown["pspReference"] = psp
    return json_response(200, shown)


def _refused_unauthenticated(payment: Payment) -> HttpResponse:
    reason = reasons()[NOT_3D_AUTHENTICATED]
    payment.reason = reason.reason
    return json_response(
        200,
        {
            "pspReference": psp_reference(payment.reference),
            "resultCode": reason.result,
            "refusalReason": reason.reason,
            "refusalReasonCode": reason.code,
            "merchantReference": payment.merchant_reference,
        },
    )
