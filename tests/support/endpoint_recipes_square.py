"""How each endpoint of Square's API is prepared and asked (`endpoint_laws.py`)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from tests.support.endpoint_laws import Asked, Recipe, Seat, Vendor
from tests.support.vendor_links import payment

_LINKS = "/v2/online-checkout/payment-links"
SQUARE = Vendor(
    name="square",
    dialect="square",
    encode=msgspec.json.encode,
    decode=msgspec.json.decode,
    event=lambda http: str(msgspec.json.decode(http.body)["type"]),
    headers={"authorization": "Bearer test", "content-type": "application/json"},
    views=("/v2/payments", "/v2/refunds", _LINKS, "/v2/customers", "/v2/cards"),
)
MONEY = {"amount": 1000, "currency": "EUR"}
SALE = {"source_id": "cnon:card-nonce-ok", "amount_money": MONEY, "reference_id": payment(1)}
HOLD = {**SALE, "autocomplete": False}
DECLINED = {**SALE, "source_id": "cnon:card-nonce-declined"}
LINK = {
    "quick_pay": {"name": "T-shirt", "price_money": MONEY, "location_id": "LPAYCHAIN0001"},
    "payment_note": payment(1),
    "checkout_options": {"redirect_url": "https://shop.example/done"},
}


def at(path: str, fields: dict[str, Any]) -> Recipe:
    async def prepare(_seat: Seat) -> Asked:
        return Asked(path=path, fields=fields, key="idempotency_key")

    return Recipe(prepare=prepare)


async def _pay(seat: Seat, fields: dict[str, Any]) -> str:
    made = await seat.made("/v2/payments", {**fields, "idempotency_key": "first"})
    return str(made["payment"]["id"])


def of(what: str, key: str = "", **fields: Any) -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        return Asked(path=f"/v2/payments/{await _pay(seat, HOLD)}{what}", fields=fields, key=key)

    return Recipe(prepare=prepare)


async def _by_key(seat: Seat) -> Asked:
    await _pay(seat, HOLD)
    return Asked(path="/v2/payments/cancel", fields={"idempotency_key": "first"}, key="")


async def _refund(seat: Seat) -> Asked:
    fields = {"payment_id": await _pay(seat, SALE), "amount_money": {**MONEY, "amount": 400}}
    return Asked(path="/v2/refunds", fields=fields, key="idempotency_key")


async def _link(seat: Seat) -> dict[str, Any]:
    made: dict[str, Any] = await seat.made(_LINKS, {**LINK, "idempotency_key": "first"})
    return dict(made["payment_link"])


async def _delete(seat: Seat) -> Asked:
    return Asked(path=f"{_LINKS}/{(await _link(seat))['id']}", key="")


async def _page(seat: Seat) -> Asked:
    made = await _link(seat)
    page, order = urlsplit(made["url"]).path, f"/v2/orders/{made['order_id']}"
    return Asked(path=f"{page}?card=tok_visa_4242", key="", views=(order,))


async def _customer(seat: Seat) -> str:
    made = await seat.made("/v2/customers", {"given_name": "Ada"})
    return str(made["customer"]["id"])


def _of_customer(**fields: Any) -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        return Asked(path=f"/v2/customers/{await _customer(seat)}", fields=fields, key="")

    return Recipe(prepare=prepare)


async def _search(_seat: Seat) -> Asked:
    return Asked(path="/v2/customers/search", key="")


async def _card(seat: Seat) -> Asked:
    card = {"customer_id": await _customer(seat)}
    fields = {"source_id": "cnon:card-nonce-ok", "card": card}
    return Asked(path="/v2/cards", fields=fields, key="idempotency_key", new="/v2/cards/{id}")


async def _disable(seat: Seat) -> Asked:
    asked = await _card(seat)
    made = await seat.made("/v2/cards", {**asked.fields, "idempotency_key": "first"})
    return Asked(path=f"/v2/cards/{made['card']['id']}/disable", key="")


ORDER = {
    "location_id": "LPAYCHAIN0001",
    "line_items": [{"name": "Cap", "quantity": "1", "base_price_money": MONEY}],
}


async def _order(seat: Seat) -> dict[str, Any]:
    made = await seat.made("/v2/orders", {"order": ORDER, "idempotency_key": "order"})
    return dict(made["order"])


async def _new_order(_seat: Seat) -> Asked:
    return Asked(
        path="/v2/orders",
        fields={"order": ORDER},
        key="idempotency_key",
        new="/v2/orders/{id}",
    )


async def _update(seat: Seat) -> Asked:
    order = await _order(seat)
    change = {"version": order["version"], "metadata": {"colour": "red"}}
    path = f"/v2/orders/{order['id']}"
    return Asked(path=path, fields={"order": change}, key="idempotency_key", views=(path,))


async def _pay_order(seat: Seat) -> Asked:
    order = await _order(seat)
    path, held = f"/v2/orders/{order['id']}", []
    for number, minor in enumerate((600, 400)):
        part = {**HOLD, "amount_money": {**MONEY, "amount": minor}, "order_id": order["id"]}
        made = await seat.made("/v2/payments", {**part, "idempotency_key": f"part{number}"})
        held.append(str(made["payment"]["id"]))
    fields = {"payment_ids": held}
    return Asked(path=f"{path}/pay", fields=fields, key="idempotency_key", views=(path,))


def _reads(path: str, fields: dict[str, Any]) -> Recipe:
    async def prepare(_seat: Seat) -> Asked:
        return Asked(path=path, fields=fields, key="")

    return Recipe(prepare=prepare, changes=False)


RECIPES = {
    "POST v2/orders": [Recipe(prepare=_new_order)],
    "POST v2/orders/batch-retrieve": [_reads("/v2/orders/batch-retrieve", {"order_ids": ["a"]})],
    "POST v2/orders/calculate": [_reads("/v2/orders/calculate", {"order": ORDER})],
    "POST v2/orders/search": [_reads("/v2/orders/search", {"location_ids": ["LPAYCHAIN0001"]})],
    "PUT v2/orders/{id}": [Recipe(prepare=_update)],
    "POST v2/orders/{id}/pay": [Recipe(prepare=_pay_order)],
    "POST v2/customers": [at("/v2/customers", {"given_name": "Ada"})],
    "POST v2/customers/search": [Recipe(prepare=_search, changes=False)],
    "PUT v2/customers/{id}": [_of_customer(given_name="Grace")],
    "DELETE v2/customers/{id}": [_of_customer()],
    "POST v2/cards": [Recipe(prepare=_card)],
    "POST v2/cards/{id}/disable": [Recipe(prepare=_disable)],
    "POST v2/payments": [
        at("/v2/payments", SALE),
        at("/v2/payments", HOLD),
        at("/v2/payments", DECLINED),
    ],
    "POST v2/payments/cancel": [Recipe(prepare=_by_key)],
    "PUT v2/payments/{id}": [
        of("", "idempotency_key", payment={"amount_money": {**MONEY, "amount": 700}})
    ],
    "POST v2/payments/{id}/complete": [of("/complete")],
    "POST v2/payments/{id}/cancel": [of("/cancel")],
    "POST v2/refunds": [Recipe(prepare=_refund)],
    f"POST {_LINKS[1:]}": [at(_LINKS, LINK)],
    f"DELETE {_LINKS[1:]}/{{id}}": [Recipe(prepare=_delete)],
    "GET /square-checkout/{id}": [Recipe(prepare=_page)],
}
