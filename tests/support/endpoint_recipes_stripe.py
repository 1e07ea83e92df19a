"""How each endpoint of Stripe's API is prepared and asked (`endpoint_laws.py`)."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from tests.support.endpoint_laws import Asked, Recipe, Seat, Vendor
from tests.support.vendor_links import payment

_EXPAND = "?expand[]=data.latest_charge.refunds"
STRIPE = Vendor(
    name="stripe",
    dialect="stripe",
    encode=lambda given: urlencode(given).encode(),
    decode=msgspec.json.decode,
    event=lambda http: str(msgspec.json.decode(http.body)["type"]),
    headers={"authorization": "Bearer sk_test_1"},
    key_header="idempotency-key",
    views=(
        f"/v1/payment_intents{_EXPAND}",
        *(
            f"/v1/{name}"
            for name in (
                *("charges", "customers", "payment_methods", "refunds", "setup_intents"),
                *("balance_transactions", "checkout/sessions", "events", "balance"),
                *("products", "prices"),
            )
        ),
    ),
)
DECLINED = "pm_card_chargeDeclinedInsufficientFunds"
ASKS_3DS = "pm_card_threeDSecure2Required"
BACK = "http://shop.example/done"


def sale(**more: Any) -> dict[str, Any]:
    return {"amount": 1000, "currency": "eur", "metadata[order]": payment(1), **more}


async def intent(seat: Seat, **more: Any) -> str:
    return f"/v1/payment_intents/{(await seat.made('/v1/payment_intents', sale(**more)))['id']}"


async def paid(seat: Seat, **more: Any) -> str:
    return await intent(seat, payment_method="pm_card_visa", confirm="true", **more)


async def held(seat: Seat) -> str:
    return await paid(seat, capture_method="manual")


async def customer(seat: Seat) -> str:
    return str((await seat.made("/v1/customers", {"name": "Ada"}))["id"])


async def session(seat: Seat) -> dict[str, Any]:
    made: dict[str, Any] = await seat.made("/v1/checkout/sessions", SESSION)
    return made


SESSION = {
    "mode": "payment",
    "success_url": BACK,
    "cancel_url": BACK,
    "client_reference_id": payment(1),
    "line_items[0][price_data][currency]": "eur",
    "line_items[0][price_data][unit_amount]": "1000",
    "line_items[0][price_data][product_data][name]": "T-shirt",
}


def at(path: str, **fields: Any) -> Recipe:
    """Of a path that needs nothing before it."""

    async def prepare(_seat: Seat) -> Asked:
        return Asked(path=path, fields=fields, new=f"{path}/{{id}}")

    return Recipe(prepare=prepare)


def of(prepared: Any, what: str = "", **fields: Any) -> Recipe:
    """Of a path below an intent."""

    async def prepare(seat: Seat) -> Asked:
        return Asked(path=f"{await prepared(seat)}{what}", fields=fields)

    return Recipe(prepare=prepare)


async def _waiting(seat: Seat) -> str:
    return await intent(seat, payment_method=ASKS_3DS, confirm="true", return_url=BACK)


async def _refund(seat: Seat) -> Asked:
    name = (await paid(seat)).rpartition("/")[2]
    return Asked(path="/v1/refunds", fields={"payment_intent": name, "amount": 400})


async def _refund_update(seat: Seat) -> Asked:
    name = (await paid(seat)).rpartition("/")[2]
    made = await seat.made("/v1/refunds", {"payment_intent": name})
    return Asked(path=f"/v1/refunds/{made['id']}", fields={"metadata[why]": "broken"})


async def _refund_cancel(seat: Seat) -> Asked:
    asked = await _refund_update(seat)
    return Asked(path=f"{asked.path}/cancel")


def disputed(what: str, **fields: Any) -> Recipe:
    """Of a path below a dispute."""

    async def prepare(seat: Seat) -> Asked:
        await paid(seat)
        await asyncio.sleep(3.0)
        status, shown = await seat.send("GET", "/v1/disputes")
        assert status == 200
        own = f"/v1/disputes/{shown['data'][0]['id']}"
        return Asked(path=f"{own}{what}", fields=fields, views=(own,))

    return Recipe(prepare=prepare, further={"issuer": "disputes: {share: 100%, after: 1s}"})


async def _confirmation_token(_seat: Seat) -> Asked:
    return Asked(
        path="/v1/test_helpers/confirmation_tokens",
        fields={"payment_method": "pm_card_visa"},
        new="/v1/confirmation_tokens/{id}",
    )


def front_end(path: str, *, customers: bool = True, **more: Any) -> Recipe:
    """Of a path whose answer is for the front end: nobody else knows what it has made."""

    async def prepare(seat: Seat) -> Asked:
        fields = {"customer": await customer(seat)} if customers else {}
        headers = {"stripe-version": "2026-08-26.dahlia"}
        return Asked(path=path, fields={**fields, **more}, headers=headers)

    return Recipe(prepare=prepare, changes=False)


async def _setup(seat: Seat, **more: Any) -> str:
    fields = {"customer": await customer(seat), **more}
    return f"/v1/setup_intents/{(await seat.made('/v1/setup_intents', fields))['id']}"


async def _setup_ready(seat: Seat) -> str:
    return await _setup(seat, payment_method="pm_card_visa")


def setup(what: str, **fields: Any) -> Recipe:
    return of(_setup_ready, what, **fields)


async def _create_setup(seat: Seat) -> Asked:
    fields = {"customer": await customer(seat), "payment_method": "pm_card_visa", "confirm": "true"}
    return Asked(path="/v1/setup_intents", fields=fields)


async def _setup_page(seat: Seat) -> Asked:
    more = {"payment_method": ASKS_3DS, "confirm": "true", "return_url": BACK}
    name = (await _setup(seat, **more)).rpartition("/")[2]
    return Asked(path=f"/3d_secure_2/setup/{name}", key="")


async def _bank(seat: Seat, query: str = "") -> Asked:
    name = (await _waiting(seat)).rpartition("/")[2]
    return Asked(path=f"/3d_secure_2/authenticate/{name}{query}", key="")


async def _bank_failed(seat: Seat) -> Asked:
    return await _bank(seat, "?result=failed")


def _session_page(card: str) -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        return Asked(path=f"{urlsplit((await session(seat))['url']).path}?card={card}", key="")

    return Recipe(prepare=prepare)


def of_session(what: str, **fields: Any) -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        name = (await session(seat))["id"]
        return Asked(path=f"/v1/checkout/sessions/{name}{what}", fields=fields)

    return Recipe(prepare=prepare)


def of_method(what: str, *, is_attached: bool) -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        owner = await customer(seat)
        fields = {"type": "card", "card[token]": "tok_visa"}
        method = (await seat.made("/v1/payment_methods", fields))["id"]
        at = f"/v1/payment_methods/{method}"
        if is_attached:
            await seat.made(f"{at}/attach", {"customer": owner})
        fields = {} if is_attached else {"customer": owner}
        views = (f"/v1/customers/{owner}/payment_methods",)
        return Asked(path=f"{at}/{what}", fields=fields, views=views)

    return Recipe(prepare=prepare)


async def product(seat: Seat) -> str:
    return str((await seat.made("/v1/products", {"name": "T-shirt"}))["id"])


def of_product(**fields: Any) -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        return Asked(path=f"/v1/products/{await product(seat)}", fields=fields)

    return Recipe(prepare=prepare)


async def _delete_product(seat: Seat) -> Asked:
    return Asked(path=f"/v1/products/{await product(seat)}", key="")


async def _price(seat: Seat) -> Asked:
    fields = {**PRICE, "product": await product(seat)}
    return Asked(path="/v1/prices", fields=fields, new="/v1/prices/{id}")


async def _update_price(seat: Seat) -> Asked:
    made = await seat.made("/v1/prices", {**PRICE, "product": await product(seat)})
    return Asked(path=f"/v1/prices/{made['id']}", fields={"active": "false"})


async def _update_method(seat: Seat) -> Asked:
    asked = await of_method("detach", is_attached=True).prepare(seat)
    name = asked.path.rpartition("/")[0]
    return Asked(path=name, fields={"billing_details[name]": "Ada"}, views=asked.views)


async def _update_customer(seat: Seat) -> Asked:
    return Asked(path=f"/v1/customers/{await customer(seat)}", fields={"name": "Grace"})


async def _delete_customer(seat: Seat) -> Asked:
    return Asked(path=f"/v1/customers/{await customer(seat)}", key="")


PRICE = {"currency": "eur", "unit_amount": 500, "lookup_key": "shirt"}
_CARD = {"payment_method": "pm_card_visa", "confirm": "true"}
_INTENT = "POST /v1/payment_intents/{intent}"
_SETUP = "POST /v1/setup_intents/{intent}"
RECIPES = {
    "POST /v1/payment_intents": [
        at("/v1/payment_intents", **sale()),
        at("/v1/payment_intents", **sale(**_CARD)),
        at("/v1/payment_intents", **sale(**_CARD, capture_method="manual")),
        at("/v1/payment_intents", **sale(payment_method=ASKS_3DS, confirm="true")),
        at("/v1/payment_intents", **sale(payment_method=DECLINED, confirm="true")),
    ],
    _INTENT: [of(intent, amount=1200), of(intent, **{"metadata[note]": "changed"})],
    f"{_INTENT}/confirm": [
        of(intent, "/confirm", payment_method="pm_card_visa"),
        of(intent, "/confirm", payment_method=ASKS_3DS, return_url=BACK),
        of(intent, "/confirm", payment_method=DECLINED),
    ],
    f"{_INTENT}/capture": [
        of(held, "/capture", **{"metadata[note]": "captured"}),
        of(held, "/capture", amount_to_capture=400),
    ],
    f"{_INTENT}/cancel": [
        of(held, "/cancel", cancellation_reason="duplicate"),
        of(intent, "/cancel", cancellation_reason="duplicate"),
    ],
    f"{_INTENT}/increment_authorization": [
        Recipe(prepare=of(held, "/increment_authorization", amount=1500).prepare, changes=False)
    ],
    "POST /v1/checkout/sessions": [at("/v1/checkout/sessions", **SESSION)],
    "POST /v1/checkout/sessions/{session}": [of_session("", **{"metadata[note]": "changed"})],
    "POST /v1/checkout/sessions/{session}/expire": [of_session("/expire")],
    "POST /v1/setup_intents": [at("/v1/setup_intents"), Recipe(prepare=_create_setup)],
    _SETUP: [setup("", description="changed")],
    f"{_SETUP}/confirm": [setup("/confirm")],
    f"{_SETUP}/cancel": [setup("/cancel", cancellation_reason="duplicate")],
    "POST /v1/products": [
        at(
            "/v1/products",
            name="Cap",
            **{"default_price_data[currency]": "eur", "default_price_data[unit_amount]": 250},
        )
    ],
    "POST /v1/products/{id}": [of_product(description="changed")],
    "DELETE /v1/products/{id}": [Recipe(prepare=_delete_product)],
    "POST /v1/prices": [Recipe(prepare=_price)],
    "POST /v1/prices/{price}": [Recipe(prepare=_update_price)],
    "POST /v1/refunds": [Recipe(prepare=_refund)],
    "POST /v1/refunds/{refund}": [Recipe(prepare=_refund_update)],
    "POST /v1/refunds/{refund}/cancel": [Recipe(prepare=_refund_cancel, changes=False)],
    "POST /v1/disputes/{dispute}": [disputed("", **{"evidence[product_description]": "a cap"})],
    "POST /v1/disputes/{dispute}/close": [disputed("/close")],
    "POST /v1/test_helpers/confirmation_tokens": [
        Recipe(prepare=_confirmation_token),
    ],
    "POST /v1/ephemeral_keys": [front_end("/v1/ephemeral_keys")],
    "DELETE /v1/ephemeral_keys/{key}": [front_end("/v1/ephemeral_keys/ephkey_1", customers=False)],
    "POST /v1/customer_sessions": [
        front_end("/v1/customer_sessions", **{"components[payment_element][enabled]": "true"})
    ],
    "POST /v1/payment_methods": [
        at("/v1/payment_methods", type="card", **{"card[token]": "tok_visa"})
    ],
    "POST /v1/payment_methods/{payment_method}": [Recipe(prepare=_update_method)],
    "POST /v1/payment_methods/{payment_method}/attach": [of_method("attach", is_attached=False)],
    "POST /v1/payment_methods/{payment_method}/detach": [of_method("detach", is_attached=True)],
    "POST /v1/customers": [at("/v1/customers", name="Ada", payment_method="pm_card_visa")],
    "POST /v1/customers/{customer}": [Recipe(prepare=_update_customer)],
    "DELETE /v1/customers/{customer}": [Recipe(prepare=_delete_customer)],
    "GET /3d_secure_2/authenticate/{id}": [
        Recipe(prepare=_bank),
        Recipe(prepare=_bank_failed),
    ],
    "GET /c/pay/{id}": [
        _session_page("pm_card_visa"),
        _session_page(ASKS_3DS),
        _session_page(DECLINED),
    ],
    "GET /3d_secure_2/setup/{id}": [Recipe(prepare=_setup_page)],
}
