"""Adyen's Recurring API and card details, in virtual time."""

from __future__ import annotations

from tests.support.adyen_links import MERCHANT, AdyenLinks, on_adyen

ACCOUNT = {"merchantAccount": MERCHANT}
SHOPPER = {**ACCOUNT, "shopperReference": "ada"}


async def stored(links: AdyenLinks, number: str) -> str:
    method = {"type": "scheme", "number": number, "expiryMonth": "03", "expiryYear": "2030"}
    asked = {**SHOPPER, "recurringProcessingModel": "CardOnFile", "paymentMethod": method}
    return str((await links.post("/storedPaymentMethods", asked, number)).body["id"])


def test_a_stored_card_is_listed_and_disabled_as_older_integrations_do() -> None:
    async def scenario(links: AdyenLinks) -> None:
        names = {await stored(links, number) for number in ("4111111111111111", "5555444433331111")}
        listed = await links.post("/listRecurringDetails", SHOPPER, "l")
        details = [each["RecurringDetail"] for each in listed.body["details"]]
        assert {each["recurringDetailReference"] for each in details} == names
        assert {each["variant"] for each in details} == {"visa", "mc"}
        one = {**SHOPPER, "recurringDetailReference": min(names)}
        done = await links.post("/disable", one, "d")
        assert done.body == {"response": "[detail-successfully-disabled]"}
        again = await links.post("/disable", one, "e")
        assert (again.status, again.body["errorCode"]) == (422, "803")
        rest = await links.post("/disable", SHOPPER, "f")
        assert rest.body == {"response": "[all-details-successfully-disabled]"}
        nobody = await links.post("/disable", SHOPPER, "g")
        assert (nobody.status, nobody.body["errorCode"]) == (422, "800")
        assert (await links.post("/listRecurringDetails", SHOPPER, "h")).body == {}

    on_adyen(scenario)


def test_the_brands_of_a_card_are_known_from_its_first_digits() -> None:
    async def scenario(links: AdyenLinks) -> None:
        for number, brand in (("411111", "visa"), ("222100", "mc"), ("370000", "amex")):
            asked = {**ACCOUNT, "cardNumber": number}
            shown = (await links.post("/cardDetails", asked, number)).body
            assert shown["brands"] == [{"supported": True, "type": brand}]
        asked = {**ACCOUNT, "encryptedCardNumber": "test_4111111111111111", "supportedBrands": []}
        shown = (await links.post("/cardDetails", {**asked, "supportedBrands": ["mc"]}, "m")).body
        assert shown["brands"] == [{"supported": False, "type": "visa"}]
        wrong = await links.post("/cardDetails", {**asked, "supportedBrands": "mc"}, "w")
        assert (wrong.status, wrong.body["errorCode"]) == (400, "702")
        short = await links.post("/cardDetails", {**ACCOUNT, "cardNumber": "41"}, "s")
        assert (short.status, short.body["errorCode"]) == (422, "101")

    on_adyen(scenario)
