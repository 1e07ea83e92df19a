"""Orders: created, approved by the payer, captured or authorised; with a card, all at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec.structs import replace

from paychain.payments.codes import IN_PROGRESS
from paychain.payments.outcome import Outcome
from paychain.protocol.dialects.paypal import vault
from paychain.protocol.dialects.paypal.account import (
    AT_ONCE,
    WALLET,
    Account,
    Given,
    Source,
    addresses,
    body_of,
    note_source,
    source_of,
    text,
)
from paychain.protocol.dialects.paypal.errors import Invalid, error_response, refusal
from paychain.protocol.dialects.paypal.objects import (
    DENIED,
    PENDING,
    approval_page,
    minimal,
    order_shown,
    status_of_charge,
)
from paychain.protocol.dialects.paypal.purchase_units import (
    amounts_of,
    note_ignored,
    texts_of,
    units_of,
)
from paychain.protocol.dialects.paypal.records import (
    AUTHORIZE,
    CAPTURE,
    CaptureOrRefund,
    Charge,
    KeyedRequest,
    Order,
)
from paychain.protocol.dialects.paypal.tables import responses
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.protocol.vendor_before import Before
from paychain.protocol.vendor_ignored import within
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.wire.http import HttpRequest, HttpResponse, json_response

CREATED, OK = 201, 200
KEPT = "kept"  # reported when the vault keeps a payment method
ORDER_APPROVED = "order_approved"
PATH = "v2/checkout/orders"
CAPTURES_OR_AUTHORISES = (CAPTURE, AUTHORIZE)  # what an order may be meant for
_USED = frozenset({"intent", "purchase_units", "payment_source"})
_USED_CONTEXT = within("application_context", "return_url", "cancel_url")


async def create(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /v2/checkout/orders`: an order; with a card it is paid at once. Raises Invalid."""
    given = body_of(call.http)
    asked, source = _asked(given, account)
    is_at_once = source is not None and (source.is_card or source.is_kept) and not source.waits
    if is_at_once and not account.key(call.http):
        raise Invalid("PAYPAL_REQUEST_ID_REQUIRED")
    account.ignored.note(call, given, _USED | _USED_CONTEXT)
    note_source(call, account, given)
    for unit in given["purchase_units"]:
        note_ignored(call, account, unit)
    request = asked.request
    found = call.attribute(
        Evidence(
            headers=call.http.headers,
            texts=texts_of(asked.units),
            key=account.key(call.http),
            instrument=source.instrument if source is not None and source.is_card else None,
            amount_minor=request.amount_minor,
            currency=request.currency,
        )
    )
    repeated = account.registry.followed(call.http.target, account.known_key(call.http))
    if repeated is not None:
        order = repeated.order
    else:
        reference = found.reference
        if account.registry.is_taken(reference):
            reference = account.registry.another(reference, account.backend.link)
        asked.request = replace(
            request, payment=found.payment, attempt=found.attempt, reference=reference
        )
        order = asked
    if is_at_once:
        # Registered before it is executed: even if its answer is lost, a repeat finds it.
        account.registry.add(order)
        return await _pay(call, account, order, repeated, partial(account.registry.forget, order))
    followed = repeated or KeyedRequest(operation="query", request=order.request, order=order)
    account.registry.follow(followed, call.http.target, account.known_key(call.http))
    answer = await call.execute(
        "query", replace(order.request, is_sale=False), change=partial(account.registry.add, order)
    )
    return _answer(call.http, order_shown(account, order), answer)


