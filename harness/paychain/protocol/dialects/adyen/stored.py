"""Stored payment methods: a card that has paid is kept for its shopper and pays later by its id.

    POST /payments (storePaymentMethod, shopperReference) ─▶ storedPaymentMethodId
    POST /storedPaymentMethods (paymentMethod, shopperReference) ─▶ id, and no payment
    POST /payments (storedPaymentMethodId, shopperReference, shopperInteraction: ContAuth)

Sources: CheckoutService-v72.json and Webhooks-v1.json, their examples. That a card is stored once
for a shopper is deduced.
"""

from __future__ import annotations

from typing import Any

from paychain.payments.instrument import Instrument
from paychain.protocol.dialects.adyen import bodies
from paychain.protocol.dialects.adyen.account import Account
from paychain.protocol.dialects.adyen.errors import Invalid
from paychain.protocol.dialects.adyen.records import Payment, StoredCard
from paychain.protocol.dialects.adyen.tables import Authentication, brand_of_scheme
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_cards import card_of_token
from paychain.protocol.vendor_ids import UPPER, encode
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_pages import query_of
from paychain.wire.http import HttpResponse, json_response

AUTHENTICATION: Authentication = "none"  # of a stored card, which has already paid
REPORTED = "stored"  # reported when a card is stored
_USED = frozenset(
    {"merchantAccount", "recurringProcessingModel", "shopperReference", *bodies.USED_METHOD}
)
MODELS = ("CardOnFile", "Subscription", "UnscheduledCardOnFile")


async def listed(call: VendorCall, account: Account) -> HttpResponse:
    """`GET /storedPaymentMethods`, of one shopper."""
    query = query_of(call.http)
    merchant, shopper = bodies.account(query, account.merchant), _shopper(query)
    await execute_nothing(call)
    methods = [
        {**shown_of(card), "shopperReference": shopper} for card in of_shopper(account, shopper)
    ]
    shown = {"merchantAccount": merchant, "shopperReference": shopper}
    return json_response(200, {**shown, "storedPaymentMethods": methods})


