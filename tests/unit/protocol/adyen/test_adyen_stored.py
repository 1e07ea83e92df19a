"""Stored payment methods at Adyen's mock: a card pays once, is kept, and pays again by its id."""

from __future__ import annotations

from typing import Any

from tests.support.adyen_links import MANUAL, MERCHANT, AdyenLinks, on_adyen, payment, payment_id
from tests.support.json_links import JsonLinks, on_vendor
from tests.support.stripe_links import Shown

OF_ADA = f"merchantAccount={MERCHANT}&shopperReference=ada"
KEEPING = {
    "shopperReference": "ada",
    "storePaymentMethod": True,
    "shopperInteraction": "Ecommerce",
    "recurringProcessingModel": "CardOnFile",
}


def again(number: int, stored: str, shopper: str = "ada") -> dict[str, Any]:
    return payment(
        payment_id(number),
        shopperReference=shopper,
        shopperInteraction="ContAuth",
        recurringProcessingModel="CardOnFile",
        paymentMethod={"type": "scheme", "storedPaymentMethodId": stored},
    )


async def listed(links: AdyenLinks) -> list[dict[str, Any]]:
    answer = await links.ask("GET", f"/storedPaymentMethods?{OF_ADA}")
    methods: list[dict[str, Any]] = answer.body["storedPaymentMethods"]
    return methods


def test_a_card_that_has_paid_is_kept_for_its_shopper_and_pays_again() -> None:
    async def scenario(links: AdyenLinks) -> None:
        first = await links.post("/payments", payment(payment_id(1), **KEEPING))
        data = first.body["additionalData"]
        stored = data["tokenization.storedPaymentMethodId"]
        assert data["tokenization.store.operationType"] == "created"
        assert [(card["id"], card["lastFour"]) for card in await listed(links)] == [
            (stored, "1111")
        ]
        second = await links.post("/payments", payment(payment_id(2), **KEEPING))
        known = second.body["additionalData"]
        assert known["tokenization.store.operationType"] == "alreadyExisting"
        assert known["tokenization.storedPaymentMethodId"] == stored
        paid = await links.post("/payments", again(3, stored))
        assert paid.body["resultCode"] == "Authorised"
        offered = await links.post(
            "/paymentMethods", {"merchantAccount": MERCHANT, "shopperReference": "ada"}
        )
        assert [card["id"] for card in offered.body["storedPaymentMethods"]] == [stored]
        others = await links.post("/payments", again(4, stored, "grace"))
        assert (others.status, others.body["errorCode"]) == (422, "800")
        path = f"/storedPaymentMethods/{stored}?{OF_ADA}"
        assert (await links.ask("DELETE", path)).status == 204
        gone = await links.post("/payments", again(5, stored))
        assert (gone.status, gone.body["errorCode"]) == (422, "800")

    links = on_adyen(scenario, dialect=MANUAL)
    assert links.booked() == [("authorised", 1000)] * 3
    (contract,) = [item for item in links.webhooks if item["eventCode"] == "RECURRING_CONTRACT"]
    assert (
        contract["pspReference"] == contract["additionalData"]["recurring.recurringDetailReference"]
    )


def test_a_payment_is_repeated_by_its_key_after_its_card_is_deleted() -> None:
    async def scenario(links: AdyenLinks) -> None:
        first = await links.post("/payments", payment(payment_id(1), **KEEPING))
        stored = first.body["additionalData"]["tokenization.storedPaymentMethodId"]
        paid = await links.post("/payments", again(2, stored), key="k2")
        assert (await links.ask("DELETE", f"/storedPaymentMethods/{stored}?{OF_ADA}")).status == 204
        repeat = await links.post("/payments", again(2, stored), key="k2")
        assert (repeat.status, repeat.body) == (200, paid.body)
        other = await links.post("/payments", again(3, stored), key="k3")
        assert (other.status, other.body["errorCode"]) == (422, "800")

    assert on_adyen(scenario, dialect=MANUAL).booked() == [("authorised", 1000)] * 2