async def show(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /v2/checkout/orders/{id}`."""
    order = found_order(call, account, name)
    await execute_nothing(call, order.request, change=lambda: _approve(account, order))
    return json_response(OK, order_shown(account, order))


async def confirm(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`POST /v2/checkout/orders/{id}/confirm-payment-source`: what pays the order.

    Raises Invalid.
    """
    order = found_order(call, account, name)
    given = body_of(call.http)
    source = source_of(given, account)
    if source is None:
        raise Invalid("MISSING_REQUIRED_PARAMETER", "/payment_source")
    if order.charge is not None:
        raise _already(order)
    note_source(call, account, given)

    def take() -> None:
        if order.charge is None:
            _take(order, source)
            _approve(account, order)

    await execute_nothing(call, order.request, is_keyed=True, change=take)
    return json_response(OK, order_shown(account, order))


async def pay(intent: str, call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`POST /v2/checkout/orders/{id}/capture` or `…/authorize`."""
    order = found_order(call, account, name)
    repeated = account.registry.followed(call.http.target, account.known_key(call.http))
    before = Before(order)
    if repeated is None:
        given = body_of(call.http)
        source = source_of(given, account)
        _check(account, order, intent)
        if source is not None:
            _take(order, source)
        if not _approve(account, order):
            raise Invalid("PAYER_ACTION_REQUIRED" if order.is_card else "ORDER_NOT_APPROVED")
        if source is None:
            # That the payer has approved stands, whatever becomes of the request.
            before = Before(order)
        note_source(call, account, given)
    return await _pay(call, account, order, repeated, before.written())


async def _pay(
    call: VendorCall,
    account: Account,
    order: Order,
    repeated: KeyedRequest | None,
    undo: Callable[[], object],
) -> HttpResponse:
    """Charge an order, or show the outcome of the charge under the same key.

    `undo` reverts what the request has changed in the order.
    """
    registry, target, key = account.registry, call.http.target, account.known_key(call.http)
    charge = repeated.charge if repeated is not None else None
    is_new = charge is None
    if charge is None:
        charge = registry.present(order, _charge(call, account, order))
    presented = charge

    def withdraw() -> None:
        registry.withdraw(order, presented)
        registry.unfollow(target, key)
        undo()

    followed = KeyedRequest(
        operation="authorise", request=charge.request, order=order, charge=charge
    )
    registry.follow(followed, target, key)
    answer = await call.execute(
        "authorise",
        charge.request,
        undo=withdraw if is_new else None,
        note=partial(_note, account, order, charge),
    )
    # A wrong answer names what nobody has executed. Only that answer says so, and no repeat.
    is_wrong = bool(answer.reference) and account.entry(answer.reference) is None
    if not (is_wrong and answer.replayed):
        charge = registry.executed(order, charge, answer.reference)
    is_forged = is_wrong and charge is not presented
    if not answer.replayed:
        charge.answer = answer  # a fault may change the link's answer
        charge.was_stuck = account.entry(charge.reference) is None
    elif answer.outcome is not Outcome.UNKNOWN:
        charge.answer = charge.answer or answer
    is_open = answer.outcome is Outcome.UNKNOWN and answer.code != IN_PROGRESS
    if is_open and not answer.replayed:
        return error_response(500)
    if status_of_charge(account, charge) == DENIED and not charge.is_card:
        return refusal("INSTRUMENT_DECLINED", payer_at=approval_page(account, order))
    shown = order_shown(account, order)
    if is_forged:
        registry.withdraw(order, charge)
    is_creation = call.http.target.partition("?")[0].rstrip("/").endswith("/orders")
    if is_creation:
        return _answer(call.http, shown, answer)
    return json_response(OK if answer.replayed else CREATED, shown)


def _note(account: Account, order: Order, charge: Charge, answer: Answer) -> None:
    """Record the answer to an order's charge, even if nobody receives it."""
    charge.answer = answer
    if answer.outcome is not Outcome.APPROVED or order.keeps_for is None or order.kept is not None:
        return
    paid_by = Source(
        instrument=charge.request.instrument, shown=order.source, is_card=order.is_card
    )
    kept = vault.keep(account, paid_by, order.keeps_for)
    order.kept = kept.id, kept.customer_id
    account.backend.notify(KEPT, charge.request)


def _answer(http: HttpRequest, shown: dict[str, Any], answer: Answer) -> HttpResponse:
    """201, or 200 for a repeat; the whole object or a part, as the request prefers."""
    if "representation" not in http.headers.get("prefer", ""):
        shown = minimal(shown)
    return json_response(OK if answer.replayed else CREATED, shown)


def _charge(call: VendorCall, account: Account, order: Order) -> Charge:
    """The next charge of what pays the order."""
    request, now_s = order.request, account.backend.now_s()
    if order.charges:
        found = call.attribute(
            Evidence(headers={}, texts=(request.payment,), key=account.key(call.http))
        )
        number = request.attempt + len(order.charges)
        is_known = found.payment == request.payment
        reference = found.reference if is_known else f"{request.payment}-{number}"
        if account.registry.is_taken(reference):
            reference = account.registry.another(reference, account.backend.link)
        attempt = found.attempt if is_known else number
        request = replace(request, attempt=attempt, reference=reference)
    is_sale = order.intent == CAPTURE
    is_authenticated = order.is_card and order.waits
    trigger = next(
        (line for line in responses().triggers.values() if line.response == order.response), None
    )
    return Charge(
        request=replace(
            request,
            is_sale=is_sale,
            authenticated=is_authenticated,
            three_ds="challenge" if is_authenticated else "",
            declined_as=trigger.declined_as if trigger is not None else "",
        ),
        created_s=now_s,
        is_card=order.is_card,
        response=order.response,
        captures=[
            CaptureOrRefund(item=f"c{number}", amount_minor=minor, created_s=now_s, is_final=True)
            for number, minor in enumerate(amounts_of(order.units, order.intent)[0], start=1)
        ]
        if is_sale
        else [],
    )


def found_order(call: VendorCall, account: Account, name: str) -> Order:
    """The order that a request is about. Raises Invalid for an unknown id."""
    order = account.registry.order(name)
    if order is None:
        raise Invalid("INVALID_RESOURCE_ID")
    key = account.key(call.http)
    call.attribute(Evidence(headers=call.http.headers, object_id=order.id, key=key))
    return order


def _check(account: Account, order: Order, intent: str) -> None:
    """Whether an order can be charged now. Raises Invalid."""
    if order.intent != intent:
        raise Invalid("ACTION_DOES_NOT_MATCH_INTENT")
    charge = order.charge
    if charge is not None:
        status = status_of_charge(account, charge)
        if status == PENDING:
            raise Invalid("PREVIOUS_REQUEST_IN_PROGRESS")
        # A wallet that was declined may be charged again: the payer has chosen another card in it.
        if status != DENIED or charge.is_card:
            raise _already(order)


def _take(order: Order, source: Source) -> None:
    order.source, order.is_card = source.shown, source.is_card
    order.waits, order.response = source.waits, source.response
    order.keeps_for = source.keeps_for
    order.request = replace(order.request, instrument=source.instrument)
    order.is_paid = (source.is_card or source.is_kept) and not source.waits


def _approve(account: Account, order: Order) -> bool:
    """Whether the payer has approved the order; with `at_once`, approve it now."""
    if not order.is_paid and account.approval == AT_ONCE:
        if not order.source:
            order.source = {"paypal": {"account_id": "PAYCHAIN12345"}}
        approved(account, order)
    return order.is_paid


def approved(account: Account, order: Order) -> None:
    """The payer has approved an order: it can be captured or authorised now."""
    if not order.is_paid:
        order.is_paid = True
        account.backend.notify(ORDER_APPROVED, order.request)


def _already(order: Order) -> Invalid:
    is_capture = order.intent == CAPTURE
    return Invalid("ORDER_ALREADY_CAPTURED" if is_capture else "ORDER_ALREADY_AUTHORIZED")


def _asked(given: Given, account: Account) -> tuple[Order, Source | None]:
    """The order that a body describes, not yet attributed to a payment. Raises Invalid."""
    intent = text(given, "intent")
    if not intent:
        raise Invalid("MISSING_REQUIRED_PARAMETER", "/intent")
    if intent not in CAPTURES_OR_AUTHORISES:
        raise Invalid("INVALID_PARAMETER_VALUE", "/intent", intent)
    units = units_of(given)
    minors, currency = amounts_of(units, intent)
    source = source_of(given, account)
    return_url, cancel_url = addresses(given)
    order = Order(
        request=PaymentRequest("", sum(minors), currency, WALLET),
        intent=intent,
        created_s=account.backend.now_s(),
        return_url=return_url,
        cancel_url=cancel_url,
        base=account.base,
        units=units,
    )
    if source is not None:
        _take(order, source)
    return order, source
