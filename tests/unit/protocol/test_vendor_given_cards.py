"""On which of a provider's pages a customer says which card pays."""

from __future__ import annotations

from typing import Any

from paychain.model.operations import CUSTOMER
from paychain.payments.journal import Decision, DecisionKind
from paychain.protocol.envelope import CALLER_HEADER
from tests.support.json_links import JsonLinks, on_vendor
from tests.support.stripe_links import StripeLinks, on_stripe
from tests.support.vendor_links import payment

ORDER = {"amount": 1000, "currency": "EUR", "reference": payment(1)}
URLS = {f"{name}_url": f"https://shop.example/{name}" for name in ("success", "failure", "cancel")}


async def visit(links: StripeLinks, url: str, query: str = "") -> str:
    """Where a page sends a customer."""
    path = "/" + url.partition("//")[2].partition("/")[2] + query
    headers = {CALLER_HEADER: CUSTOMER}
    answer = await links.pool.request("GET", path, b"", headers=headers, timeout_s=5.0)
    return answer.headers.get("location", "")


def given(links: StripeLinks) -> list[str]:
    """The payments whose customer said at the provider which card pays."""
    return [
        record.payment
        for record in links.journal
        if isinstance(record, Decision) and record.kind is DecisionKind.CARD_GIVEN
    ]


def test_a_card_is_given_on_the_page_that_asks_for_it_and_not_at_the_bank() -> None:
    async def scenario(links: JsonLinks) -> None:
        body: dict[str, Any] = {**ORDER, **URLS, "3ds": {"enabled": True}}
        made = await links.post("/hosted-payments", body)
        bank = await visit(links, made["_links"]["redirect"]["href"], "?card=tok_visa_4242")
        assert given(links) == [payment(1)]
        assert "cko-session-id" in await visit(links, bank, "?card=tok_visa_4242")

    links = on_vendor(JsonLinks("checkout"), scenario)
    assert given(links) == [payment(1)]
    assert [kind for kind, _, _ in links.booked()] == ["authorised", "captured"]


def test_authenticating_a_card_that_the_service_has_gives_none() -> None:
    async def scenario(links: JsonLinks) -> None:
        card = {"type": "token", "token": "tok_visa_4242"}
        body = {**ORDER, **URLS, "source": card, "3ds": {"enabled": True}}
        made = await links.post("/payments", body)
        await visit(links, made["_links"]["redirect"]["href"], "?card=tok_mastercard_4444")

    links = on_vendor(JsonLinks("checkout"), scenario)
    assert given(links) == []
    assert [kind for kind, _, _ in links.booked()] == ["authorised", "captured"]


def test_stripes_page_of_a_session_asks_for_a_card_and_the_bank_does_not() -> None:
    async def scenario(links: StripeLinks) -> None:
        waits = await links.pay(1, payment_method="pm_card_authenticationRequired")
        assert waits["status"] == "requires_action"
        page = f"/3d_secure_2/authenticate/{waits['id']}"
        await visit(links, f"http://x{page}", "?card=tok_mastercard_4444")
        price = "line_items[0][price_data]"
        made = await links.post(
            "checkout/sessions",
            {
                "mode": "payment",
                "success_url": "http://shop.example/done",
                "client_reference_id": payment(2),
                "line_items[0][quantity]": "1",
                f"{price}[currency]": "eur",
                f"{price}[unit_amount]": "1000",
                f"{price}[product_data][name]": "Order",
            },
        )
        await visit(links, made["url"], "?card=tok_visa_4242")

    assert given(on_stripe(scenario)) == [payment(2)]


def test_a_payer_chooses_the_card_of_a_wallet_and_not_of_an_order_paid_by_card() -> None:
    async def scenario(links: JsonLinks) -> None:
        unit = {"amount": {"currency_code": "EUR", "value": "10.00"}}
        for number, more in ((1, {}), (2, {"result": "canceled"})):
            units = [{**unit, "custom_id": payment(number)}]
            made = await links.post(
                "/v2/checkout/orders", {"intent": "CAPTURE", "purchase_units": units}
            )
            query = "".join(f"&{name}={value}" for name, value in more.items())
            page = f"http://x/checkoutnow?token={made['id']}&card=tok_visa_4242{query}"
            await visit(links, page)

    links = on_vendor(JsonLinks("{paypal: {approval: on_page}}"), scenario)
    assert given(links) == [payment(1)]


def test_squares_and_adyens_pages_ask_for_a_card() -> None:
    async def at_square(links: JsonLinks) -> None:
        price = {"amount": 1000, "currency": "EUR"}
        body = {
            "idempotency_key": "k",
            "quick_pay": {"name": "Cap", "price_money": price, "location_id": "LPAYCHAIN0001"},
            "payment_note": payment(1),
        }
        made = await links.post("/v2/online-checkout/payment-links", body)
        await visit(links, made["payment_link"]["url"], "?card=tok_visa_4242")

    async def at_adyen(links: JsonLinks) -> None:
        body = {
            "amount": {"value": 1000, "currency": "EUR"},
            "merchantAccount": "PaychainECOM",
            "reference": payment(1),
        }
        key = {"x-api-key": "k"}
        made = await links.post("/v72/paymentLinks", body, **key)
        await visit(links, made["url"], "?card=tok_visa_4242")

    for dialect, scenario in (("square", at_square), ("adyen", at_adyen)):
        assert given(on_vendor(JsonLinks(dialect), scenario)) == [payment(1)]
