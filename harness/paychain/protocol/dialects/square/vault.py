"""Customers and their cards on file, which later payments name as `source_id`.

Source: the models of `squareup` (python) 46.0.0. Which error a wrong request gets is deduced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from paychain.protocol.dialects.square import reading
from paychain.protocol.dialects.square.account import Account, StoredCard
from paychain.protocol.dialects.square.errors import Invalid
from paychain.protocol.dialects.square.tables import decline_of
from paychain.protocol.dialects.square.views import card_shown, declined, when
from paychain.protocol.vendor import Evidence, VendorCall
from paychain.protocol.vendor_ids import encode
from paychain.protocol.vendor_nothing import execute_nothing
from paychain.protocol.vendor_pages import query_of
from paychain.wire.http import HttpResponse, json_response

CARDS, CUSTOMERS = "v2/cards", "v2/customers"
PREFIX = "ccof:"
MAX_LISTED = {CARDS: 25, CUSTOMERS: 100}  # in one page, as at Square
_NAMES = ("given_name", "family_name", "company_name", "email_address", "phone_number")
_SAID = (*_NAMES, "address", "birthday", "nickname", "note", "reference_id", "tax_ids")
_USED_CARD = ("billing_address", "cardholder_name", "customer_id", "reference_id")
_USED_CREATION = frozenset({"card", "idempotency_key", "source_id"})
_USED_SEARCH = frozenset({"cursor", "limit", "query"})
_SEARCHED = ("email_address", "phone_number", "reference_id")
Shown = dict[str, Any]


async def create_customer(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /v2/customers`: a repeated key returns its customer. Raises Invalid."""
    body = reading.read(call.http.body, "CreateCustomer")
    if not any(body.get(name) for name in _NAMES):
        raise Invalid("missing", field=_NAMES[0])

    def new() -> Shown:
        now = when(account.backend.now_s())
        said = {name: body[name] for name in _SAID if body.get(name)}
        dates = {"created_at": now, "updated_at": now}
        kind = {"creation_source": "THIRD_PARTY", "preferences": {"email_unsubscribed": False}}
        return {"id": _new_id(account), **dates, **said, **kind, "version": 0}

    keyed = account.begin(account.customers_by_key, call.http, body, new)
    customer = keyed.made

    def keep() -> None:
        # A repeat must not bring back what was deleted since.
        if keyed.done():
            account.customers[customer["id"]] = customer

    await _execute(call, account, body, keep)
    return json_response(200, {"customer": customer})


