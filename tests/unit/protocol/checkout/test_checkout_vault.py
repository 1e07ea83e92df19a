"""Checkout.com's customers, and the instruments with which they pay again."""

from __future__ import annotations

from typing import Any

import pytest

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
