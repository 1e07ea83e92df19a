"""How each endpoint of PayPal's API is prepared and asked (`endpoint_laws.py`)."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.support.endpoint_laws import Asked, Recipe, Seat, Vendor
from tests.support.vendor_links import payment

PAYPAL = Vendor(
    name="paypal",
    dialect="paypal",
    encode=msgspec.json.encode,
    decode=msgspec.json.decode,
    event=lambda http: str(msgspec.json.decode(http.body)["event_type"]),
    headers={
        "authorization": "Bearer test",
        "content-type": "application/json",
        "prefer": "return=representation",
    },
    key_header="paypal-request-id",
)
ORDERS, PAYMENTS, VAULT = "/v2/checkout/orders", "/v2/payments", "/v3/vault"
ON_PAGE = "{paypal: {approval: on_page}}"
CARD = {"card": {"number": "4111111111111111", "expiry": "2030-12", "security_code": "123"}}
DECLINED = {"card": {**CARD["card"], "name": "CCREJECT-BANK_ERROR"}}
KEEPING = {
    "card": {
        **CARD["card"],
        "attributes": {"vault": {"store_in_vault": "ON_SUCCESS"}, "customer": {"id": "ada"}},
    }
}
AMOUNT = {"currency_code": "EUR", "value": "10.00"}
CONTEXT = {
    "experience_context": {
        "return_url": "https://shop.example/done",
        "cancel_url": "https://shop.example/cart",
    }
}
WALLET = {"paypal": CONTEXT}
KEPT = {"payment_source": CARD, "customer": {"id": "ada"}}
_TOKENS = f"{VAULT}/payment-tokens?customer_id=ada"


def order(intent: str = "CAPTURE", **more: Any) -> dict[str, Any]:
    units = [{"amount": AMOUNT, "custom_id": payment(1)}]
    return {"intent": intent, "purchase_units": units, **more}


def of_two_units(**more: Any) -> dict[str, Any]:
    units = [{"amount": AMOUNT, "custom_id": payment(1), "reference_id": name} for name in "ab"]
    return {"intent": "CAPTURE", "purchase_units": units, **more}


def at(path: str, fields: dict[str, Any], *, changes: bool = True, **more: Any) -> Recipe:
    async def prepare(_seat: Seat) -> Asked:
        return Asked(path=path, fields=fields, **more)

    return Recipe(prepare=prepare, changes=changes)


def of_order(what: str, wanted: dict[str, Any], **fields: Any) -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        own = f"{ORDERS}/{(await seat.made(ORDERS, wanted))['id']}"
        return Asked(path=f"{own}/{what}", fields=fields, views=(own,))

    return Recipe(prepare=prepare, dialect=ON_PAGE)


def of_payment(what: str, intent: str = "AUTHORIZE", *, changes: bool = True) -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        kind = "captures" if intent == "CAPTURE" else "authorizations"
        key = f"before-{len(seat.journal)}"  # another one where it is prepared again
        status, made = await seat.send("POST", ORDERS, order(intent, payment_source=CARD), key)
        assert status == 201
        own = f"{PAYMENTS}/{kind}/{made['purchase_units'][0]['payments'][kind][0]['id']}"
        views = (own, f"{ORDERS}/{made['id']}")
        return Asked(path=f"{own}/{what}", views=views)

    return Recipe(prepare=prepare, changes=changes)


async def _approval(seat: Seat) -> Asked:
    name = (await seat.made(ORDERS, order(payment_source=WALLET)))["id"]
    return Asked(path=f"/checkoutnow?token={name}", key="", views=(f"{ORDERS}/{name}",))


async def _setup(seat: Seat, source: dict[str, Any]) -> str:
    fields = {"payment_source": source, "customer": {"id": "ada"}}
    return str((await seat.made(f"{VAULT}/setup-tokens", fields))["id"])


async def _agreement(seat: Seat) -> Asked:
    name = await _setup(seat, WALLET)
    path = f"/agreements/approve?approval_session_id={name}"
    return Asked(path=path, key="", views=(f"{VAULT}/setup-tokens/{name}",))


async def _keep(seat: Seat) -> Asked:
    token = {"id": await _setup(seat, CARD), "type": "SETUP_TOKEN"}
    fields = {"payment_source": {"token": token}}
    return Asked(path=f"{VAULT}/payment-tokens", fields=fields, views=(_TOKENS,))


async def _delete(seat: Seat) -> Asked:
    name = (await seat.made(f"{VAULT}/payment-tokens", KEPT))["id"]
    return Asked(path=f"{VAULT}/payment-tokens/{name}", key="", views=(_TOKENS,))


async def _patch(seat: Seat) -> Asked:
    own = f"{ORDERS}/{(await seat.made(ORDERS, order()))['id']}"
    steps = [{"op": "add", "path": "/purchase_units/@reference_id=='default'/description"}]
    return Asked(path=own, fields=[{**steps[0], "value": "two caps"}], key="", views=(own,))


async def _shipped(seat: Seat) -> tuple[str, dict[str, Any]]:
    status, made = await seat.send("POST", ORDERS, order(payment_source=CARD), "first")
    assert status == 201
    capture = made["purchase_units"][0]["payments"]["captures"][0]["id"]
    return f"{ORDERS}/{made['id']}", {"capture_id": capture, "tracking_number": "1Z"}


async def _track(seat: Seat) -> Asked:
    own, fields = await _shipped(seat)
    return Asked(path=f"{own}/track", fields=fields, views=(own,))


async def _cancel_shipment(seat: Seat) -> Asked:
    own, fields = await _shipped(seat)
    shown = await seat.made(f"{own}/track", fields)
    (tracker,) = shown["purchase_units"][0]["shipping"]["trackers"]
    steps = [{"op": "replace", "path": "/status", "value": "CANCELLED"}]
    return Asked(path=f"{own}/trackers/{tracker['id']}", fields=steps, key="", views=(own,))


_VERIFY = "v1/notifications/verify-webhook-signature"
_ORDER, _AUTHORIZATION = "POST v2/checkout/orders", "POST v2/payments/authorizations/{id}"
RECIPES = {
    _ORDER: [
        # Reading it must not approve it, which is reported.
        Recipe(prepare=at(ORDERS, order(), new=f"{ORDERS}/{{id}}").prepare, dialect=ON_PAGE),
        at(ORDERS, order(payment_source=CARD), new=f"{ORDERS}/{{id}}"),
        at(ORDERS, order("AUTHORIZE", payment_source=CARD), new=f"{ORDERS}/{{id}}"),
        at(ORDERS, order(payment_source=DECLINED), new=f"{ORDERS}/{{id}}"),
        at(ORDERS, order(payment_source=KEEPING), new=f"{ORDERS}/{{id}}", views=(_TOKENS,)),
    ],
    "PATCH v2/checkout/orders/{id}": [Recipe(prepare=_patch, dialect=ON_PAGE)],
    f"{_ORDER}/{{id}}/track": [Recipe(prepare=_track)],
    "PATCH v2/checkout/orders/{id}/trackers/{tracker}": [Recipe(prepare=_cancel_shipment)],
    "POST v1/identity/generate-token": [
        at("/v1/identity/generate-token", {}, changes=False, key="")
    ],
    f"{_ORDER}/{{id}}/confirm-payment-source": [
        of_order("confirm-payment-source", order(), payment_source=CARD)
    ],
    f"{_ORDER}/{{id}}/capture": [
        of_order("capture", order(), payment_source=CARD),
        of_order("capture", of_two_units(), payment_source=CARD),
    ],
    f"{_ORDER}/{{id}}/authorize": [of_order("authorize", order("AUTHORIZE"), payment_source=CARD)],
    f"{_AUTHORIZATION}/capture": [of_payment("capture")],
    f"{_AUTHORIZATION}/void": [of_payment("void")],
    f"{_AUTHORIZATION}/reauthorize": [of_payment("reauthorize", changes=False)],
    "POST v2/payments/captures/{id}/refund": [of_payment("refund", "CAPTURE")],
    "POST v3/vault/setup-tokens": [
        at(f"{VAULT}/setup-tokens", KEPT, new=f"{VAULT}/setup-tokens/{{id}}")
    ],
    "POST v3/vault/payment-tokens": [
        at(f"{VAULT}/payment-tokens", KEPT, views=(_TOKENS,)),
        Recipe(prepare=_keep),
    ],
    "DELETE v3/vault/payment-tokens/{id}": [Recipe(prepare=_delete)],
    f"POST {_VERIFY}": [at(f"/{_VERIFY}", {}, changes=False, key="")],
    "POST v1/oauth2/token": [
        at("/v1/oauth2/token", {}, changes=False, key="", headers={"authorization": "Basic eA=="})
    ],
    "GET /checkoutnow": [Recipe(prepare=_approval, dialect=ON_PAGE)],
    "GET /agreements/approve": [Recipe(prepare=_agreement, dialect=ON_PAGE)],
}
