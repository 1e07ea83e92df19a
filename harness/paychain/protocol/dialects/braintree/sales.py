"""`POST /transactions`: authorise, and submit for settlement if the request says so."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

from paychain.payments.cards import Card
from paychain.payments.codes import IN_PROGRESS
from paychain.payments.money import to_minor
from paychain.payments.outcome import Outcome
from paychain.protocol.dialects.braintree import keeping
from paychain.protocol.dialects.braintree.account import (
    KEY,
    SIMULATE,
    Account,
    inside,
    is_true,
    text,
    token_in,
    transaction_of,
)
from paychain.protocol.dialects.braintree.documents import Rows
from paychain.protocol.dialects.braintree.errors import (
    INVALID,
    Invalid,
    document,
    plain,
    validation_error,
)
from paychain.protocol.dialects.braintree.objects import (
    ADDRESSES,
    APPROVED_STATUSES,
    AUTHORIZING,
    NO_ADDRESS,
    shown,
    status_of,
)
from paychain.protocol.dialects.braintree.records import (
    IdTarget,
    SaleTransaction,
    SettlementOrRefund,
    StoredCard,
)
from paychain.protocol.dialects.braintree.tables import errors, instruments, response
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_cards import (
    BadNumber,
    card_of_number,
    card_of_scheme,
    card_of_token,
)
from paychain.protocol.vendor_ignored import within
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_paying import attributed
from paychain.wire.http import HttpResponse

MAX_MINOR = 10**15  # largest amount in minor units: beyond any payment
MAX_ORDER_ID = 255
DECLINING = range(2000, 3001)  # amounts in whole units that are declined with the same code
INCOMPLETE = Decimal("5001.00")  # an amount that the gateway rejects
_USED = frozenset(
    {
        KEY,
        "accept_partial_authorization",
        "amount",
        "channel",
        *within("credit_card", "token", "number", "cvv", "cardholder_name"),
        *within("credit_card", "expiration_date", "expiration_month", "expiration_year"),
        "custom_fields",
        *within("customer", "id", *keeping.CONTACT),
        "customer_id",
        "line_items",
        "merchant_account_id",
        "options",
        "order_id",
        "payment_method_nonce",
        "payment_method_token",
        "three_d_secure_pass_thru",
        "type",
        *(each for name in ADDRESSES for each in within(name, *NO_ADDRESS)),
    }
)
_USED_OPTIONS = frozenset({"submit_for_settlement", "three_d_secure.required", *keeping.OPTIONS})
_NUMBER_ERRORS = {
    "not a number": "number_length",
    "no such card": "number_invalid",
    "not for testing": "number_not_test",
}


async def create(call: VendorCall, account: Account) -> HttpResponse:
    """Make a transaction, or show the one that the key made before."""
    merchant_id = call.http.target.strip("/").split("/")[1]
    return await pay_by(call, account, transaction_of(call.http), merchant_id)


async def pay_by(
    call: VendorCall, account: Account, given: dict[str, Any], merchant_id: str
) -> HttpResponse:
    """Pay as the transaction in a request says. Raises Invalid."""
    requested = _transaction_from(given, account, merchant_id)
    account.ignored.note(call, given, _USED)
    account.ignored.note(call, inside(given, "options"), _USED_OPTIONS, "options.")
    texts = (requested.order_id, *map(str, inside(given, "custom_fields").values()))
    request = attributed(call, requested.request, texts=texts, key=account.key(call.http))
    requested.request = request
    # Known before it is executed: its answer may be lost, and a search finds it all the same.
    transaction = account.registry.add(requested)
    undo = partial(account.registry.remove, requested) if transaction is requested else None
    if requested.rejection:
        await execute_nothing(call, request, is_keyed=True, undo=undo)
        return answered(account, transaction)

    def note(answer: Answer) -> None:
        transaction.answer = answer
        keeping.keep(account, transaction)

    answer = await call.execute("authorise", request, undo=undo, note=note)
    # A wrong answer names what nobody has executed. Only that answer says so, and no repeat.
    is_wrong = bool(answer.reference) and account.entry(answer.reference) is None
    asked_for = transaction
    if not (is_wrong and answer.replayed):
        transaction = account.registry.executed(transaction, answer.reference)
    if is_wrong and transaction is not asked_for:
        account.registry.remove(transaction)
    if not answer.replayed:
        transaction.answer = answer
        transaction.was_stuck = account.entry(transaction.reference) is None
        if answer.outcome is Outcome.UNKNOWN and answer.code != IN_PROGRESS:
            # The processor did not answer in time: the SDKs raise GatewayTimeoutError.
            return plain(504)
    elif answer.outcome is not Outcome.UNKNOWN:
        transaction.answer = transaction.answer or answer
    elif _is_uncreated(account, transaction):
        return validation_error("key_server_error")
    return answered(account, transaction)


def answered(account: Account, transaction: SaleTransaction) -> HttpResponse:
    """The answer to a sale in its current state: 201, or 422 with the reason of a decline."""
    named = IdTarget(transaction=transaction)
    status, value = status_of(account, named), shown(account, named)
    if status in APPROVED_STATUSES or status == AUTHORIZING:
        return document(201, "transaction", value)
    message = value["processor_response_text"]
    if transaction.rejection:
        message = f"Gateway Rejected: {transaction.rejection}"
    return document(
        INVALID,
        "api_error_response",
        {
            "errors": {"errors": Rows("error", [])},
            "params": {"transaction": {"type": "sale", "amount": value["amount"]}},
            "message": message,
            "transaction": value,
        },
    )


def minor_of(given: dict[str, Any], currency: str) -> int | None:
    """An amount in minor units, None if there is none. Raises Invalid."""
    written = text(given, "amount")
    if not written:
        return None
    try:
        minor = to_minor(written, currency)
    except ValueError:
        raise Invalid("amount_format") from None
    if minor <= 0:
        raise Invalid("amount_positive")
    if minor > MAX_MINOR:
        raise Invalid("amount_too_large")
    return minor


def _is_uncreated(account: Account, transaction: SaleTransaction) -> bool:
    """Whether the first request, which ended in a server error, created nothing."""
    entry = account.entry(transaction.reference)
    return transaction.answer is None and (
        entry is None or entry.state in ("not_authorised", "in_flight")
    )


def _transaction_from(given: dict[str, Any], account: Account, merchant_id: str) -> SaleTransaction:
    """The transaction that a request body describes, not yet attributed. Raises Invalid."""
    kind = text(given, "type")
    if kind != "sale":
        raise Invalid("type_invalid" if kind else "type_required")
    minor = minor_of(given, account.currency)
    if minor is None:
        raise Invalid("amount_required")
    order_id = text(given, "order_id")
    if len(order_id) > MAX_ORDER_ID:
        raise Invalid("order_id_too_long")
    options, card = inside(given, "options"), inside(given, "credit_card")
    kept = _kept(given, account)
    if kept is not None:
        instrument, steer, rejection = kept.instrument, kept.steer, kept.rejection
        card, is_authenticated = {**kept.details, "token": kept.token}, False
    else:
        instrument, steer, rejection, is_authenticated = instrument_of(given, card)
    is_authenticated = is_authenticated or bool(inside(given, "three_d_secure_pass_thru"))
    if is_true(inside(options, "three_d_secure").get("required")) and not is_authenticated:
        rejection = rejection or "three_d_secure"
    of_card = steer
    if account.test_amounts == SIMULATE:
        steer, rejection = _by_amount(given, steer, rejection)
    is_sale = is_true(options.get("submit_for_settlement"))
    now_s = account.backend.now_s()
    return SaleTransaction(
        request=PaymentRequest(
            "",
            minor,
            account.currency,
            instrument,
            is_sale=is_sale,
            accepts_partial=is_true(given.get("accept_partial_authorization")),
            authenticated=is_authenticated,
            three_ds="challenge" if is_authenticated else "",
            declined_as=response(steer).declined_as if steer else "",
        ),
        merchant_id=merchant_id,
        created_s=now_s,
        order_id=order_id,
        rejection=rejection,
        steer=steer,
        shown=_shown_of(given, card, kept.customer_id if kept else text(given, "customer_id")),
        keeps=keeping.asked(given, of_card) if kept is None else None,
        settlements=[
            SettlementOrRefund(item="c1", amount_minor=minor, created_s=now_s, is_own=False)
        ]
        if is_sale
        else [],
    )


def _shown_of(given: dict[str, Any], card: dict[str, Any], customer_id: str) -> dict[str, Any]:
    """The fields of a request that answers repeat."""
    return {
        "channel": text(given, "channel"),
        "custom_fields": _texts_of(inside(given, "custom_fields")),
        "merchant_account_id": text(given, "merchant_account_id"),
        "line_items": _line_items(given),
        **{name: _address(inside(given, name)) for name in ADDRESSES},
        "customer": {
            **keeping.contact_fields(inside(given, "customer")),
            "id": customer_id or None,
        },
        "card": {
            "token": text(given, "payment_method_token") or text(card, "token"),
            **details_of(card),
        },
    }


def _texts_of(given: dict[str, Any]) -> dict[str, str]:
    """Its fields as texts: the SDKs send numbers, too."""
    return {
        name: str(value)
        for name, value in given.items()
        if isinstance(value, (str, int, float)) and not isinstance(value, bool)
    }


def _address(given: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in _texts_of(given).items() if name in NO_ADDRESS}


def _line_items(given: dict[str, Any]) -> list[dict[str, str]]:
    items = given.get("line_items")
    if not isinstance(items, list):
        return []
    return [_texts_of(each) for each in items if isinstance(each, dict)]


def _kept(given: dict[str, Any], account: Account) -> StoredCard | None:
    """The vaulted card that a sale names, by its token or by its customer.

    None for a card that is part of the request. Raises Invalid.
    """
    token, customer_id = text(given, "payment_method_token"), text(given, "customer_id")
    if customer_id and customer_id not in account.vault.customers:
        raise Invalid("customer_invalid")
    nonce = text(given, "payment_method_nonce")
    is_given = bool(nonce or given.get("credit_card"))
    if is_given:
        token = token_in(nonce)
    if token:
        kept = account.vault.cards.get(token)
        if kept is not None and customer_id and kept.customer_id != customer_id:
            raise Invalid("of_another_customer")
        return kept
    if customer_id and not is_given:
        kept = account.vault.default_of(customer_id)
        if kept is None:
            raise Invalid("customer_without_card")
        return kept
    return None


def instrument_of(given: dict[str, Any], card: dict[str, Any]) -> tuple[Card, str, str, bool]:
    """The card of a sale, the response and rejection that a test value triggers ("" for none), and
    whether the cardholder was authenticated. Raises Invalid.
    """
    nonce = text(given, "payment_method_nonce")
    token = text(given, "payment_method_token") or text(card, "token")
    number = text(card, "number")
    if not (nonce or token or card):
        raise Invalid("card_required")
    if sum(map(bool, (nonce, token, number))) > 1:
        raise Invalid("payment_method_conflict")
    if nonce:
        return _of_nonce(nonce)
    if token:
        known = card_of_token(token)
        if known is None:
            raise Invalid("token_invalid")
        return known, "", "", False
    if not number:
        raise Invalid("number_required")
    found = card_of_number(number, published=frozenset(instruments().numbers))
    if isinstance(found, BadNumber):
        raise Invalid(_NUMBER_ERRORS[found.fault])
    return found, "", "", False


def _of_nonce(nonce: str) -> tuple[Card, str, str, bool]:
    published = instruments()
    if nonce in published.refused:
        assert published.refused[nonce] in errors()
        raise Invalid(published.refused[nonce])
    ours = card_of_token(nonce)
    if ours is not None:
        return ours, "", "", False
    scheme = {**published.nonces, **published.authenticated, **published.declined}.get(nonce)
    reason = published.rejected.get(nonce, "")
    if scheme is None and not reason:
        raise Invalid("nonce_unknown")
    card = card_of_scheme(scheme or "visa")
    assert card is not None  # the table names schemes that have test cards
    steer = "2000" if nonce in published.declined else ""
    return card, steer, reason, nonce in published.authenticated


def _by_amount(given: dict[str, Any], steer: str, rejection: str) -> tuple[str, str]:
    """The response and rejection that a test amount triggers.

    Source: docs: general/testing, transaction amounts.
    """
    value = Decimal(text(given, "amount"))
    if not steer and int(value) in DECLINING:
        steer = str(int(value))
    if not rejection and value == INCOMPLETE:
        rejection = "application_incomplete"
    return steer, rejection


def details_of(card: dict[str, Any]) -> dict[str, str]:
    """The details of a card in a request, as answers show them."""
    name = {"cardholder_name": text(card, "cardholder_name")}
    ends = {name: text(card, name) for name in ("bin", "last_4")}
    return {**name, **(ends if ends["last_4"] else _ends(card)), **_expiry(card)}


def _ends(card: dict[str, Any]) -> dict[str, str]:
    """From the number as sent: one that only Braintree publishes is charged as another card."""
    number = "".join(filter(str.isdigit, text(card, "number")))
    return {"bin": number[:6], "last_4": number[-4:]}


def _expiry(card: dict[str, Any]) -> dict[str, str]:
    month, _, year = text(card, "expiration_date").partition("/")
    month, year = text(card, "expiration_month") or month, text(card, "expiration_year") or year
    return {
        "expiration_month": month.zfill(2) if month else "",
        "expiration_year": f"20{year}" if len(year) == 2 else year,
    }
