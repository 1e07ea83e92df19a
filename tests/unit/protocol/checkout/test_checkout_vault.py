"""Checkout.com's customers, and the instruments with which they pay again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paychain.wire.http import WireError
from tests.support.json_links import JsonLinks, on_vendor
from tests.support.vendor_links import payment

ADA = "ada@shop.example"


async def instrument(links: JsonLinks, **more: Any) -> Any:
    body = {"type": "token", "token": "tok_visa_4242", "customer": {"email": ADA}}
    return await links.post("/instruments", {**body, **more})


async def pay(links: JsonLinks, source: dict[str, str]) -> Any:
    body = {"amount": 1000, "currency": "EUR", "reference": payment(1), "source": source}
    return await links.post("/payments", body)


def test_a_kept_card_pays_by_its_id_and_by_its_customer() -> None:
    async def scenario(links: JsonLinks) -> None:
        kept = await instrument(links)
        assert (kept.status, kept["customer"]["default"], kept["last4"]) == (201, True, "4242")
        customer = kept["customer"]["id"]
        for source in ({"type": "id", "id": kept["id"]}, {"type": "customer", "id": customer}):
            paid = await pay(links, source)
            assert (paid.status, paid["approved"]) == (201, True)
        # Another card for the same address is the same customer's, and not its default.
        other = await instrument(links, token="tok_mastercard_4444")
        assert other["customer"] == {"id": customer, "email": ADA, "default": False}
        seen = await links.ask("GET", f"/customers/{ADA}")
        assert [each["id"] for each in seen["instruments"]] == [kept["id"], other["id"]]
        assert (await links.ask("DELETE", f"/instruments/{kept['id']}")).status == 204
        assert (await pay(links, {"type": "id", "id": kept["id"]})).status == 422
        bare = await pay(links, {"type": "customer", "id": customer})
        assert bare["error_codes"] == ["customer_default_instrument_not_found"]
        await links.ask("PATCH", f"/customers/{customer}", {"default": other["id"]})
        assert (await pay(links, {"type": "customer", "id": customer}))["approved"]

    moved = [move[0] for move in on_vendor(JsonLinks("checkout"), scenario).booked()]
    assert moved == ["authorised", "captured"] * 3


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "email_required"),
        ({"email": "ada"}, "email_invalid"),
        ({"email": ADA}, "customer_email_already_exists"),
    ],
)
def test_a_customer_needs_an_address_of_its_own(body: dict[str, Any], code: str) -> None:
    async def scenario(links: JsonLinks) -> None:
        assert (await links.post("/customers", {"email": ADA, "name": "Ada"})).status == 201
        refused = await links.post("/customers", body)
        assert (refused.status, refused["error_codes"]) == (422, [code])

    on_vendor(JsonLinks("checkout"), scenario)


@pytest.mark.parametrize("by", ["id", "customer"])
def test_a_payment_is_repeated_by_its_key_after_its_card_is_gone(by: str) -> None:
    async def scenario(links: JsonLinks) -> None:
        kept = await instrument(links)
        source = {"type": by, "id": kept["id"] if by == "id" else kept["customer"]["id"]}
        body = {"amount": 1000, "currency": "EUR", "reference": payment(1), "source": source}
        links.inject("lost_answer")
        with pytest.raises(WireError):
            await links.post("/payments", body, key="k", timeout_s=0.5)
        links.heal("lost_answer")
        await links.ask("DELETE", f"/instruments/{kept['id']}")
        again = await links.post("/payments", body, key="k")
        assert (again.status, again["approved"]) == (201, True)
        odd = {**body, "source": {"type": "nonsense"}}
        assert (await links.post("/payments", odd, key="k")).status == 422
        assert (await links.post("/payments", body, key="other")).status == 422
        assert (await links.post("/payments", body)).status == 422

    links = on_vendor(JsonLinks("checkout", "cko-idempotency-key"), scenario)
    assert [move[0] for move in links.booked()] == ["authorised", "captured"]


@pytest.mark.parametrize("is_made", [False, True])
def test_an_instrument_that_moves_pays_for_its_new_customer_only(is_made: bool) -> None:
    async def scenario(links: JsonLinks) -> None:
        kept = await instrument(links)
        ada = kept["customer"]["id"]
        if is_made:
            given = {"email": "grace@shop.example", "instruments": [kept["id"]]}
            grace = (await links.post("/customers", given))["id"]
        else:
            grace = (await links.post("/customers", {"email": "grace@shop.example"}))["id"]
            moved = {"customer": {"id": grace, "default": True}}
            await links.ask("PATCH", f"/instruments/{kept['id']}", moved)
        bare = await pay(links, {"type": "customer", "id": ada})
        assert bare["error_codes"] == ["customer_default_instrument_not_found"]
        assert (await pay(links, {"type": "customer", "id": grace}))["approved"]
        assert (await links.ask("PATCH", f"/customers/{ada}", {"name": "Ada"})).status == 204
        seen = await links.ask("GET", "/customers/ada%40shop.example")
        assert (seen["name"], seen["instruments"]) == ("Ada", [])

    on_vendor(JsonLinks("checkout"), scenario)


async def during(links: JsonLinks, request: Any, *others: Any) -> list[Any]:
    """The answers to a request and to what comes while it is at work."""
    links.inject("late_answer", delay="1s")
    first = asyncio.create_task(request)
    await asyncio.sleep(0.2)
    links.heal("late_answer")
    later = [await other for other in others]
    return [await first, *later]


def test_what_others_did_meanwhile_is_checked_again_when_a_change_is_made() -> None:
    async def scenario(links: JsonLinks) -> None:
        async def make() -> Any:
            return await links.post("/customers", {"email": ADA})

        first, second = await during(links, make(), make())
        assert (first.status, second.status) == (422, 201)
        assert first["error_codes"] == ["customer_email_already_exists"]

        ada = f"/customers/{second['id']}"
        grace = (await links.post("/customers", {"email": "grace@shop.example"}))["id"]
        writing = links.ask("PATCH", f"/customers/{grace}", {"email": "a@shop.example"})
        answers = await during(links, writing, links.ask("PATCH", ada, {"email": "a@shop.example"}))
        assert [each.status for each in answers] == [422, 204]

        storing = instrument(links, customer={"id": second["id"]})
        answers = await during(links, storing, links.ask("DELETE", ada))
        assert [each.status for each in answers] == [404, 204]
        assert (await links.ask("GET", ada)).status == 404

        other = instrument(links, token="tok_mastercard_4444")
        one, two = await during(links, instrument(links), other)
        assert one["customer"]["id"] == two["customer"]["id"]
        seen = await links.ask("GET", f"/customers/{ADA}")
        assert {each["id"] for each in seen["instruments"]} == {one["id"], two["id"]}

    on_vendor(JsonLinks("checkout"), scenario)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"instruments": 5}, 422),
        ({"instruments": "src_x"}, 422),
        ({"instruments": ["src_x"]}, 404),
        ({"default": "src_x"}, 404),
        ({"default": "others"}, 422),
    ],
)
def test_a_customer_is_made_with_known_instruments_only(body: dict[str, Any], status: int) -> None:
    async def scenario(links: JsonLinks) -> None:
        kept = await instrument(links)
        given = {**body, "email": "grace@shop.example"}
        if body.get("default") == "others":
            given["default"] = kept["id"]
        assert (await links.post("/customers", given)).status == status
        assert (await links.ask("GET", "/customers/grace@shop.example")).status == 404

    on_vendor(JsonLinks("checkout"), scenario)
