"""Products and prices of Stripe's dialect, and Checkout Sessions whose lines name a price."""

from __future__ import annotations

from typing import Any

import pytest

from paychain.protocol.dialects.stripe import Stripe
from tests.support.stripe_links import Shown, StripeLinks, on_stripe
from tests.support.vendor_links import payment


async def product(links: StripeLinks, **more: str) -> Shown:
    """A T-shirt of 5 euros."""
    first = {"default_price_data[currency]": "eur", "default_price_data[unit_amount]": "500"}
    return await links.post("products", {"name": "T-shirt", **first, **more})


async def session(links: StripeLinks, price: str, **more: str) -> Shown:
    fields: dict[str, Any] = {
        "mode": "payment",
        "success_url": "http://shop.example/done",
        "client_reference_id": payment(1),
        "line_items[0][price]": price,
        "line_items[0][quantity]": "2",
        **more,
    }
    return await links.post("checkout/sessions", fields)


def test_a_session_is_paid_at_the_price_that_its_line_names() -> None:
    async def scenario(links: StripeLinks) -> None:
        shirt = await product(links, **{"metadata[size]": "L"})
        made = await session(links, shirt["default_price"])
        assert (made["amount_total"], made["currency"]) == (1000, "eur")
        path = "/" + made["url"].partition("//")[2].partition("/")[2]
        await links.pool.request("GET", path, b"", headers={}, timeout_s=5.0)
        expand = {"expand[0]": "line_items.data.price.product"}
        seen = await links.get(f"checkout/sessions/{made['id']}", expand)
        (line,) = seen["line_items"]["data"]
        assert line["price"]["product"]["metadata"] == {"size": "L"}
        # What was expanded once is an id again in the next answer.
        lines = await links.get(f"checkout/sessions/{made['id']}/line_items")
        assert lines["data"][0]["price"]["product"] == shirt["id"]

    assert [move[2] for move in on_stripe(scenario).booked()] == [1000, 1000]


def test_what_a_line_brings_can_be_looked_up_but_not_sold_again() -> None:
    async def scenario(links: StripeLinks) -> None:
        data = {
            "line_items[0][price_data][currency]": "eur",
            "line_items[0][price_data][unit_amount]": "700",
            "line_items[0][price_data][product_data][name]": "Cap",
        }
        made = await session(links, "", **data)
        lines = await links.get(
            f"checkout/sessions/{made['id']}/line_items", {"expand[0]": "data.price.product"}
        )
        price = lines["data"][0]["price"]
        assert price["product"]["name"] == "Cap"
        assert (await links.get(f"prices/{price['id']}"))["unit_amount"] == 700
        again = await session(links, price["id"])
        assert "inactive" in again.error["message"]

    on_stripe(scenario)


def test_prices_are_found_by_lookup_key_which_only_one_of_them_has() -> None:
    async def scenario(links: StripeLinks) -> None:
        shirt = await product(links)
        fields = {"product": shirt["id"], "currency": "eur", "unit_amount": "450"}
        fields |= {"lookup_key": "shirt"}
        first = await links.post("prices", fields)
        taken = await links.post("prices", fields)
        assert taken.error["code"] == "resource_already_exists"
        second = await links.post("prices", {**fields, "transfer_lookup_key": "true"})
        found = await links.get("prices", {"lookup_keys[0]": "shirt"})
        assert [each["id"] for each in found["data"]] == [second["id"]]
        assert (await links.get(f"prices/{first['id']}"))["lookup_key"] is None
        searched = await links.get("prices/search", {"query": f"product:'{shirt['id']}'"})
        assert len(searched["data"]) == 3
        kept = await links.ask("DELETE", f"/v1/products/{shirt['id']}")
        assert "user-created prices" in kept.error["message"]

    on_stripe(scenario)


