"""`/payments`: authorise at once or after authentication, and read back.

A payment is captured at once unless its request says `capture: false`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from msgspec.structs import replace

from paychain.payments.codes import IN_PROGRESS
from paychain.payments.instrument import Instrument
from paychain.payments.outcome import Outcome
from paychain.payments.web_addresses import split_address
from paychain.protocol.dialects.checkout import attempts, reading, vault, views
from paychain.protocol.dialects.checkout.account import (
    Account,
    Customer,
    Page,
    Payment,
    action_id,
    payment_id,
    reference_of,
    session_id,
)
from paychain.protocol.dialects.checkout.errors import Invalid
from paychain.protocol.dialects.checkout.tables import (
    APPROVED,
    PARTLY_APPROVED,
    TOO_LATE,
    declined_by_amount,
    response_of,
    responses,
)
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.vendor import CallFailed, Evidence, VendorCall
from paychain.protocol.vendor_ignored import within
from paychain.protocol.vendor_nothing import NOTHING, execute_nothing
from paychain.protocol.vendor_pages import number_in
from paychain.protocol.vendor_paying import attributed
from paychain.wire.http import HttpResponse, json_response

BANKS_PAGE = "/3ds/"
_USED = frozenset(
    {
        *within("3ds", "enabled", "cryptogram"),
        "amount",
        "capture",
        "currency",
        *within("customer", "id", "email", "name", "phone"),
        "description",
        "failure_url",
        "metadata",
        *within("partial_authorization", "enabled"),
        "reference",
        *within("source", "type", "id", "token", "number", "cvv", "name"),
        *within("source", "expiry_month", "expiry_year"),
        "success_url",
    }
)
MAX_LISTED = 100  # payments in one page: checkout.com/docs, GET /payments


async def pay(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /payments`."""
    body = reading.read(call.http.body)
    # An invalid request is refused before its unused fields are noted.
    _payment_from(body, account, account.known_key(call.http))
    account.ignored.note(call, body, _USED)
    return await pay_by(call, account, body)


async def pay_by(
    call: VendorCall,
    account: Account,
    body: dict[str, Any],
    page: Page | None = None,
) -> HttpResponse:
    """Pay as the body of a request to `/payments` says, on a page or without one.

    Raises Invalid, also for a page that another attempt has paid, or may have.
    """
    key = account.known_key(call.http)
    requested = _payment_from(body, account, key)
    texts = (
        requested.merchant_reference,
        *reading.texts(requested.metadata),
        str(body.get("description", "")),
    )
    requested.request = attributed(call, requested.request, texts=texts, key=account.key(call.http))
    requested.page = page
    # The repeat of an attempt under its key gets what came of that one.
    is_known = account.backend.knows_keys
    with attempts.attempt(account, page, requested.reference, is_known=is_known):
        if requested.stage:
            return await _begin_authentication(call, account, requested, key)
        return await _authorise(call, account, requested, key)


async def _begin_authentication(
    call: VendorCall, account: Account, requested: Payment, key: str
) -> HttpResponse:
    def add() -> None:
        account.paid[key] = account.add(requested)

    await call.execute("query", replace(requested.request, is_sale=False), change=add)
    return _to_authenticate(call, account.payment(requested.reference) or requested)


async def _authorise(
    call: VendorCall, account: Account, requested: Payment, key: str
) -> HttpResponse:
    # Known before it is executed: its answer may be lost.
    payment = account.add(requested)

    def keep(answer: Answer) -> None:
        account.paid[key] = payment
        note(account, payment, answer)

    try:
        answer = await call.execute("authorise", requested.request, note=keep)
    except CallFailed as failed:
        if failed.error.is_after_work:  # which is not stored: a repeat is another payment
            account.paid.pop(key, None)
        raise
    return _answered(call, account, payment, answer)


