"""What is asked of the mock that speaks Checkout.com beyond payments, and of its SDKs."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.checkout_scenarios import SECRET_KEY, Shop
from tests.support.vendor_shop import Failed, Scenarios, redirected

FURTHER = Scenarios()


def _email(shop: Shop) -> str:
    return f"{shop.order}@shop.example"


def _customer(shop: Shop) -> str:
    body = {"email": _email(shop), "name": "Ada"}
    return str(shop.client.ask("create customer", body)["id"])


@FURTHER.add("customer")
def customer(shop: Shop) -> str:
    made = _customer(shop)
    with pytest.raises(Failed) as twice:
        _customer(shop)
    assert (twice.value.status, twice.value.codes) == (422, ["customer_email_already_exists"])
    shop.client.ask("update customer", {"name": "Grace", "metadata": {"tier": "gold"}}, made)
    for name in (made, _email(shop)):
        shown = shop.client.ask("customer", name=name)
        assert (shown["id"], shown["name"], shown["instruments"]) == (made, "Grace", [])
        assert shown["metadata"]["tier"] == "gold"
    shop.client.ask("delete customer", name=made)
    with pytest.raises(Failed) as gone:
        shop.client.ask("customer", name=made)
    assert gone.value.status == 404
    return f"one for each address, read by id and by address; {gone.value.name} 404 once deleted"


@FURTHER.add("stored card")
def stored_card(shop: Shop) -> str:
    owner = _customer(shop)
    body = {"type": "token", "token": "tok_visa_4242", "customer": {"id": owner, "default": True}}
    card = shop.client.ask("create instrument", body)
    assert (card["id"][:4], card["customer"]["id"]) == ("src_", owner)
    assert shop.client.ask("instrument", name=card["id"])["last4"] == card["last4"]
    by_id = shop.pay(source={"type": "id", "id": card["id"]})
    assert (by_id["approved"], by_id["source"]["last4"]) == (True, card["last4"])
    by_customer = shop.pay(300, source={"type": "customer", "id": owner})
    assert by_customer["approved"] is True
    changed = {"type": "card", "expiry_month": 11, "expiry_year": 2098}
    shop.client.ask("update instrument", changed, card["id"])
    assert shop.client.ask("instrument", name=card["id"])["expiry_year"] == 2098
    shop.client.ask("delete instrument", name=card["id"])
    with pytest.raises(Failed) as refused:
        shop.pay(source={"type": "id", "id": card["id"]})
    assert refused.value.status == 422
    assert shop.booked("authorised") == [1000, 300]
    return f"an instrument pays by id, or by its customer; {refused.value.name} once deleted"


def _sale(shop: Shop) -> dict[str, Any]:
    """What a customer is to pay, and where to go on afterwards."""
    return {
        "amount": 1000,
        "currency": "EUR",
        "reference": shop.order,
        "billing": {"address": {"country": "DE"}},
        "success_url": "https://shop.example/done",
        "failure_url": "https://shop.example/failed",
    }


@FURTHER.add("hosted page")
def hosted_page(shop: Shop) -> str:
    body = {**_sale(shop), "cancel_url": "https://shop.example/cancelled"}
    page = shop.client.ask("create page", body)
    assert shop.client.ask("page", name=page["id"])["status"] == "Payment Pending"
    url = page["_links"]["redirect"]["href"]
    assert redirected(f"{url}?result=canceled") == "https://shop.example/cancelled"
    back = urlsplit(redirected(url))
    assert back.path == "/done"
    (name,) = parse_qs(back.query)["cko-payment-id"]
    shown = shop.client.ask("page", name=page["id"])
    assert (shown["status"], shown["payment_id"]) == ("Payment Received", name)
    assert shop.status(name) == "Captured"
    assert shop.booked("captured") == [1000]
    other = shop.other()
    asked = {**body, "reference": other.order, "return_url": "https://shop.example/back"}
    link = other.client.ask("create link", {name: asked[name] for name in _OF_LINK})
    assert other.client.ask("link", name=link["id"])["status"] == "Active"
    back = urlsplit(redirected(link["_links"]["redirect"]["href"]))
    (name,) = parse_qs(back.query)["cko-payment-id"]
    shown = other.client.ask("link", name=link["id"])
    assert (back.path, shown["status"]) == ("/back", "Payment Received")
    assert (shown["payment_id"], other.booked("captured")) == (name, [1000])
    return "a page: Payment Pending, then Payment Received; a payment link: Active, then the same"


_OF_LINK = ("amount", "currency", "reference", "billing", "return_url")


@FURTHER.add("front end")
def front_end(shop: Shop) -> str:
    body = _sale(shop)
    session = shop.client.ask("create session", body)
    assert session["payment_session_secret"].startswith("pss_")
    collected = {"session_data": "tok_visa_4242"}
    paid = shop.client.ask("submit session", collected, session["id"])
    assert (paid["status"], paid["reference"]) == ("Authorized", shop.order)
    with pytest.raises(Failed) as refused:
        shop.client.ask("submit session", collected, session["id"])
    assert shop.booked("captured") == [1000]
    other = shop.other()
    whole = {**body, **collected, "reference": other.order}
    assert other.client.ask("session with payment", whole)["status"] == "Authorized"
    assert other.booked("captured") == [1000]
    # A customer of whom nothing was known is one afterwards, with the card that paid.
    owner = shop.pay(300, customer={"email": _email(shop), "name": "Ada"})["customer"]["id"]
    again = shop.pay(400, source={"type": "customer", "id": owner})
    assert (again["approved"], again["customer"]["id"]) == (True, owner)
    status = f"{refused.value.name} {refused.value.status}"
    return f"a payment session (Flow) is paid once, then {status}"


@FURTHER.add("errors")
def errors(shop: Shop) -> str:
    failed = shop.failures((401, 403, 404, 422, 429, 500, 502, 504), shop.pay)
    seen = ", ".join(f"{each.status} {each.name}" for each in failed)
    broken = shop.broken_json(
        lambda: shop.client.ask("pay", shop.asked()), field="status", lacks="payment"
    )
    return f"{seen}; broken JSON is {broken}"


@FURTHER.add("own retries")
def own_retries(shop: Shop) -> str:
    for status in (429, 500, 503):
        before = len(shop.links.exchanges)
        shop.links.inject("http_error", status=status)
        with pytest.raises(Failed):
            shop.client.ask("pay", shop.asked())
        shop.links.heal("http_error")
        (sent,) = [http for http, _ in shop.links.exchanges[before:]]
        assert "cko-idempotency-key" not in sent.headers
    return "none, and no key of its own"


@FURTHER.add("headers")
def headers(shop: Shop) -> str:
    shop.pay(key=shop.order)
    sent = shop.links.exchanges[-1][0].headers
    assert sent["authorization"].removeprefix("Bearer ") == SECRET_KEY
    assert sent["cko-idempotency-key"] == shop.order
    return f"names itself {sent['user-agent']}"
