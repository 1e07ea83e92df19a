"""Square's customers and their cards on file."""

from __future__ import annotations

from typing import Any

import pytest

from paychain.payments.journal import Decision, DecisionKind
from paychain.wire.http import WireError
from tests.support.json_links import JsonLinks, on_vendor
from tests.support.vendor_links import payment

MONEY = {"amount": 1000, "currency": "EUR"}


async def customer(links: JsonLinks, **more: Any) -> str:
    made = await links.post("/v2/customers", {"given_name": "Ada", **more})
    return str(made["customer"]["id"])


async def card(links: JsonLinks, owner: str, **more: Any) -> Any:
    body = {"source_id": "cnon:card-nonce-ok", "idempotency_key": "c1", **more}
    return await links.post("/v2/cards", {**body, "card": {"customer_id": owner}})


async def pay(links: JsonLinks, source: str, key: str, **more: Any) -> Any:
    body = {"source_id": source, "idempotency_key": key, "amount_money": MONEY}
    return await links.post("/v2/payments", {**body, "reference_id": payment(1), **more})


def test_a_card_on_file_pays_for_its_customer_until_it_is_disabled() -> None:
    async def scenario(links: JsonLinks) -> None:
        ada, grace = await customer(links), await customer(links)
        kept = (await card(links, ada))["card"]["id"]
        assert (await card(links, ada))["card"]["id"] == kept  # the same key
        paid = await pay(links, kept, "k1", customer_id=ada)
        assert paid["payment"]["status"] == "COMPLETED"
        nobodys = await pay(links, kept, "k2")
        assert nobodys["errors"][0]["field"] == "customer_id"
        others = await pay(links, kept, "k3", customer_id=grace)
        assert others.status == 404
        listed = await links.ask("GET", f"/v2/cards?customer_id={ada}")
        assert [each["id"] for each in listed["cards"]] == [kept]
        await links.post(f"/v2/cards/{kept}/disable", {})
        refused = await pay(links, kept, "k4", customer_id=ada)
        assert refused["errors"][0]["code"] == "INVALID_CARD"
        assert (await links.ask("GET", f"/v2/cards?customer_id={ada}")).body == {}

    moved = [move[0] for move in on_vendor(JsonLinks("square"), scenario).booked()]
    assert moved == ["authorised", "captured"]


def test_a_card_is_repeated_by_its_key_after_its_customer_is_deleted() -> None:
    async def scenario(links: JsonLinks) -> None:
        ada = await customer(links)
        kept, declined = {}, {"source_id": "cnon:card-nonce-declined", "idempotency_key": "c2"}
        first = [(await card(links, ada, **source)) for source in (kept, declined)]
        assert [each.status for each in first] == [200, 402]
        assert (await links.ask("DELETE", f"/v2/customers/{ada}")).status == 200
        again = [(await card(links, ada, **source)) for source in (kept, declined)]
        assert [each.status for each in again] == [200, 402]
        assert again[0]["card"]["id"] == first[0]["card"]["id"]
        assert (await card(links, ada, idempotency_key="c3")).status == 404

    assert on_vendor(JsonLinks("square"), scenario).booked() == []


def test_a_card_is_kept_from_a_payment_and_a_declined_one_is_not() -> None:
    async def scenario(links: JsonLinks) -> None:
        ada = await customer(links)
        paid = await pay(links, "cnon:card-nonce-ok", "k1")
        kept = await card(links, ada, source_id=paid["payment"]["id"])
        assert (await pay(links, kept["card"]["id"], "k2", customer_id=ada)).status == 200
        declined = await card(
            links, ada, source_id="cnon:card-nonce-declined", idempotency_key="c2"
        )
        assert (declined.status, declined["errors"][0]["code"]) == (402, "GENERIC_DECLINE")
        assert len((await links.ask("GET", "/v2/cards"))["cards"]) == 1

    on_vendor(JsonLinks("square"), scenario)


def test_customers_are_searched_by_what_a_shop_wrote() -> None:
    async def scenario(links: JsonLinks) -> None:
        ada = await customer(links, email_address="ada@shop.example", reference_id="u-1")
        await customer(links, email_address="grace@shop.example")

        async def found(**filters: Any) -> list[str]:
            asked = {"query": {"filter": filters}}
            got = await links.post("/v2/customers/search", asked)
            return [each["id"] for each in got.body.get("customers", [])]

        assert await found(email_address={"exact": "ada@shop.example"}) == [ada]
        assert await found(reference_id={"exact": "u-1"}) == [ada]
        assert len(await found(email_address={"fuzzy": "shop"})) == 2
        await links.ask("PUT", f"/v2/customers/{ada}", {"reference_id": None})
        assert await found(reference_id={"exact": "u-1"}) == []
        assert (await links.ask("DELETE", f"/v2/customers/{ada}")).status == 200
        assert (await links.ask("GET", f"/v2/customers/{ada}")).status == 404
        nameless = await links.post("/v2/customers", {"note": "x"})
        assert nameless["errors"][0]["code"] == "MISSING_REQUIRED_PARAMETER"

    on_vendor(JsonLinks("square"), scenario)


