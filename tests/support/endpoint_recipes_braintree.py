"""How each endpoint of Braintree's API is prepared and asked (`endpoint_laws.py`)."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import parse_qs

import msgspec

from paychain.protocol.dialects.braintree.documents import read
from paychain.wire.http import HttpRequest
from tests.support.endpoint_laws import Asked, Recipe, Seat, Vendor
from tests.support.vendor_links import payment

_BASE = "/merchants/m"


def _event(http: HttpRequest) -> str:
    (sent,) = parse_qs(http.body.decode())["bt_payload"]
    found = re.search(rb"<kind>(\w+)</kind>", base64.b64decode(sent))
    return found[1].decode() if found else "?"


BRAINTREE = Vendor(
    name="braintree",
    dialect="braintree",
    encode=msgspec.json.encode,
    decode=lambda body: read(body, "json" if body[:1] == b"{" else "application/xml", is_own=True),
    event=_event,
    headers={"authorization": "Basic cGF5Y2hhaW46eA==", "content-type": "application/json"},
)
SALE = {
    "type": "sale",
    "amount": "10.00",
    "payment_method_nonce": "fake-valid-nonce",
    "order_id": payment(1),
}
SUBMITTED = {**SALE, "options": {"submit_for_settlement": True}}
DECLINED = {**SALE, "payment_method_nonce": "fake-processor-declined-visa-nonce"}
REJECTED = {**SALE, "payment_method_nonce": "fake-gateway-rejected-fraud-nonce"}
KEYED = "transaction.api_request_key"


def at(path: str, fields: dict[str, Any], *, changes: bool = True, **more: Any) -> Recipe:
    async def prepare(_seat: Seat) -> Asked:
        return Asked(path=f"{_BASE}/{path}", fields=fields, **{"key": "", **more})

    return Recipe(prepare=prepare, changes=changes)


def of(what: str, sale: dict[str, Any], key: str = "", **fields: Any) -> Recipe:
    """Of a sale; with `settles`, it is settled before."""

    async def prepare(seat: Seat) -> Asked:
        settles = fields.get("settles")
        made = await seat.made(f"{_BASE}/transactions", {"transaction": sale})
        own = f"{_BASE}/transactions/{made['transaction']['id']}"
        if settles:
            await seat.made(f"{own}/settle", {}, method="PUT")
        given = {name: each for name, each in fields.items() if name != "settles"}
        return Asked(path=f"{own}/{what}", fields={"transaction": given}, views=(own,), key=key)

    return Recipe(prepare=prepare)


def of_customer(**fields: Any) -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        own = f"{_BASE}/customers/ada"
        await seat.made(f"{_BASE}/customers", {"customer": {"id": "ada", "first_name": "Ada"}})
        return Asked(path=own, fields=fields, views=(own,), key="")

    return Recipe(prepare=prepare)


CARD = {"customer_id": "ada", "payment_method_nonce": "fake-valid-nonce", "token": "card"}


def of_card(token: str = "", kind: str = "any", **fields: Any) -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        own = f"{_BASE}/customers/ada"
        await seat.made(f"{_BASE}/customers", {"customer": {"id": "ada", "first_name": "Ada"}})
        if token:
            await seat.made(f"{_BASE}/payment_methods", {"payment_method": CARD})
            path = f"{_BASE}/payment_methods/{kind}/{token}"
            return Asked(path=path, fields=fields, views=(own, path), key="")
        return Asked(path=f"{_BASE}/payment_methods", fields=fields, views=(own,), key="")

    return Recipe(prepare=prepare)


_SHOWS = "{ transaction { id status amount { value } } }"


def graphql(what: str, shows: str = _SHOWS, sale: dict[str, Any] | None = None) -> Recipe:
    """A mutation of GraphQL, of a sale that is made before, or one that makes it."""

    async def prepare(seat: Seat) -> Asked:
        given: dict[str, Any] = {
            "paymentMethodId": "fake-valid-nonce",
            "transaction": {"amount": "10.00", "orderId": payment(1)},
        }
        views: tuple[str, ...] = ()
        if sale is not None:
            made = await seat.made(f"{_BASE}/transactions", {"transaction": sale})
            given = {"transactionId": made["transaction"]["id"]}
            views = (f"{_BASE}/transactions/{made['transaction']['id']}",)
            if what == "refundTransaction":
                await seat.made(f"{views[0]}/settle", {}, method="PUT")
        query = f"mutation ($input: Input!) {{ {what}(input: $input) {shows} }}"
        asked = {"query": query, "variables": {"input": given}}
        return Asked(path="/graphql", fields=asked, views=views, key="")

    return Recipe(prepare=prepare)


async def _nonce(seat: Seat) -> Asked:
    await seat.made(f"{_BASE}/customers", {"customer": {"id": "ada"}})
    await seat.made(f"{_BASE}/payment_methods", {"payment_method": CARD})
    return Asked(path=f"{_BASE}/payment_methods/card/nonces", key="")


_MERCHANT = "merchants/{merchant}"
_OF = f"{_MERCHANT}/transactions/{{id}}"
_BY_EMAIL = {"search": {"email": {"is": "a@shop.example"}}}
_SEARCH = {"search": {"order_id": {"is": payment(1)}}}
RECIPES = {
    f"POST {_MERCHANT}/transactions": [
        at("transactions", {"transaction": sale}, key=KEYED, new=f"{_BASE}/transactions/{{id}}")
        for sale in (SALE, SUBMITTED, DECLINED, REJECTED)
    ]
    + [
        at(
            "transactions",
            {"transaction": {**SALE, "customer": {"id": "ada"}, "options": {option: True}}},
            key=KEYED,
            new=f"{_BASE}/customers/ada",
        )
        for option in ("store_in_vault", "store_in_vault_on_success")
    ],
    f"POST {_MERCHANT}/transactions/advanced_search_ids": [
        at("transactions/advanced_search_ids", _SEARCH, changes=False)
    ],
    f"POST {_MERCHANT}/transactions/advanced_search": [
        at("transactions/advanced_search", _SEARCH, changes=False)
    ],
    f"PUT {_OF}/settle": [of("settle", SUBMITTED)],
    f"PUT {_OF}/submit_for_settlement": [of("submit_for_settlement", SALE, amount="4.00")],
    f"POST {_OF}/submit_for_partial_settlement": [
        of("submit_for_partial_settlement", SALE, KEYED, amount="4.00")
    ],
    f"PUT {_OF}/void": [of("void", SALE, KEYED), of("void", SUBMITTED, KEYED)],
    f"POST {_OF}/refund": [of("refund", SUBMITTED, KEYED, settles=True, amount="4.00")],
    f"POST {_OF}/reverse": [
        of("reverse", SUBMITTED, KEYED),
        of("reverse", SUBMITTED, KEYED, settles=True),
    ],
    f"POST {_MERCHANT}/customers": [
        at(
            "customers",
            {"customer": {"id": "ada", "payment_method_nonce": "fake-valid-nonce"}},
            new=f"{_BASE}/customers/ada",
        )
    ],
    f"POST {_MERCHANT}/customers/advanced_search_ids": [
        at("customers/advanced_search_ids", _BY_EMAIL, changes=False)
    ],
    f"POST {_MERCHANT}/customers/advanced_search": [
        at("customers/advanced_search", _BY_EMAIL, changes=False)
    ],
    f"POST {_MERCHANT}/payment_methods/{{token}}/nonces": [Recipe(prepare=_nonce, changes=False)],
    f"PUT {_MERCHANT}/customers/{{id}}": [of_customer(customer={"first_name": "Grace"})],
    f"DELETE {_MERCHANT}/customers/{{id}}": [of_customer()],
    f"POST {_MERCHANT}/payment_methods": [of_card(payment_method=CARD)],
    f"PUT {_MERCHANT}/payment_methods/any/{{token}}": [
        of_card("card", payment_method={"cardholder_name": "Ada"})
    ],
    f"DELETE {_MERCHANT}/payment_methods/any/{{token}}": [of_card("card")],
    f"PUT {_MERCHANT}/payment_methods/credit_card/{{token}}": [
        of_card("card", "credit_card", credit_card={"cardholder_name": "Ada"})
    ],
    f"DELETE {_MERCHANT}/payment_methods/credit_card/{{token}}": [of_card("card", "credit_card")],
    "POST graphql": [
        graphql("chargePaymentMethod"),
        graphql("authorizePaymentMethod"),
        graphql("captureTransaction", sale=SALE),
        graphql("refundTransaction", "{ refund { id status } }", SUBMITTED),
        graphql("reverseTransaction", "{ reversal { __typename } }", SUBMITTED),
    ],
    f"POST {_MERCHANT}/client_token": [at("client_token", {}, changes=False)],
}
