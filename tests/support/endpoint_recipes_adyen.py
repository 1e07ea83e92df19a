"""How each endpoint of Adyen's API is prepared and asked (`endpoint_laws.py`)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from paychain.wire.http import HttpRequest
from tests.support.adyen_links import payment as body_of
from tests.support.endpoint_laws import Asked, Recipe, Seat, Vendor
from tests.support.vendor_links import payment


def _event(http: HttpRequest) -> str:
    (item,) = msgspec.json.decode(http.body)["notificationItems"]
    noted = item["NotificationRequestItem"]
    return f"{noted['eventCode']} {noted['success']}"


ADYEN = Vendor(
    name="adyen",
    dialect="{adyen: {merchant: ShopEU, capture: manual}}",
    encode=msgspec.json.encode,
    decode=msgspec.json.decode,
    event=_event,
    headers={"x-api-key": "test", "content-type": "application/json"},
    key_header="idempotency-key",
)
AMOUNT = {"value": 1000, "currency": "EUR"}
NATIVE, REDIRECT = "4917610000000000", "4212345678901237"
PAGE = {
    "amount": AMOUNT,
    "merchantAccount": "ShopEU",
    "reference": payment(1),
    "returnUrl": "https://shop.example/return",
}


STORING = {
    **body_of(payment(1)),
    "shopperReference": "ada",
    "storePaymentMethod": True,
    "recurringProcessingModel": "CardOnFile",
}
STORED = "/v72/storedPaymentMethods?merchantAccount=ShopEU&shopperReference=ada"


def _with_card(number: str) -> dict[str, Any]:
    body = body_of(payment(1))
    return {**body, "paymentMethod": {**body["paymentMethod"], "number": number}}


def _held_by(name: str) -> dict[str, Any]:
    body = body_of(payment(1))
    return {**body, "paymentMethod": {**body["paymentMethod"], "holderName": name}}


async def _held(seat: Seat) -> str:
    return str((await seat.made("/v72/payments", body_of(payment(1))))["pspReference"])


def at(path: str, fields: dict[str, Any], **more: Any) -> Recipe:
    async def prepare(_seat: Seat) -> Asked:
        return Asked(path=path, fields=fields, **more)

    return Recipe(prepare=prepare)


def of(what: str, *, is_captured: bool = False, value: int = 1000) -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        own = f"/v72/payments/{await _held(seat)}"
        fields: dict[str, Any] = {"merchantAccount": "ShopEU", "reference": "r1"}
        if is_captured:
            await seat.made(f"{own}/captures", {**fields, "amount": AMOUNT})
        if what in ("captures", "refunds", "amountUpdates"):
            fields["amount"] = {**AMOUNT, "value": value}
        return Asked(path=f"{own}/{what}", fields=fields)

    return Recipe(prepare=prepare)


def details(number: str, *, has_failed: bool = False) -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        action = (await seat.made("/v72/payments", _with_card(number)))["action"]
        if number == REDIRECT:
            brought = action["url"].partition("redirectResult=")[2]
            return Asked(
                path="/v72/payments/details", fields={"details": {"redirectResult": brought}}
            )
        fingerprint = "eyJ0cmFuc1N0YXR1cyI6Ik4ifQ==" if has_failed else "eyJ9"  # transStatus N
        fields = {
            "details": {"threeds2.fingerprint": fingerprint},
            "paymentData": action["paymentData"],
        }
        return Asked(path="/v72/payments/details", fields=fields)

    return Recipe(prepare=prepare)


def cancel(reference: str) -> Recipe:
    async def prepare(seat: Seat) -> Asked:
        await _held(seat)
        fields = {"merchantAccount": "ShopEU", "paymentReference": reference, "reference": "r1"}
        return Asked(path="/v72/cancels", fields=fields)

    return Recipe(prepare=prepare)


async def _link(seat: Seat) -> dict[str, Any]:
    made: dict[str, Any] = await seat.made("/v72/paymentLinks", PAGE)
    return made


async def _expire(seat: Seat) -> Asked:
    own = f"/v72/paymentLinks/{(await _link(seat))['id']}"
    return Asked(path=own, fields={"status": "expired"}, views=(own,))


async def _page(seat: Seat) -> Asked:
    made = await _link(seat)
    own = f"/v72/paymentLinks/{made['id']}"
    return Asked(path=f"{urlsplit(made['url']).path}?card=tok_visa_4242", key="", views=(own,))


async def _page_back(seat: Seat) -> Asked:
    fields = {**PAGE, "mode": "hosted", "additionalData": {"executeThreeD": "true"}}
    page = urlsplit((await seat.made("/v72/sessions", fields))["url"]).path
    bank = await seat.made(page, method="GET")
    return Asked(path=bank["location"], key="")


STORE_CARD = {
    "merchantAccount": "ShopEU",
    "shopperReference": "ada",
    "recurringProcessingModel": "Subscription",
    "paymentMethod": {
        "type": "scheme",
        "encryptedCardNumber": "test_4111111111111111",
        "encryptedExpiryMonth": "test_03",
        "encryptedExpiryYear": "test_2030",
    },
}


async def _store_card(_seat: Seat) -> Asked:
    return Asked(path="/v72/storedPaymentMethods", fields=STORE_CARD, views=(STORED,))


async def _delete_stored(seat: Seat) -> Asked:
    made = (await seat.made("/v72/payments", STORING))["additionalData"]
    path, _, query = STORED.partition("?")
    name = made["tokenization.storedPaymentMethodId"]
    return Asked(path=f"{path}/{name}?{query}", key="", views=(STORED,))


async def _bank(seat: Seat) -> Asked:
    action = (await seat.made("/v72/payments", _with_card(REDIRECT)))["action"]
    brought = action["url"].partition("redirectResult=")[2]
    return Asked(path=f"/checkoutshopper/threeDS/redirect?redirectResult={brought}", key="")


async def _disable(seat: Seat) -> Asked:
    name = (await seat.made("/v72/storedPaymentMethods", STORE_CARD))["id"]
    fields = {**_SHOPPER, "recurringDetailReference": name}
    return Asked(path="/pal/servlet/Recurring/v68/disable", fields=fields, key="", views=(STORED,))


_METHODS = {"merchantAccount": "ShopEU"}
_SHOPPER = {**_METHODS, "shopperReference": "ada"}
_OF = "POST payments/{psp}"
RECIPES = {
    "POST payments": [
        at("/v72/payments", body_of(payment(1))),
        at("/v72/payments", _held_by("DECLINED")),
        at("/v72/payments", STORING, views=(STORED,)),
        Recipe(prepare=at("/v72/payments", _with_card(REDIRECT)).prepare, changes=False),
    ],
    "POST payments/details": [
        details(REDIRECT),
        Recipe(prepare=details(NATIVE).prepare, changes=False),
        details(NATIVE, has_failed=True),
    ],
    f"{_OF}/captures": [of("captures"), of("captures", value=400)],
    f"{_OF}/cancels": [of("cancels")],
    f"{_OF}/reversals": [of("reversals"), of("reversals", is_captured=True)],
    f"{_OF}/refunds": [of("refunds", is_captured=True)],
    f"{_OF}/amountUpdates": [of("amountUpdates"), of("amountUpdates", value=2000)],
    "POST cancels": [cancel(payment(1)), cancel("unheard of")],
    "POST storedPaymentMethods": [Recipe(prepare=_store_card)],
    "DELETE storedPaymentMethods/{id}": [Recipe(prepare=_delete_stored)],
    "POST disable": [Recipe(prepare=_disable)],
    "POST listRecurringDetails": [
        Recipe(prepare=at("/v68/listRecurringDetails", _SHOPPER).prepare, changes=False)
    ],
    "POST cardDetails": [
        Recipe(
            prepare=at("/v72/cardDetails", {**_METHODS, "cardNumber": "411111"}).prepare,
            changes=False,
        )
    ],
    "POST paymentMethods": [
        Recipe(prepare=at("/v72/paymentMethods", _METHODS).prepare, changes=False)
    ],
    "POST sessions": [
        Recipe(prepare=at("/v72/sessions", {**PAGE, "mode": "hosted"}).prepare, changes=False)
    ],
    "POST paymentLinks": [at("/v72/paymentLinks", PAGE, new="/v72/paymentLinks/{id}")],
    "PATCH paymentLinks/{id}": [Recipe(prepare=_expire)],
    "GET /hosted/": [Recipe(prepare=_page), Recipe(prepare=_page_back)],
    "GET /checkoutshopper/threeDS/redirect": [Recipe(prepare=_bank, changes=False)],
}