async def create(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /storedPaymentMethods`: a card is stored, and nothing is charged. Raises Invalid."""
    body = bodies.read(call.http.body, "StoredPaymentMethodRequest")
    merchant, shopper = bodies.account(body, account.merchant), _shopper(body)
    method = bodies.part(body, "paymentMethod")
    if not method:
        raise Invalid("no_payment_method")
    if bodies.text(body, "recurringProcessingModel", "no_model") not in MODELS:
        raise Invalid("wrong_type", fields="recurringProcessingModel")
    instrument, _ = bodies.card(method)
    account.ignored.note(call, body, _USED)

    def new() -> StoredCard:
        for known in _like(account, shopper, instrument):
            return known
        account.stored_alone += 1
        month, year = (_plain(method, name) for name in ("ExpiryMonth", "ExpiryYear"))
        return StoredCard(
            id=encode(f"{account.stored_alone}/{account.backend.now_s()}/s", UPPER),
            merchant_account=merchant,
            shopper=shopper,
            instrument=instrument,
            expiry=f"{month or '03'}/{year or '2030'}",
            holder=str(method.get("holderName", "")),
        )

    keyed = account.stored_by_key.begin(account.known_key(call.http), body, new)
    card = keyed.made

    def keep() -> None:
        account.stored.setdefault(card.id, card)
        keyed.done()

    await execute_nothing(call, is_keyed=True, change=keep)
    shown = {**shown_of(card), "expiryYear": card.expiry.partition("/")[2]}
    return json_response(201, {**shown, "shopperReference": shopper})


def _plain(method: dict[str, Any], name: str) -> str:
    """A date's part, as such or in Adyen's test form of an encrypted one."""
    plain = method.get(f"{name[0].lower()}{name[1:]}") or method.get(f"encrypted{name}") or ""
    return str(plain).removeprefix(bodies.ENCRYPTED)


async def delete(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`DELETE /storedPaymentMethods/{id}`: it can no longer pay."""
    query = query_of(call.http)
    bodies.account(query, account.merchant)
    _found(account, name, _shopper(query))
    await execute_nothing(call, change=lambda: account.stored.pop(name, None))
    return HttpResponse(204)


def of_shopper(account: Account, shopper: str) -> list[StoredCard]:
    """The cards that are stored for a shopper, the oldest first."""
    return [card for card in account.stored.values() if card.shopper == shopper]


def _like(account: Account, shopper: str, instrument: Instrument) -> list[StoredCard]:
    return [card for card in of_shopper(account, shopper) if card.instrument == instrument]


def shown_of(card: StoredCard) -> dict[str, Any]:
    """A stored card as a front end receives it."""
    month, _, year = card.expiry.partition("/")
    number = card.instrument.identity
    return {
        "brand": brand_of_scheme(card.instrument.group),
        "expiryMonth": month,
        "expiryYear": year[-2:],
        **({"holderName": card.holder} if card.holder else {}),
        "id": card.id,
        "lastFour": number[-4:],
        "name": card.instrument.group.upper(),
        "supportedRecurringProcessingModels": list(MODELS),
        "type": "scheme",
    }


def asked(
    account: Account, body: dict[str, Any], method: dict[str, Any], key: tuple[str, str] | None
) -> StoredCard | None:
    """The stored card that a payment names, None for any other.

    Raises Invalid. Our customers' tokens may take its place, and need no shopper. A repeat under
    its key gets the first outcome, even if the card was deleted since.
    """
    name = str(method.get("storedPaymentMethodId") or method.get("recurringDetailReference") or "")
    if not name or card_of_token(name) is not None:
        return None
    shopper = _shopper(body)
    paid, card = account.cards_of_keys.get(key, ("", None)) if key is not None else ("", None)
    is_same = card is not None and (card.id, card.shopper) == (name, shopper)
    if is_same and account.backend.entry(paid) is not None:
        return card
    return _found(account, name, shopper)


def note_paid(account: Account, payment: Payment, key: tuple[str, str] | None) -> None:
    """Remember which stored card the payment of a key was made with."""
    card = account.stored.get(payment.stored)
    if key is not None and card is not None:
        account.cards_of_keys[key] = payment.reference, card


def is_wanted(body: dict[str, Any]) -> bool:
    """Whether a payment's card is to be stored. Raises Invalid when no shopper is named."""
    wants = body.get("storePaymentMethod") is True or body.get("enableRecurring") is True
    return wants and bool(_shopper(body))


def store(account: Account, payment: Payment) -> None:
    """Store the card of a payment that was authorised, and report it."""
    request = payment.request
    known = _like(account, payment.shopper, request.instrument)
    if known:
        payment.stored = known[0].id
        return
    payment.stored = _own_id(payment)
    account.stored[payment.stored] = StoredCard(
        id=payment.stored,
        merchant_account=payment.merchant_account,
        shopper=payment.shopper,
        instrument=request.instrument,
        expiry=payment.expiry,
        holder=payment.holder,
    )
    account.backend.notify(REPORTED, request)


def additional(payment: Payment) -> dict[str, str]:
    """What the answer to a payment says about its stored card."""
    if not payment.stored:
        return {}
    is_new = payment.stored == _own_id(payment)
    return {
        "recurring.recurringDetailReference": payment.stored,
        "recurring.shopperReference": payment.shopper,
        "tokenization.shopperReference": payment.shopper,
        "tokenization.storedPaymentMethodId": payment.stored,
        "tokenization.store.operationType": "created" if is_new else "alreadyExisting",
    }


def _own_id(payment: Payment) -> str:
    """The id of the card that a payment was the first to store."""
    return encode(f"{payment.reference}/s", UPPER)


def _shopper(given: dict[str, Any]) -> str:
    return bodies.text(given, "shopperReference", "no_shopper")


def _found(account: Account, name: str, shopper: str) -> StoredCard:
    card = account.stored.get(name)
    if card is None or card.shopper != shopper:
        raise Invalid("no_contract")
    return card
