"""How each endpoint of Checkout.com's API is prepared and asked (`endpoint_laws.py`)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from tests.support.endpoint_laws import Asked, Recipe, Seat, Vendor
from tests.support.vendor_links import payment

_OF = f"/payments?reference={payment(1)}"
CHECKOUT = Vendor(
    name="checkout",
    dialect="{checkout: {test_amounts: simulate}}",
    encode=msgspec.json.encode,
    decode=msgspec.json.decode,
    event=lambda http: str(msgspec.json.decode(http.body)["type"]),
    headers={"authorization": "Bearer sk", "content-type": "application/json"},
    key_header="cko-idempotency-key",
    views=(_OF,),
)
CARD = {
    "type": "card",
    "number": "4242424242424242",
    "expiry_month": 12,
    "expiry_year": 2030,
    "cvv": "100",
}
SALE = {"amount": 1000, "currency": "EUR", "reference": payment(1), "source": CARD}
PAGE = {
    "amount": 1000,
    "currency": "EUR",
    "reference": payment(1),
    **{f"{name}_url": f"https://shop.example/{name}" for name in ("success", "failure", "cancel")},
}


def at(path: str, fields: dict[str, Any], *, changes: bool = True, **more: Any) -> Recipe:
    async def prepare(_seat: Seat) -> Asked:
        return Asked(path=path, fields=fields, **more)

    return Recipe(prepare=prepare, changes=changes)


def of(what: str, *, is_captured: bool = False, **fields: Any) -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        name = (await seat.made("/payments", {**SALE, "capture": is_captured}))["id"]
        own = f"/payments/{name}"
        # Only what succeeded is stored by its key; what failed is executed again.
        return Asked(
            path=f"{own}/{what}", fields=fields, views=(own, f"{own}/actions"), executes_again=True
        )

    return Recipe(prepare=prepare)


def bank(query: str = "") -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        links = (await seat.made("/payments", {**SALE, "3ds": {"enabled": True}}))["_links"]
        return Asked(path=f"{urlsplit(links['redirect']['href']).path}{query}", key="")

    return Recipe(prepare=prepare)


async def _page(seat: Seat) -> Asked:
    links = (await seat.made("/hosted-payments", PAGE))["_links"]
    own, page = (urlsplit(links[name]["href"]).path for name in ("self", "redirect"))
    return Asked(path=f"{page}?card=tok_visa_4242", key="", views=(own,))


async def _link_page(seat: Seat) -> Asked:
    fields = {name: PAGE[name] for name in ("amount", "currency", "reference")}
    links = (await seat.made("/payment-links", fields))["_links"]
    own, page = (urlsplit(links[name]["href"]).path for name in ("self", "redirect"))
    return Asked(path=f"{page}?card=tok_visa_4242", key="", views=(own,))


async def _session(seat: Seat) -> Asked:
    name = (await seat.made("/payment-sessions", PAGE))["id"]
    path = f"/payment-sessions/{name}/submit"
    return Asked(path=path, fields={"session_data": "tok_visa_4242"}, executes_again=True)


async def _customer(seat: Seat) -> str:
    return str((await seat.made("/customers", {"email": "ada@shop.example"}))["id"])


async def _new_customer(_seat: Seat) -> Asked:
    return Asked(path="/customers", fields={"email": "ada@shop.example"}, key="", new=_KNOWN)


def _of_customer(**fields: Any) -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        own = f"/customers/{await _customer(seat)}"
        return Asked(path=own, fields=fields, key="", views=(own,))

    return Recipe(prepare=prepare)


async def _new_instrument(seat: Seat) -> Asked:
    fields = {"type": "token", "token": "tok_visa_4242", "customer": {"id": await _customer(seat)}}
    return Asked(path="/instruments", fields=fields, key="", views=(_KNOWN,))


def _of_instrument(**fields: Any) -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        made = await seat.made("/instruments", (await _new_instrument(seat)).fields)
        own = f"/instruments/{made['id']}"
        return Asked(path=own, fields=fields, key="", views=(own,))

    return Recipe(prepare=prepare)


_KNOWN = "/customers/ada@shop.example"
RECIPES = {
    "POST customers": [Recipe(prepare=_new_customer)],
    "PATCH customers/{id}": [_of_customer(name="Ada")],
    "DELETE customers/{id}": [_of_customer()],
    "POST instruments": [Recipe(prepare=_new_instrument)],
    "PATCH instruments/{id}": [_of_instrument(expiry_month=6)],
    "DELETE instruments/{id}": [_of_instrument()],
    "POST payments": [
        at("/payments", SALE, executes_again=True),
        at("/payments", {**SALE, "capture": False}, executes_again=True),
        at("/payments", {**SALE, "customer": {"email": "a@shop.example"}}, executes_again=True),
        at("/payments", {**SALE, "3ds": {"enabled": True}}, executes_again=True),
        at("/payments", {**SALE, "amount": 10_005}, executes_again=True),
    ],
    "POST payments/search": [
        at("/payments/search", {"query": f'reference:"{payment(1)}"'}, changes=False)
    ],
    "POST payments/{id}/captures": [of("captures"), of("captures", amount=400)],
    "POST payments/{id}/voids": [of("voids")],
    "POST payments/{id}/refunds": [of("refunds", is_captured=True, amount=400)],
    "POST payments/{id}/reversals": [of("reversals"), of("reversals", is_captured=True)],
    "POST hosted-payments": [at("/hosted-payments", PAGE, key="", new="/hosted-payments/{id}")],
    "POST tokens": [at("/tokens", CARD, changes=False, key="")],
    "POST connect/token": [at("/connect/token", {}, changes=False, key="")],
    "GET /3ds/{id}": [bank(), bank("?outcome=failed")],
    "POST payment-links": [
        at("/payment-links", {"amount": 1000, "currency": "EUR"}, key="", new="/payment-links/{id}")
    ],
    "POST payment-sessions": [at("/payment-sessions", PAGE, changes=False, key="")],
    "POST payment-sessions/{id}/submit": [Recipe(prepare=_session)],
    "POST payment-sessions/complete": [
        at(
            "/payment-sessions/complete",
            {**PAGE, "session_data": "tok_visa_4242"},
            executes_again=True,
        )
    ],
    "GET /hosted/{id}": [Recipe(prepare=_page), Recipe(prepare=_link_page)],
}
