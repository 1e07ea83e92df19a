"""Customers and their instruments: cards that are kept, and pay later by id.

    POST /instruments (token or card, customer) ─▶ src_…
    POST /payments {source: {type: id, id: src_…}} or {source: {type: customer, id: cus_…}}

Keys are not for these endpoints. Source: the clients of checkout-sdk (python) 4.8.1; which code a
wrong request gets is deduced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paychain.protocol.dialects.checkout import reading, views
from paychain.protocol.dialects.checkout.account import (
    Account,
    Customer,
    Payment,
    StoredCard,
)
from paychain.protocol.dialects.checkout.errors import Invalid
from paychain.protocol.vendor import VendorCall
from paychain.protocol.vendor_ids import BASE32, encode
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.wire.http import HttpResponse, json_response

_SAID = ("name", "phone", "metadata")
_USED_CUSTOMER = frozenset({"email", "default", "instruments", *_SAID})
_USED = frozenset(
    {"type", "token", "number", "expiry_month", "expiry_year", "account_holder", "customer", "name"}
)
Shown = dict[str, Any]


async def create_customer(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /customers`: one for each email address. Raises Invalid."""
    body = reading.read(call.http.body)
    account.ignored.note(call, body, _USED_CUSTOMER)
    customer = _customer_from(account, body)
    names = body.get("instruments") or []
    if not isinstance(names, list):
        raise Invalid("malformed")
    default = str(body.get("default") or "")

    def kept() -> list[StoredCard]:
        cards = [_card(account, str(name)) for name in names]
        if default and _card(account, default) not in cards:
            raise Invalid("no_instrument")
        return cards

    def add() -> None:
        _email(account, body)
        cards = kept()
        account.keep_customer(customer)
        for card in cards:
            _move(account, card, customer)
        customer.default = default or (cards[0].id if cards else "")

    kept()
    refused = await _execute(call, account, add)
    return refused or json_response(201, {"id": customer.id})


