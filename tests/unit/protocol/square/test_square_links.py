"""Square's payment links in virtual time: where the customer pays, and what the shop sees."""

from __future__ import annotations

import asyncio
from typing import Any

from paychain.protocol.dialects.square import Square
from paychain.wire.http import HttpResponse
from tests.support.json_links import JsonLinks, on_vendor
from tests.support.vendor_links import payment

LINKS = "/v2/online-checkout/payment-links"


def wanted(number: int = 1, key: str = "k", **more: Any) -> dict[str, Any]:
    return {
        "idempotency_key": key,
        "quick_pay": {
            "name": "T-shirt",
            "price_money": {"amount": 1000, "currency": "EUR"},
            "location_id": "LPAYCHAIN0001",
        },
        "payment_note": payment(number),
        "checkout_options": {"redirect_url": "https://shop.example/done"},
        **more,
    }


async def visit(links: JsonLinks, url: str, query: str = "") -> HttpResponse:
    """What a customer's browser gets at a page."""
    path = "/" + url.partition("//")[2].partition("/")[2]
    return await links.pool.request("GET", path + query, b"", headers={}, timeout_s=5.0)


def test_a_customer_pays_on_the_page_of_a_link_and_its_order_is_complete() -> None:
    async def scenario(links: JsonLinks) -> None:
        made = (await links.post(LINKS, wanted()))["payment_link"]
        again = (await links.post(LINKS, wanted()))["payment_link"]
        assert again == made
        order = f"/v2/orders/{made['order_id']}"
        assert (await links.get(order))["order"]["state"] == "OPEN"
        declined = await visit(links, made["url"], "?card=cnon:card-nonce-declined")
        assert Square.classify(declined).result.value == "declined"
        back = await visit(links, made["url"], "?card=tok_visa_4242")
        assert back.status == 303
        where, _, query = back.headers["location"].partition("?")
        assert where == "https://shop.example/done"
        seen = (await links.get(order))["order"]
        (tender,) = seen["tenders"]
        assert seen["state"] == "COMPLETED"
        assert query == f"orderId={made['order_id']}&transactionId={tender['payment_id']}"
        paid = (await links.get(f"/v2/payments/{tender['payment_id']}"))["payment"]
        assert (paid["status"], paid["order_id"]) == ("COMPLETED", made["order_id"])
        # The page of a link that is paid sends back, and charges nothing.
        assert (await visit(links, made["url"])).headers["location"] == back.headers["location"]

    links = on_vendor(JsonLinks("square"), scenario)
    assert [(kind, minor) for kind, _, minor in links.booked()] == [
        ("authorised", 1000),
        ("captured", 1000),
    ]


def test_an_order_of_lines_is_summed_up_and_a_link_that_is_deleted_takes_no_money() -> None:
    async def scenario(links: JsonLinks) -> None:
        line = {"name": "Cap", "quantity": "3"}
        price = {"amount": 200, "currency": "EUR"}
        order = {
            "location_id": "LPAYCHAIN0001",
            "reference_id": payment(2),
            "line_items": [{**line, "base_price_money": price}],
        }
        body = wanted(2, "k2", order=order)
        del body["quick_pay"]
        whole = await links.post(LINKS, body)
        made = whole["payment_link"]
        (sold,) = whole["related_resources"]["orders"]
        assert (sold["total_money"]["amount"], sold["reference_id"]) == (600, payment(2))
        listed = (await links.get(LINKS))["payment_links"]
        assert [each["id"] for each in listed] == [made["id"]]
        gone = await links.ask("DELETE", f"{LINKS}/{made['id']}")
        assert gone["cancelled_order_id"] == made["order_id"]
        assert (await links.get(f"{LINKS}/{made['id']}")).status == 404
        assert (await visit(links, made["url"])).status == 404
        for broken in ({"quick_pay": {}}, {"order": order}, {"colour": "red"}):
            assert (await links.post(LINKS, wanted(3, "k3", **broken))).status == 400

    assert on_vendor(JsonLinks("square"), scenario).booked() == []


def test_the_key_of_a_link_is_refused_with_another_body_once_it_has_made_one() -> None:
    async def scenario(links: JsonLinks) -> None:
        links.inject("http_error", status=503)
        assert (await links.post(LINKS, wanted(1, "k"))).status == 503
        links.heal("http_error")
        made = await links.post(LINKS, wanted(2, "k"))  # the key is not used up
        assert made["payment_link"]["payment_note"] == payment(2)
        again = await links.post(LINKS, wanted(2, "k"))
        assert again["payment_link"] == made["payment_link"]
        other = await links.post(LINKS, wanted(3, "k"))
        assert (other.status, other["errors"][0]["code"]) == (400, "IDEMPOTENCY_KEY_REUSED")
        assert len((await links.get(LINKS))["payment_links"]) == 1

    on_vendor(JsonLinks("square"), scenario)


def test_no_two_links_have_one_id_or_order_though_one_was_deleted() -> None:
    async def scenario(links: JsonLinks) -> None:
        made = []
        for number in (1, 2, 3):
            made.append((await links.post(LINKS, wanted(number, f"k{number}")))["payment_link"])
            if number == 2:
                await links.ask("DELETE", f"{LINKS}/{made[0]['id']}")
        assert len({link["id"] for link in made}) == 3
        assert len({link["order_id"] for link in made}) == 3

    on_vendor(JsonLinks("square"), scenario)


def test_a_second_press_waits_for_the_first_ones_payment() -> None:
    async def scenario(links: JsonLinks) -> None:
        made = (await links.post(LINKS, wanted()))["payment_link"]
        presses = [visit(links, made["url"], "?card=tok_visa_4242") for _ in range(2)]
        first, second = await asyncio.gather(*presses)
        assert (first.status, second.status) == (303, 200)

    links = on_vendor(JsonLinks("square"), scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]
