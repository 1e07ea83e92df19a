"""What is asked of the mock that speaks Square beyond payments, and of its SDKs' own ways."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.square_scenarios import Shop
from tests.support.vendor_shop import Failed, Scenarios, redirected

FURTHER = Scenarios()


def _email(shop: Shop) -> str:
    return f"{shop.order}@shop.example"


def _customer(shop: Shop, **more: Any) -> dict[str, Any]:
    body = {"idempotency_key": shop.new_key(), "email_address": _email(shop), **more}
    made: dict[str, Any] = shop.client.ask("create customer", body)["customer"]
    return made


@FURTHER.add("customer")
def customer(shop: Shop) -> str:
    made = _customer(shop, given_name="Ada", reference_id=shop.order)
    assert _customer(shop)["id"] != made["id"]  # an address may belong to several
    changed = shop.client.ask("update customer", {"given_name": "Grace"}, made["id"])["customer"]
    assert (changed["given_name"], changed["version"]) == ("Grace", made["version"] + 1)
    by_reference = {"query": {"filter": {"reference_id": {"exact": shop.order}}}}
    found = shop.client.ask("search customers", by_reference)["customers"]
    assert [each["id"] for each in found] == [made["id"]]
    assert shop.client.ask("customer", name=made["id"])["customer"] == changed
    shop.client.ask("delete customer", name=made["id"])
    with pytest.raises(Failed) as gone:
        shop.client.ask("customer", name=made["id"])
    assert (gone.value.status, gone.value.codes) == (404, ["NOT_FOUND"])
    with pytest.raises(Failed) as empty:
        shop.client.ask("create customer", {"idempotency_key": shop.new_key()})
    assert empty.value.status == 400
    return f"search by reference_id; {gone.value.name} 404 for a deleted one"


@FURTHER.add("stored card")
def stored_card(shop: Shop) -> str:
    owner = _customer(shop)["id"]
    wanted = {
        "idempotency_key": shop.new_key(),
        "source_id": "cnon:card-nonce-ok",
        "card": {"customer_id": owner, "cardholder_name": "Ada"},
    }
    card = shop.client.ask("create card", wanted)["card"]
    assert (card["enabled"], card["customer_id"]) == (True, owner)
    assert shop.client.ask("create card", wanted)["card"] == card
    listed = shop.client.ask("list cards", {"customer_id": owner})
    assert [each["id"] for each in listed] == [card["id"]]
    paid = shop.pay(source_id=card["id"], customer_id=owner, autocomplete=True)
    assert (paid["status"], paid["customer_id"]) == ("COMPLETED", owner)
    with pytest.raises(Failed):
        shop.pay(source_id=card["id"])
    gone = shop.client.ask("disable card", name=card["id"])["card"]
    assert gone["enabled"] is False
    assert shop.client.ask("list cards", {"customer_id": owner}) == []
    with pytest.raises(Failed) as refused:
        shop.pay(source_id=card["id"], customer_id=owner)
    assert refused.value.status in (400, 402, 404)
    assert shop.booked("captured") == [1000]
    return "a card on file pays with its customer; a disabled one is refused"


@FURTHER.add("hosted page")
def hosted_page(shop: Shop) -> str:
    body = {
        "idempotency_key": shop.new_key(),
        "order": {
            "location_id": "L1",
            "reference_id": shop.order,
            "line_items": [
                {
                    "name": "Cap",
                    "quantity": "2",
                    "base_price_money": {"amount": 500, "currency": "USD"},
                }
            ],
        },
        "checkout_options": {"redirect_url": "https://shop.example/done"},
    }
    link = shop.client.ask("create link", body)["payment_link"]
    assert shop.client.ask("order", name=link["order_id"])["order"]["state"] == "OPEN"
    back = parse_qs(urlsplit(redirected(link["url"])).query)
    assert (back["orderId"], back["referenceId"]) == ([link["order_id"]], [shop.order])
    order = shop.client.ask("order", name=link["order_id"])["order"]
    assert (order["state"], order["total_money"]["amount"]) == ("COMPLETED", 1000)
    assert order["tenders"][0]["payment_id"] == back["transactionId"][0]
    assert shop.shown(back["transactionId"][0])["order_id"] == link["order_id"]
    assert shop.client.ask("link", name=link["id"])["payment_link"]["id"] == link["id"]
    shop.client.ask("delete link", name=link["id"])
    with pytest.raises(Failed) as gone:
        shop.client.ask("link", name=link["id"])
    assert gone.value.status == 404
    assert shop.booked("captured") == [1000]
    return "a payment link; its order is OPEN, then COMPLETED with its tender"


@FURTHER.add("order")
def order(shop: Shop) -> str:
    (place,) = shop.client.ask("locations")["locations"]
    line = {"name": "Cap", "quantity": "2", "base_price_money": {"amount": 500, "currency": "USD"}}
    tax = {"uid": "vat", "name": "VAT", "percentage": "10", "scope": "ORDER", "type": "ADDITIVE"}
    wanted = {"location_id": place["id"], "reference_id": shop.order, "line_items": [line]}
    sold = _order(shop, {**wanted, "taxes": [tax]})
    assert (sold["total_money"]["amount"], sold["total_tax_money"]["amount"]) == (1100, 100)
    paid = shop.pay(1100, order_id=sold["id"], autocomplete=True)
    seen = shop.client.ask("order", name=sold["id"])["order"]
    assert (seen["state"], seen["tenders"][0]["payment_id"]) == ("COMPLETED", paid["id"])
    completed = {"filter": {"state_filter": {"states": ["COMPLETED"]}}}
    asked = {"location_ids": [place["id"]], "query": completed}
    found = shop.client.ask("search orders", asked)["orders"]
    assert sold["id"] in [each["id"] for each in found]
    held = _order(shop, wanted)
    parts = [shop.pay(minor, order_id=held["id"])["id"] for minor in (300, 700)]
    asked = {"idempotency_key": shop.new_key(), "payment_ids": parts}
    done = shop.client.ask("pay order", asked, held["id"])["order"]
    assert (done["state"], done["net_amount_due_money"]["amount"]) == ("COMPLETED", 0)
    assert sorted(shop.booked("captured")) == [300, 700, 1100]
    return "lines and taxes at a location; paid at once, or by two payments and PayOrder"


def _order(shop: Shop, wanted: dict[str, Any]) -> dict[str, Any]:
    asked = {"idempotency_key": shop.new_key(), "order": wanted}
    made: dict[str, Any] = shop.client.ask("create order", asked)["order"]
    return made


@FURTHER.add("lists")
def lists(shop: Shop) -> str:
    made = [_customer(shop)["id"] for _ in range(5)]
    before = len(shop.links.exchanges)
    listed = shop.client.ask("list customers", {"limit": 2, "sort_order": "DESC"})
    assert [each["id"] for each in listed][:5] == made[::-1]
    pages = [http.target for http, _ in shop.links.exchanges[before:]]
    cursors = [parse_qs(urlsplit(each).query).get("cursor") for each in pages]
    assert cursors[0] is None
    assert all(cursors[1:])
    assert len(cursors) == len({str(each) for each in cursors}) == (len(listed) + 1) // 2
    links = []
    for number in range(3):
        price = {"amount": 100 + number, "currency": "USD"}
        quick = {"name": "Cap", "price_money": price, "location_id": "L1"}
        body = {"idempotency_key": shop.new_key(), "quick_pay": quick}
        links.append(shop.client.ask("create link", body)["payment_link"]["id"])
    shown = shop.client.ask("list links", {"limit": 1})
    assert {each["id"] for each in shown} >= set(links)
    paid = shop.pay(700, autocomplete=True)
    shop.refund(paid["id"], 100)
    for about, name in (
        ("list", paid["id"]),
        ("list refunds", shop.shown(paid["id"])["refund_ids"][0]),
    ):
        asked = {"begin_time": paid["created_at"], "location_id": paid["location_id"]}
        assert name in [each["id"] for each in shop.client.ask(about, asked)]
        assert shop.client.ask(about, {"begin_time": "2099-01-01T00:00:00Z"}) == []
        assert shop.client.ask(about, {**asked, "location_id": "L2"}) == []
        with pytest.raises(Failed) as wrong:
            shop.client.ask(about, {"end_time": "yesterday"})
        assert wrong.value.codes == ["INVALID_TIME"]
    assert shop.client.ask("list", {"total": 701, "begin_time": paid["created_at"]}) == []
    by_group = {"query": {"filter": {"group_ids": {"all": ["g"]}}}}
    with pytest.raises(Failed):
        shop.client.ask("search customers", by_group)
    return "the pager follows cursor to the end; by times and location; payment links, too"


@FURTHER.add("errors")
def errors(shop: Shop) -> str:
    failed = shop.failures((400, 401, 403, 404, 429, 500, 502, 504), shop.pay)
    assert all(each.codes for each in failed)
    seen = ", ".join(f"{each.status} {each.codes[0]}" for each in failed)
    broken = shop.broken_json(
        lambda: shop.client.ask("pay", shop.asked()), field="payment", lacks="payment"
    )
    return f"{failed[-1].name}: {seen}; broken JSON is {broken}"


@FURTHER.add("own retries")
def own_retries(shop: Shop) -> str:
    sent = {}
    for status in (408, 409, 429, 500, 503):
        before = len(shop.links.exchanges)
        shop.links.inject("http_error", status=status)
        with pytest.raises(Failed):
            shop.client.ask("pay with retries", shop.asked())
        shop.links.heal("http_error")
        tries = [http for http, _ in shop.links.exchanges[before:]]
        assert len({http.body for http in tries}) == 1
        sent[status] = len(tries)
    counts = ", ".join(f"{status}: {number}" for status, number in sent.items())
    return f"requests by status: {counts}"


@FURTHER.add("headers")
def headers(shop: Shop) -> str:
    shop.pay()
    sent = shop.links.exchanges[-1][0].headers
    assert sent["authorization"] == "Bearer test"
    assert sent["square-version"]
    agent = sent.get("user-agent", "")
    named = sent.get("x-fern-sdk-name") or agent.split("/")[0]
    return f"Square-Version {sent['square-version']}; names itself {named}"