async def show_customer(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /customers/{id}`, by id or email address."""
    customer = _customer(account, name)
    await execute_nothing(call)
    cards = [_shown(card) for card in account.cards.values() if card.customer == customer.id]
    default = {"default": customer.default} if customer.default else {}
    return json_response(
        200, {**views.customer(customer), **customer.said, **default, "instruments": cards}
    )


async def update_customer(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`PATCH /customers/{id}`. Raises Invalid."""
    body = reading.read(call.http.body)
    account.ignored.note(call, body, _USED_CUSTOMER)
    customer = _customer(account, name)

    def wanted() -> tuple[str, str]:
        _customer(account, customer.id)
        email = _email(account, body, customer) if "email" in body else customer.email
        default = str(body.get("default") or "")
        if default and _card(account, default).customer != customer.id:
            raise Invalid("no_instrument")
        return email, default or customer.default

    def change() -> None:
        customer.email, customer.default = wanted()
        customer.said |= {said: body[said] for said in _SAID if said in body}
        account.keep_customer(customer)

    wanted()
    return await _execute(call, account, change) or HttpResponse(204)


async def delete_customer(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`DELETE /customers/{id}`, with the instruments."""
    customer = _customer(account, name)

    def change() -> None:
        account.customers.pop(customer.id, None)
        for card in [each for each in account.cards.values() if each.customer == customer.id]:
            account.cards.pop(card.id, None)

    await execute_nothing(call, change=change)
    return HttpResponse(204)


async def create_instrument(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /instruments`, of a token or a card's number, for a known customer or a new one.

    Raises Invalid.
    """
    body = reading.read(call.http.body)
    account.ignored.note(call, body, _USED)
    if body.get("type") not in ("card", "token"):
        raise Invalid("source_type")
    instrument, expiry = reading.card(body, account.backend.now_s())
    owner = reading.part(body, "customer")
    customer: Customer | None = None
    if owner.get("id"):
        customer = _customer(account, str(owner["id"]))
    elif owner:
        # An address that is known already is that customer's.
        known = account.customer_named(str(owner.get("email") or ""))
        customer = known or _customer_from(account, owner)
    card = StoredCard(
        id=_new_id(account, reading.STORED),
        instrument=instrument,
        expiry=expiry,
        customer="",
        holder=reading.part(body, "account_holder"),
    )

    is_new = customer is not None and customer.id not in account.customers

    def add() -> None:
        nonlocal customer
        if customer is not None and is_new:
            # Another request may have made it meanwhile.
            customer = account.customer_named(customer.email) or customer
            account.keep_customer(customer)
        elif customer is not None:
            _customer(account, customer.id)
        account.keep_card(card, customer)
        if customer is not None and (owner.get("default") is True or not customer.default):
            customer.default = card.id

    refused = await _execute(call, account, add)
    return refused or json_response(201, _shown(card, customer))


async def show_instrument(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /instruments/{id}`."""
    card = _card(account, name)
    await execute_nothing(call)
    return json_response(200, _shown(card, account.customers.get(card.customer)))


async def update_instrument(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`PATCH /instruments/{id}`: expiry, holder, and whose it is."""
    body = reading.read(call.http.body)
    account.ignored.note(call, body, _USED)
    card = _card(account, name)
    expiry = card.expiry
    if "expiry_month" in body or "expiry_year" in body:
        said = {"expiry_month": card.expiry[0], "expiry_year": card.expiry[1], **body}
        expiry = reading.expiry(said, account.backend.now_s())
    owner = reading.part(body, "customer")
    customer = _customer(account, str(owner["id"])) if owner.get("id") else None
    holder = reading.part(body, "account_holder")

    def change() -> None:
        _card(account, card.id)
        if customer is not None:
            _customer(account, customer.id)
        card.expiry, card.holder = expiry, holder or card.holder
        if customer is not None:
            _move(account, card, customer)
            if owner.get("default") is True:
                customer.default = card.id

    refused = await _execute(call, account, change)
    shown = {"type": "card", "fingerprint": _shown(card)["fingerprint"]}
    return refused or json_response(200, shown)


async def delete_instrument(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`DELETE /instruments/{id}`: it pays no more."""
    card = _card(account, name)

    def change() -> None:
        account.cards.pop(card.id, None)
        customer = account.customers.get(card.customer)
        if customer is not None and customer.default == card.id:
            customer.default = ""

    await execute_nothing(call, change=change)
    return HttpResponse(204)


def payer(account: Account, body: Shown) -> Customer | None:
    """The customer of a payment: one that is known by id or address, or a new one. Raises Invalid.

    A source may name it, too. Only a payment that is made keeps a new one (`keep`).
    """
    said, source = reading.part(body, "customer"), reading.part(body, "source")
    if not said and source.get("type") == "customer":
        said = source
    if said.get("id"):
        known = account.customers.get(str(said["id"]))
        if known is None:
            raise Invalid("no_customer")
        return known
    if not said.get("email"):
        return None
    return account.customer_named(str(said["email"])) or _customer_from(account, said)


def keep(account: Account, payment: Payment, *, is_approved: bool) -> None:
    """Keep the customer of a payment, and a card that was charged for their later payments."""
    owner = payment.customer
    if owner is None:
        return
    if not owner.is_kept:
        # Another payment may have made the same one meanwhile.
        owner = account.customer_named(owner.email) or owner
        account.keep_customer(owner)
    elif owner.id not in account.customers:
        return  # deleted meanwhile, with the cards
    payment.customer = owner
    if not is_approved:
        return
    charged = payment.request.instrument
    card = account.card_of(owner, charged)
    if card is None:
        name = _new_id(account, reading.STORED)
        card = StoredCard(
            id=name, instrument=charged, expiry=payment.expiry, customer=owner.id, holder={}
        )
        account.keep_card(card, owner)
    payment.stored = card.id
    owner.default = owner.default or card.id


async def _execute(
    call: VendorCall, account: Account, change: Callable[[], object]
) -> HttpResponse | None:
    """Make a change; the refusal of one that other requests have made impossible meanwhile.

    `change` checks all that it needs before it changes anything. An Invalid that it raises refuses
    the request.
    """
    refusals: list[Invalid] = []

    def made() -> None:
        try:
            change()
        except Invalid as refusal:
            refusals.append(refusal)

    await execute_nothing(call, change=made)
    return account.refused(refusals[0].name) if refusals else None


def _move(account: Account, card: StoredCard, customer: Customer) -> None:
    """Give a customer a card; whoever had it does not pay with it any more."""
    owner = account.customers.get(card.customer)
    if owner is not None and owner is not customer and owner.default == card.id:
        owner.default = ""
    account.keep_card(card, customer)


def _customer_from(account: Account, body: Shown) -> Customer:
    return Customer(
        id=_new_id(account, "cus_"),
        email=_email(account, body),
        said={name: body[name] for name in _SAID if body.get(name)},
    )


def _email(account: Account, body: Shown, owner: Customer | None = None) -> str:
    """The required address of a customer, which nobody else has. Raises Invalid."""
    email = body.get("email")
    if not isinstance(email, str) or "@" not in email:
        raise Invalid("no_email" if not email else "email")
    if account.customer_named(email) not in (None, owner):
        raise Invalid("email_in_use")
    return email


def _new_id(account: Account, prefix: str) -> str:
    account.kept += 1
    digits = encode(f"{account.kept}/{account.backend.now_s()}/v", BASE32)
    return f"{prefix}{digits[:26]}"


def _customer(account: Account, name: str) -> Customer:
    customer = account.customers.get(name) or account.customer_named(name)
    if customer is None:
        raise Invalid("not_found")
    return customer


def _card(account: Account, name: str) -> StoredCard:
    card = account.cards.get(name)
    if card is None:
        raise Invalid("not_found")
    return card


def _shown(card: StoredCard, customer: Customer | None = None) -> Shown:
    shown = views.card(card.instrument, card.expiry)
    shown = {**shown, "id": card.id}
    if card.holder:
        shown["account_holder"] = card.holder
    if customer is not None:
        is_default = {"default": customer.default == card.id}
        shown["customer"] = {**views.customer(customer), **is_default}
    return shown