async def show_customer(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /v2/customers/{id}`, with its cards."""
    customer = _customer(account, name)
    await _execute(call, account)
    return json_response(200, {"customer": customer})


async def update_customer(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`PUT /v2/customers/{id}`: null, or an empty text, clears a field."""
    body = reading.read(call.http.body, "UpdateCustomer")
    account.ignored.note(call, body, frozenset(_SAID))
    customer = _customer(account, name)

    def change() -> None:
        for said in _SAID:
            if body.get(said):
                customer[said] = body[said]
            elif said in body:
                customer.pop(said, None)
        customer["version"] += 1
        customer["updated_at"] = when(account.backend.now_s())

    await _execute(call, account, body, change)
    return json_response(200, {"customer": customer})


async def delete_customer(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`DELETE /v2/customers/{id}`: its cards cannot be charged any more."""
    _customer(account, name)

    def change() -> None:
        account.customers.pop(name, None)
        for card in account.cards.values():
            if card.customer == name:
                card.shown["enabled"] = False

    await _execute(call, account, change=change)
    return json_response(200, {})


async def list_customers(call: VendorCall, account: Account) -> HttpResponse:
    """`GET /v2/customers`, by `limit`, `cursor`, `sort_order`."""
    await _execute(call, account)
    query = query_of(call.http)
    known = list(account.customers.values())
    if query.get("sort_order") == "DESC":
        known.reverse()
    return _page(CUSTOMERS, "customers", known, query)


async def search_customers(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /v2/customers/search`, by email address, phone number and reference id."""
    body = reading.read(call.http.body, "SearchCustomers")
    query = reading.inside(body, "query")
    wanted = reading.inside(query, "filter", "query.")
    account.ignored.note(call, body, _USED_SEARCH)
    account.ignored.note(call, query, frozenset({"filter"}))
    for name in wanted.keys() - set(_SEARCHED):
        # Customers who do not match must not be taken for some that do.
        call.not_served(f"a search for customers by {name}")
        raise Invalid("bad_request", field=f"query.filter.{name}")
    fits = {name: reading.inside(wanted, name, "query.filter.") for name in _SEARCHED}
    await _execute(call, account)
    known = [
        each
        for each in account.customers.values()
        if all(_is_like(str(each.get(name, "")), text) for name, text in fits.items())
    ]
    return _page(CUSTOMERS, "customers", known, {name: str(body[name]) for name in body})


async def create_card(call: VendorCall, account: Account) -> HttpResponse:
    """`POST /v2/cards`: a repeated key returns its card; one that is declined is not kept.

    Raises Invalid.
    """
    body = reading.read(call.http.body, "CreateCard")
    reading.text(body, "idempotency_key")
    described = reading.inside(body, "card")

    def new() -> StoredCard:
        owner = reading.text(described, "customer_id")
        if owner not in account.customers:
            raise Invalid("not_found", field="card.customer_id", what=f"customer with id: {owner}")
        source = reading.text(body, "source_id")
        instrument, declined_as = account.charged(source, owner) or reading.card(source)
        return StoredCard(
            instrument=instrument,
            customer=owner,
            declined_as=declined_as,
            shown={
                "id": f"{PREFIX}{_new_id(account)}",
                **card_shown(instrument),
                "merchant_id": account.location,
                "enabled": True,
                "created_at": when(account.backend.now_s()),
                "version": 1,
                **{name: described[name] for name in _USED_CARD if described.get(name)},
            },
        )

    keyed = account.begin(account.cards_by_key, call.http, body, new)
    card = keyed.made
    account.ignored.note(call, body, _USED_CREATION)
    account.ignored.note(call, described, frozenset(_USED_CARD))

    def keep() -> None:
        if keyed.done() and not card.declined_as:
            account.cards[card.shown["id"]] = card

    await _execute(call, account, described, keep)
    if card.declined_as:
        decline = decline_of(card.declined_as, card.instrument.group)
        return json_response(402, {"errors": [declined(decline)]})
    return json_response(200, {"card": card.shown})


async def show_card(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`GET /v2/cards/{id}`."""
    card = _card(account, name)
    await _execute(call, account)
    return json_response(200, {"card": card.shown})


async def disable_card(call: VendorCall, account: Account, name: str) -> HttpResponse:
    """`POST /v2/cards/{id}/disable`: it cannot be charged any more."""
    card = _card(account, name)
    await _execute(call, account, change=lambda: card.shown.update(enabled=False))
    return json_response(200, {"card": card.shown})


async def list_cards(call: VendorCall, account: Account) -> HttpResponse:
    """`GET /v2/cards`, by `customer_id`, `reference_id`, `include_disabled`, `sort_order`."""
    await _execute(call, account)
    query = query_of(call.http)
    known = [
        card.shown
        for card in account.cards.values()
        if query.get("customer_id") in (None, card.customer)
        and query.get("reference_id") in (None, card.shown.get("reference_id"))
        and (card.shown["enabled"] or query.get("include_disabled") == "true")
    ]
    if query.get("sort_order") == "DESC":
        known.reverse()
    return _page(CARDS, "cards", known, query)


def _new_id(account: Account) -> str:
    account.ids_made += 1
    return encode(f"{account.ids_made}/{account.backend.now_s()}/v")


async def _execute(
    call: VendorCall,
    account: Account,
    body: Mapping[str, Any] | None = None,
    change: Callable[[], object] | None = None,
) -> None:
    """Faults and capacity apply to what moves no money, too."""
    texts = [str((body or {}).get(name) or "") for name in ("reference_id", "note")]
    call.attribute(
        Evidence(
            headers=call.http.headers,
            texts=tuple(each for each in texts if each),
            key=account.key(call.http),
            makes_attempt=False,
        )
    )
    await execute_nothing(call, change=change)


def _customer(account: Account, name: str) -> Shown:
    customer = account.customers.get(name)
    if customer is None:
        raise Invalid("not_found", what=f"customer with id: {name}")
    return customer


def _card(account: Account, name: str) -> StoredCard:
    card = account.cards.get(name)
    if card is None:
        raise Invalid("not_found", what=f"card with id: {name}")
    return card


def _page(path: str, name: str, known: list[Shown], query: Mapping[str, str]) -> HttpResponse:
    part, more = reading.page_of(known, query, MAX_LISTED[path])
    return json_response(200, {name: part, **more} if known else more)


def _is_like(value: str, wanted: Mapping[str, Any]) -> bool:
    """Whether a text matches `{exact: …}`, or contains all parts of `{fuzzy: …}`."""
    if "exact" in wanted:
        return value == str(wanted["exact"])
    parts: Iterable[str] = str(wanted.get("fuzzy") or "").lower().split()
    return all(part in value.lower() for part in parts)