def test_prices_are_listed_by_product_and_currency() -> None:
    async def scenario(links: StripeLinks) -> None:
        shirt, cap = [await product(links) for _ in range(2)]
        for wanted, expected in (
            ({"product": shirt["id"]}, [shirt]),
            ({"product": shirt["id"], "currency": "EUR", "type": "one_time"}, [shirt]),
            ({"currency": "EUR"}, [cap, shirt]),
            ({"currency": "usd"}, []),
        ):
            found = await links.get("prices", wanted)
            prices = [each["default_price"] for each in expected]
            assert [each["id"] for each in found["data"]] == prices, wanted

    on_stripe(scenario)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"unit_amount_decimal": "1e400000"}, "amount_too_large", "unit_amount_decimal"),
        ({"unit_amount_decimal": "3" * 5000}, "amount_too_large", "unit_amount_decimal"),
        ({"unit_amount_decimal": "-1e400000"}, None, "unit_amount_decimal"),
        ({"unit_amount_decimal": "1e-400000"}, None, "unit_amount_decimal"),
        ({"unit_amount_decimal": "nan"}, None, "unit_amount_decimal"),
        ({"unit_amount": "5", "currency": "zzzz"}, None, "currency"),
        ({"unit_amount": "5", "product": ""}, "resource_already_exists", "product_data[id]"),
    ],
)
def test_a_price_that_cannot_be_is_refused(
    fields: dict[str, str], code: str | None, param: str
) -> None:
    async def scenario(links: StripeLinks) -> None:
        await product(links, id="shirt")
        given = {"currency": "eur", "product": "shirt", **fields}
        if not given["product"]:
            given |= {"product_data[id]": "shirt", "product_data[name]": "Other"}
        refused = await links.post("prices", given)
        assert (refused.status, refused.error.get("code")) == (400, code)
        assert refused.error["param"] == param
        assert (await links.get("products/shirt"))["name"] == "T-shirt"

    on_stripe(scenario)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"recurring[interval]": "month"}, "recurring price"),
        ({"active": "false"}, "inactive"),
    ],
)
def test_a_price_that_a_payment_cannot_be_of_is_refused(fields: dict[str, str], said: str) -> None:
    async def scenario(links: StripeLinks) -> None:
        shirt = await product(links)
        common = {"product": shirt["id"], "currency": "eur", "unit_amount": "450"}
        price = await links.post("prices", {**common, **fields})
        refused = await session(links, price["id"])
        assert (refused.status, refused.error["param"]) == (400, "line_items[0][price]")
        assert said in refused.error["message"]
        unknown = await session(links, "price_unknown")
        assert unknown.error["message"] == "No such price: 'price_unknown'"

    on_stripe(scenario)


def test_a_chain_declares_the_prices_that_a_shop_has_in_its_settings() -> None:
    class Declares(StripeLinks):
        dialect = "{stripe: {prices: 'price_shirt=500, price_cap=250'}}"

    async def scenario(links: StripeLinks) -> None:
        made = await session(links, "price_shirt", **{"line_items[1][price]": "price_cap"})
        assert made["amount_total"] == 1250

    on_stripe(scenario, links_of=Declares)


@pytest.mark.parametrize(
    "value",
    ["shirt=500", "price_shirt=5.00", "price_shirt", "price_=5", "price_a=5, price_a=7", ""],
)
def test_prices_that_cannot_be_read_are_a_problem_of_the_chain(value: str) -> None:
    assert Stripe.setting_problem("prices", value)


@pytest.mark.parametrize("digits", ["9" * 5000, "-" + "9" * 5000])
def test_a_search_takes_a_number_of_any_length(digits: str) -> None:
    async def scenario(links: StripeLinks) -> None:
        await product(links)
        for sign, is_found in (("<", digits[0] == "9"), (">", digits[0] == "-")):
            asked = {"query": f"created{sign}{digits}", "page": digits}
            found = await links.get("prices/search", asked)
            assert (found.status, len(found["data"])) == (200, int(is_found))

    on_stripe(scenario)
