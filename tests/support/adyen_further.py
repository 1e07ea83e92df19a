"""What is asked of the mock that speaks Adyen beyond payments, and of its libraries."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.adyen_scenarios import MERCHANT, Failed, Shop
from tests.support.vendor_shop import Scenarios, redirected

FURTHER = Scenarios()


def _stored(shop: Shop, shopper: dict[str, str]) -> list[str]:
    listed = shop.client.ask("stored", shopper)["storedPaymentMethods"]
    return [str(each["id"]) for each in listed]


def _visited(shop: Shop, page: str) -> str:
    """Where a page sends its shopper, who reaches it without the TLS of the library's way."""
    own = urlsplit(shop.links.url).netloc
    return redirected(urlsplit(page)._replace(netloc=own).geturl())


def _again(shop: Shop, token: str) -> dict[str, Any]:
    """A payment with a stored card, without its shopper."""
    return shop.pay(
        shopperReference=shop.order,
        shopperInteraction="ContAuth",
        recurringProcessingModel="CardOnFile",
        paymentMethod={"type": "scheme", "storedPaymentMethodId": token},
    )


@FURTHER.add("stored card")
def stored_card(shop: Shop) -> str:
    shopper = {"merchantAccount": MERCHANT, "shopperReference": shop.order}
    keeping = {"shopperReference": shop.order, "recurringProcessingModel": "CardOnFile"}
    first = shop.pay(storePaymentMethod=True, **keeping)
    token = first["additionalData"]["tokenization.storedPaymentMethodId"]
    assert _stored(shop, shopper) == [token]
    assert _again(shop, token)["resultCode"] == "Authorised"
    card = {"type": "scheme", "encryptedCardNumber": "test_5555444433331111"}
    expiry = {"encryptedExpiryMonth": "test_03", "encryptedExpiryYear": "test_2030"}
    method = {**card, **expiry, "encryptedSecurityCode": "test_737"}
    unpaid = shop.client.ask("store", {**shopper, **keeping, "paymentMethod": method})["id"]
    assert set(_stored(shop, shopper)) == {token, unpaid}
    # The Recurring API knows the same cards by names of its own.
    listed = shop.client.ask("recurring details", shopper)["details"]
    details = {each["RecurringDetail"]["recurringDetailReference"] for each in listed}
    assert details == {token, unpaid}
    disabled = {**shopper, "recurringDetailReference": unpaid}
    done = shop.client.ask("disable recurring", disabled)
    assert done["response"] == "[detail-successfully-disabled]"
    assert _stored(shop, shopper) == [token]
    shop.client.ask("forget", shopper, token)
    assert _stored(shop, shopper) == []
    with pytest.raises(Failed) as refused:
        _again(shop, token)
    assert (refused.value.status, refused.value.code) == (422, "800")
    assert shop.booked("authorised") == [1000, 1000]
    return f"storedPaymentMethodId pays with ContAuth; {refused.value.name} 800 once it is deleted"


@FURTHER.add("front end")
def front_end(shop: Shop) -> str:
    account = {"merchantAccount": MERCHANT}
    shown = shop.client.ask("card details", {**account, "cardNumber": "555544"})
    assert shown["brands"] == [{"supported": True, "type": "mc"}]
    wanted = {**account, "countryCode": "DE", "amount": {"value": 1000, "currency": "EUR"}}
    methods = shop.client.ask("payment methods", wanted)["paymentMethods"]
    assert "scheme" in [each["type"] for each in methods]
    asked = shop.asked()
    del asked["paymentMethod"]
    session = shop.client.ask("session", asked)
    assert session["sessionData"]
    assert shop.booked("authorised") == []
    return "brands by the first digits of a card, payment methods, an embedded session"


@FURTHER.add("hosted page")
def hosted_page(shop: Shop) -> str:
    wanted = shop.asked()
    del wanted["paymentMethod"]
    session = shop.client.ask("session", {**wanted, "mode": "hosted"})
    back = parse_qs(urlsplit(_visited(shop, session["url"])).query)
    assert back["sessionId"] == [session["id"]]
    brought = {"sessionResult": back["sessionResult"][0]}
    assert shop.client.ask("session result", brought, session["id"])["status"] == "completed"
    other = shop.other()
    link = other.client.ask("link", {**wanted, "reference": other.order})
    assert (link["status"], link["reference"]) == ("active", other.order)
    assert other.client.ask("show link", {}, link["id"])["status"] == "active"
    _visited(shop, link["url"])
    assert other.client.ask("show link", {}, link["id"])["status"] == "completed"
    third = shop.other()
    unpaid = third.client.ask("link", {**wanted, "reference": third.order})["id"]
    assert third.client.ask("expire link", {"status": "expired"}, unpaid)["status"] == "expired"
    assert shop.booked("authorised") == other.booked("authorised") == [1000]
    return "a hosted session, read by its sessionResult; a payment link: active, completed, expired"


@FURTHER.add("errors")
def errors(shop: Shop) -> str:
    failed = shop.failures((400, 401, 403, 422, 429, 500, 502, 504), shop.pay)
    seen = ", ".join(f"{each.status} {each.name}" for each in failed)
    broken = shop.broken_json(shop.pay, field="resultCode", lacks="resultCode")
    return f"{seen}; broken JSON is {broken}"


@FURTHER.add("headers")
def headers(shop: Shop) -> str:
    shop.pay(key=shop.order)
    sent = shop.links.exchanges[-1][0].headers
    assert sent["idempotency-key"] == shop.order
    assert sent["x-api-key"] == "test"
    shop.pay()
    own = shop.links.exchanges[-1][0].headers.get("idempotency-key", "")
    key = "a key of its own" if own else "no key of its own"
    library = f"{sent['adyen-library-name']} {sent['adyen-library-version']}"
    return f"names itself {library}; {key}"