async def show(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /payments/{id}`, by the id of a payment or of its authentication."""
    payment, reference = await _found(call, account, name)
    return json_response(200, views.details(call.http, account, payment, reference))


async def show_actions(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /payments/{id}/actions`."""
    payment, reference = await _found(call, account, name)
    return json_response(200, views.actions(account, payment, reference))


async def list_payments(call: VendorCall, account: Account) -> HttpResponse:
    """`GET /payments?reference=`: how a merchant finds a payment whose answer was lost."""
    query = parse_qs(split_address(call.http.target).query)
    skip, limit = _number(query, "skip", 0), _number(query, "limit", 10)
    found = await _with_reference(call, account, query.get("reference", [""])[0])
    page = found[skip : skip + min(limit, MAX_LISTED)]
    shown = [views.details(call.http, account, each, each.reference) for each in page]
    head = {"limit": limit, "skip": skip, "total_count": len(found)}
    return json_response(200, {**head, "data": shown})


async def search(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /payments/search`, by `reference:"…"` only."""
    body = reading.read(call.http.body)
    query = str(body.get("query", ""))
    name, _, value = query.partition(":")
    reference = value.strip(" '\"") if name.strip() == "reference" else ""
    found = await _with_reference(call, account, reference)
    shown = [views.details(call.http, account, each, each.reference) for each in found]
    return json_response(200, {"data": shown[:MAX_LISTED]})


async def tokenise(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /tokens`: how a front end turns a card number into a token. Raises Invalid."""
    body = reading.read(call.http.body)
    if body.get("type") != "card":
        raise Invalid("source_type")
    now_s = account.backend.now_s()
    card, (month, year) = reading.number(body), reading.expiry(body, now_s)
    await execute_nothing(call)
    shown = {
        "type": "card",
        "token": f"tok_{card.group}_{card.identity[-4:]}",
        "expires_on": views.when(now_s + 900),
        "expiry_month": month,
        "expiry_year": year,
        "scheme": card.group.capitalize(),
        "last4": card.identity[-4:],
        "bin": card.identity[:6],
    }
    return json_response(201, shown)


async def access_token(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /connect/token`: for clients that use OAuth; any credentials are accepted."""
    await execute_nothing(call)
    shown = {
        "access_token": f"paychain-{account.request_id()}",
        "token_type": "Bearer",
        "expires_in": 3600,
    }
    return json_response(200, {**shown, "scope": "gateway"})


def _payment_from(body: dict[str, Any], account: Account, key: str) -> Payment:
    """The payment that a request body describes, not yet attributed. Raises Invalid.

    `key`: the request's. What it has paid is paid, although its card, or its customer, is not kept
    any more.
    """
    minor = reading.amount(body)
    if minor is None:
        raise Invalid("amount")
    currency = reading.currency(body)
    now_s = account.backend.now_s()
    instrument, expiry, owner = _payer(body, account, key, now_s)
    three_ds = reading.part(body, "3ds")
    is_authenticated = bool(three_ds.get("cryptogram"))  # the merchant authenticated the cardholder
    partial = reading.part(body, "partial_authorization")
    return Payment(
        request=PaymentRequest(
            "",
            minor,
            currency,
            instrument,
            is_sale=body.get("capture") is not False,
            accepts_partial=partial.get("enabled") is True,
            authenticated=is_authenticated,
            three_ds="frictionless" if is_authenticated else "",
            declined_as=declined_by_amount(minor) if account.simulates else "",
        ),
        merchant_reference=str(body.get("reference") or ""),
        requested_s=now_s,
        expiry=expiry,
        metadata=reading.part(body, "metadata"),
        stage="pending" if three_ds.get("enabled") is True and not is_authenticated else "",
        success_url=str(body.get("success_url") or ""),
        failure_url=str(body.get("failure_url") or ""),
        customer=owner,
    )


def _payer(
    body: dict[str, Any], account: Account, key: str, now_s: int
) -> tuple[Instrument, tuple[int, int], Customer | None]:
    """The card that pays, its expiry, and whose it is. Raises Invalid."""
    source = reading.part(body, "source")
    paid = account.paid.get(key) if key else None
    try:
        charged = account.charged(source) or reading.card(source, now_s)
    except Invalid:
        if paid is None or source.get("type") not in ("id", "customer"):
            raise
        charged = paid.request.instrument, paid.expiry
    try:
        return *charged, vault.payer(account, body)
    except Invalid:
        if paid is None:
            raise
        return *charged, paid.customer


def response(answer: Answer, payment: Payment) -> str:
    """Checkout.com's code for an answer. A network that does not answer is a decline, too."""
    if answer.outcome is Outcome.APPROVED:
        is_part = 0 < answer.amount_minor < payment.request.amount_minor
        return PARTLY_APPROVED if is_part else APPROVED
    if answer.outcome is Outcome.UNKNOWN:
        return TOO_LATE
    return response_of(answer.code, payment.request.instrument.group).code


def note(account: Account, payment: Payment, answer: Answer) -> None:
    """Keep what an authorisation's answer says of the payment and its card."""
    payment.code = response(answer, payment)
    vault.keep(account, payment, is_approved=answer.outcome is Outcome.APPROVED)


def _answered(call: VendorCall, account: Account, payment: Payment, answer: Answer) -> HttpResponse:
    """The answer to an authorisation; 202 for one whose outcome only a webhook reports."""
    # A repeat under a key that was not stored is another authorisation.
    reference = answer.reference or payment.reference
    is_approved = answer.outcome is Outcome.APPROVED
    is_pending = answer.outcome is Outcome.UNKNOWN and answer.code == IN_PROGRESS
    payment.code = response(answer, payment)
    minor = payment.request.amount_minor
    if is_approved and answer.amount_minor:
        minor = answer.amount_minor
    shown: dict[str, Any] = {
        "id": payment_id(reference),
        "action_id": action_id(reference, views.AUTHORISATION),
        "amount": minor,
        "currency": payment.request.currency,
        "approved": is_approved,
        "status": "Authorized" if is_approved else "Declined",
        "auth_code": views.authorisation_code(reference) if is_approved else "",
        "response_code": payment.code,
        "response_summary": responses()[payment.code].summary,
        "balances": views.balances(account.backend.entry(reference)),
        "risk": {"flagged": False, "score": 0},
        "source": views.source(payment),
        **({"customer": views.customer(payment.customer)} if payment.customer else {}),
        "processed_on": views.when(account.backend.now_s()),
        "reference": payment.merchant_reference,
        "metadata": payment.metadata,
        "processing": {"retrieval_reference_number": views.authorisation_code(reference) * 2},
        "_links": views.links(call.http, reference, *(("capture", "void") if is_approved else ())),
    }
    if is_pending:
        shown["status"] = "Pending"
        for name in ("approved", "auth_code", "response_code", "response_summary"):
            del shown[name]
    return json_response(202 if is_pending else 201, shown)


def _to_authenticate(call: VendorCall, payment: Payment) -> HttpResponse:
    redirect = f"{views.base_url(call.http)}{BANKS_PAGE}{session_id(payment.reference)}"
    return json_response(
        202,
        {
            "id": payment_id(payment.reference),
            "status": "Pending",
            "reference": payment.merchant_reference,
            "3ds": {"downgraded": False, "enrolled": "Y"},
            "_links": {
                **views.links(call.http, payment.reference),
                "redirect": {"href": redirect},
            },
        },
    )


async def _found(call: VendorCall, account: Account, name: str) -> tuple[Payment, str]:
    """The payment with an id, and our reference of the execution it names. Raises Invalid."""
    reference = reference_of(name)
    payment = account.payment(reference)
    # After an error before the work there is nothing to read back.
    entry = account.backend.entry(reference)
    if payment is None or (entry is None and not payment.stage):
        raise Invalid("not_found")
    call.attribute(Evidence(headers=call.http.headers, object_id=name))
    await execute_nothing(call, replace(payment.request, reference=reference))
    return payment, reference


async def _with_reference(call: VendorCall, account: Account, reference: str) -> list[Payment]:
    """The payments with a merchant's reference for which there is something to show."""
    found = call.attribute(
        Evidence(headers=call.http.headers, texts=(reference,), makes_attempt=False)
    )
    about = replace(NOTHING, payment=found.payment, attempt=found.attempt)
    await execute_nothing(call, replace(about, reference=found.reference if found.payment else ""))
    payments = account.by_merchant_reference(reference)
    return [each for each in payments if each.stage or account.backend.entry(each.reference)]


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    value = query.get(name, [""])[0]
    return number_in(value, default)