def test_a_key_that_paid_nothing_does_not_keep_a_deleted_card() -> None:
    async def scenario(links: JsonLinks) -> None:
        path = "/v72/payments"
        first = await links.post(path, payment(payment_id(1), **KEEPING))
        stored = first["additionalData"]["tokenization.storedPaymentMethodId"]
        links.inject("http_error", status=500)
        assert (await links.post(path, again(2, stored), key="k2")).status == 500
        links.heal("http_error")
        await links.ask("DELETE", f"/v72/storedPaymentMethods/{stored}?{OF_ADA}")
        refused = await links.post(path, again(2, stored), key="k2")
        assert (refused.status, refused["errorCode"]) == (422, "800")

    on_vendor(JsonLinks("adyen", "idempotency-key"), scenario)


def test_a_card_is_kept_only_if_it_pays_and_somebody_says_for_whom() -> None:
    async def scenario(links: AdyenLinks) -> None:
        declined = payment(payment_id(1), **KEEPING)
        declined["paymentMethod"]["holderName"] = "DECLINED"
        refused = await links.post("/payments", declined)
        assert refused.body["resultCode"] == "Refused"
        assert await listed(links) == []
        nobodys = await links.post("/payments", payment(payment_id(2), storePaymentMethod=True))
        assert (nobodys.status, nobodys.body["errorCode"]) == (422, "130")

    on_adyen(scenario, dialect=MANUAL)


def test_a_card_is_stored_without_a_payment_and_pays_later() -> None:
    async def scenario(links: AdyenLinks) -> None:
        asked = {
            "merchantAccount": MERCHANT,
            "shopperReference": "ada",
            "recurringProcessingModel": "CardOnFile",
            "paymentMethod": {
                "type": "scheme",
                "encryptedCardNumber": "test_4111111111111111",
                "encryptedExpiryMonth": "test_03",
                "encryptedExpiryYear": "test_2030",
                "holderName": "Ada",
            },
        }
        made = await links.post("/storedPaymentMethods", asked)
        assert made.status == 201
        assert (made.body["expiryMonth"], made.body["expiryYear"], made.body["lastFour"]) == (
            "03",
            "2030",
            "1111",
        )
        again_made = await links.post("/storedPaymentMethods", asked)
        assert again_made.body["id"] == made.body["id"]
        assert [card["id"] for card in await listed(links)] == [made.body["id"]]
        paid = await links.post("/payments", again(1, made.body["id"]))
        assert paid.body["resultCode"] == "Authorised"
        less = {name: asked[name] for name in asked if name != "recurringProcessingModel"}
        refused = await links.post("/storedPaymentMethods", less)
        assert (refused.status, refused.body["errorCode"]) == (422, "130")

    assert len(on_adyen(scenario, dialect=MANUAL).booked()) == 1


def test_a_key_that_stored_nothing_is_not_used_up() -> None:
    async def scenario(links: JsonLinks) -> None:
        async def store(number: str, key: str = "k") -> Shown:
            method = {"type": "scheme", "encryptedCardNumber": f"test_{number}"}
            method |= {"encryptedExpiryMonth": "test_03", "encryptedExpiryYear": "test_2030"}
            asked = {"merchantAccount": MERCHANT, "shopperReference": "ada"}
            asked |= {"recurringProcessingModel": "CardOnFile"}
            body = {**asked, "paymentMethod": method}
            return await links.post("/v72/storedPaymentMethods", body, key=key)

        async def link(value: int) -> Shown:
            body = {"amount": {"value": value, "currency": "EUR"}, "reference": payment_id(1)}
            body |= {"merchantAccount": MERCHANT, "returnUrl": "https://shop.example/return"}
            return await links.post("/v72/paymentLinks", body, key="l")

        known = (await store("4111111111111111", "j")).status
        assert known == 201
        links.inject("http_error", status=503)
        assert [(await store("4111111111111111")).status, (await link(1000)).status] == [503, 503]
        links.heal("http_error")
        made, page = await store("5555555555554444"), await link(2000)
        assert (made.status, made["lastFour"]) == (201, "4444")
        assert (page.status, page["amount"]["value"]) == (201, 2000)
        assert [await store("5555555555554444"), await link(2000)] == [made, page]
        assert [(await store("4111111111111111")).status, (await link(1000)).status] == [422, 422]
        assert [await store("5555555555554444"), await link(2000)] == [made, page]
        seen = await links.get(f"/v72/storedPaymentMethods?{OF_ADA}")
        assert [card["lastFour"] for card in seen["storedPaymentMethods"]] == ["1111", "4444"]

    on_vendor(JsonLinks("adyen", "idempotency-key"), scenario)