def test_a_payment_is_repeated_by_its_key_after_its_card_is_disabled() -> None:
    async def scenario(links: JsonLinks) -> None:
        ada = await customer(links)
        kept = (await card(links, ada))["card"]["id"]
        links.inject("http_error", status=503)
        assert (await pay(links, kept, "k2", customer_id=ada)).status == 503
        links.heal("http_error")
        links.inject("lost_answer")
        with pytest.raises(WireError):
            await pay(links, kept, "k1", customer_id=ada)
        links.heal("lost_answer")
        await links.post(f"/v2/cards/{kept}/disable", {})
        paid = await pay(links, kept, "k1", customer_id=ada)
        assert (paid.status, paid["payment"]["status"]) == (200, "COMPLETED")
        assert (await pay(links, kept, "k1", customer_id=ada, note="x")).status == 400
        for key in ("k2", "k3"):  # of which nothing came, and a new one
            refused = await pay(links, kept, key, customer_id=ada)
            assert refused["errors"][0]["code"] == "INVALID_CARD"

    links = on_vendor(JsonLinks("square"), scenario)
    assert [move[0] for move in links.booked()] == ["authorised", "captured"]


@pytest.mark.parametrize("source", ["cnon:card-nonce-ok", "cnon:card-nonce-declined"])
def test_a_key_that_made_something_is_refused_with_another_body(source: str) -> None:
    async def scenario(links: JsonLinks) -> None:
        links.inject("http_error", status=503)
        ada = {"given_name": "Ada", "idempotency_key": "k"}
        assert (await links.post("/v2/customers", {**ada, "given_name": "Eve"})).status == 503
        links.heal("http_error")
        made = await links.post("/v2/customers", ada)
        assert made["customer"]["given_name"] == "Ada"
        other = await links.post("/v2/customers", {**ada, "given_name": "Grace"})
        assert (other.status, other["errors"][0]["code"]) == (400, "IDEMPOTENCY_KEY_REUSED")
        again = await links.post("/v2/customers", ada)
        assert again["customer"]["id"] == made["customer"]["id"]
        kept = await card(links, made["customer"]["id"], idempotency_key="k", source_id=source)
        assert kept.status == (402 if "declined" in source else 200)
        grace = await customer(links, idempotency_key="k2")
        other = await card(links, grace, idempotency_key="k")
        assert other["errors"][0]["code"] == "IDEMPOTENCY_KEY_REUSED"
        assert len((await links.ask("GET", "/v2/customers"))["customers"]) == 2

    on_vendor(JsonLinks("square"), scenario)


@pytest.mark.parametrize("path", ["cards", "customers", "payments"])
@pytest.mark.parametrize("name", ["limit", "cursor"])
def test_a_page_of_any_number_is_a_page(path: str, name: str) -> None:
    async def scenario(links: JsonLinks) -> None:
        for number in ("9" * 5000, "%C2%B2", "%D9%A3", "0", "-1"):
            assert (await links.ask("GET", f"/v2/{path}?{name}={number}")).status == 200

    on_vendor(JsonLinks("square"), scenario)


def test_what_is_ignored_is_noted_whatever_the_endpoint() -> None:
    async def scenario(links: JsonLinks) -> None:
        ada = await customer(links)
        await links.ask("PUT", f"/v2/customers/{ada}", {"version": 1})
        await links.post("/v2/customers/search", {"count": True, "query": {"sort": {"order": "A"}}})
        described = {"customer_id": ada, "exp_month": 3}
        body = {"source_id": "cnon:card-nonce-ok", "verification_token": "v", "card": described}
        await links.post("/v2/cards", {**body, "idempotency_key": "k"})
        held = await pay(links, "cnon:card-nonce-ok", "p", autocomplete=False)
        path = f"/v2/payments/{held['payment']['id']}"
        change = {"payment": {"note": "x"}, "idempotency_key": "u"}
        await links.ask("PUT", path, change)
        await links.post(f"{path}/complete", {"version_token": "t"})

    links = on_vendor(JsonLinks("square"), scenario)
    ignored = [
        record.detail
        for record in links.journal
        if isinstance(record, Decision) and record.kind is DecisionKind.PARAMETER_IGNORED
    ]
    assert [name.rpartition(" ")[2] for name in ignored] == [
        *("version", "count", "sort", "verification_token", "exp_month"),
        *("note", "version_token"),
    ]
