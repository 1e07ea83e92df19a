"""Braintree's vault in virtual time: customers, their cards, and sales by token."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from paychain.protocol.dialects.braintree.documents import read, write
from tests.support.vendor_links import payment
from tests.support.vendor_virtual import VendorVirtual, on_vendor

HEADERS = {"authorization": "Basic cGF5Y2hhaW46eA==", "content-type": "application/xml"}
VALID = "fake-valid-visa-nonce"
DECLINED = "fake-processor-declined-visa-nonce"


class VaultLinks(VendorVirtual):
    """Asks as a server SDK does."""

    async def send(
        self, method: str, path: str, root: str = "", **given: Any
    ) -> tuple[int, dict[str, Any]]:
        """The status, and what the answer's only element holds."""
        body = write(root, given) if root else b""
        response = await self.ask(method, f"/merchants/m/{path}", body, HEADERS)
        if not response.body:
            return response.status, {}
        ((_, found),) = read(response.body, "application/xml").items()
        return response.status, found

    async def card(self, customer: str, **given: Any) -> tuple[int, dict[str, Any]]:
        given = {"customer_id": customer, "payment_method_nonce": VALID, **given}
        return await self.send("POST", "payment_methods", "payment_method", **given)

    async def sale(self, number: int = 1, **given: Any) -> tuple[int, dict[str, Any]]:
        given = {"type": "sale", "amount": "10.00", "order_id": payment(number), **given}
        return await self.send("POST", "transactions", "transaction", **given)


def on_vault(scenario: Callable[[VaultLinks], Awaitable[None]]) -> VaultLinks:
    links: VaultLinks = on_vendor(VaultLinks, scenario, "braintree")
    return links


def codes(found: Any) -> set[str]:
    """The codes of all validation errors in an answer."""
    if isinstance(found, list):
        return {code for each in found for code in codes(each)}
    if not isinstance(found, dict):
        return set()
    mine = {found["code"]} if isinstance(found.get("code"), str) else set()
    return mine.union(*(codes(each) for each in found.values()))


def test_a_card_in_the_vault_pays_by_its_token_and_as_its_customers() -> None:
    async def scenario(links: VaultLinks) -> None:
        status, customer = await links.send("POST", "customers", "customer", first_name="Ada")
        assert (status, customer["first_name"]) == (201, "Ada")
        status, first = await links.card(customer["id"], cardholder_name="Ada")
        assert (status, first["default"], first["last_4"]) == (201, True, "4242")
        _, second = await links.card(customer["id"], token="mine", options={"make_default": True})
        assert second["token"] == "mine"
        _, seen = await links.send("GET", f"customers/{customer['id']}")
        kept = seen["credit_cards"]
        assert [card["default"] for card in kept] == [False, True]
        status, sale = await links.sale(1, payment_method_token=first["token"])
        assert (status, sale["status"], sale["customer"]["id"]) == (
            201,
            "authorized",
            customer["id"],
        )
        assert sale["credit_card"]["token"] == first["token"]
        _, sale = await links.sale(2, customer_id=customer["id"])
        assert sale["credit_card"]["token"] == "mine"
        # What is forgotten pays nothing any more.
        assert (await links.send("DELETE", "payment_methods/any/mine"))[0] == 200
        assert (await links.send("GET", "payment_methods/any/mine"))[0] == 404
        assert "91518" in codes((await links.sale(3, payment_method_token="mine"))[1])
        assert (await links.send("GET", f"payment_methods/any/{first['token']}"))[1]["default"]
        assert (await links.send("DELETE", f"customers/{customer['id']}"))[0] == 200
        assert "91510" in codes((await links.sale(4, customer_id=customer["id"]))[1])

    assert [move[0] for move in on_vault(scenario).booked()] == ["authorised", "authorised"]


def test_a_card_of_one_customer_does_not_pay_for_another() -> None:
    async def scenario(links: VaultLinks) -> None:
        for name in ("ada", "bob"):
            await links.send("POST", "customers", "customer", id=name)
        token = (await links.card("ada"))[1]["token"]
        _, made = await links.send("POST", f"payment_methods/{token}/nonces")
        for means in ({"payment_method_token": token}, {"payment_method_nonce": made["nonce"]}):
            status, found = await links.sale(1, customer_id="bob", **means)
            assert (status, codes(found)) == (422, {"91516"})
            status, sale = await links.sale(2, customer_id="ada", **means)
            assert (status, sale["credit_card"]["token"]) == (201, token)

    assert [move[0] for move in on_vault(scenario).booked()] == ["authorised", "authorised"]


def test_numbers_in_line_items_are_shown_again() -> None:
    async def scenario(links: VaultLinks) -> None:
        item = {"name": "Cap", "kind": "debit", "quantity": 2, "unit_amount": 5.25}
        sale = {"type": "sale", "amount": 10.5, "order_id": payment(1), "line_items": [item]}
        body = msgspec.json.encode({"transaction": {**sale, "payment_method_nonce": VALID}})
        headers = {**HEADERS, "content-type": "application/json"}  # as the SDK for Node sends it
        answer = await links.ask("POST", "/merchants/m/transactions", body, headers)
        name = read(answer.body, "application/xml")["transaction"]["id"]
        _, shown = await links.send("GET", f"transactions/{name}/line_items")
        assert shown == [{**item, "quantity": "2", "unit_amount": "5.25"}]

    on_vault(scenario)


def test_a_sale_keeps_its_card_for_the_customer_that_it_names_or_makes() -> None:
    async def scenario(links: VaultLinks) -> None:
        on_success = {"store_in_vault_on_success": True}
        _, sale = await links.sale(1, payment_method_nonce=VALID, options=on_success)
        token, owner = sale["credit_card"]["token"], sale["customer"]["id"]
        assert (await links.send("GET", f"payment_methods/any/{token}"))[1]["customer_id"] == owner
        named = {"customer": {"id": "ada", "first_name": "Ada"}}
        _, sale = await links.sale(2, payment_method_nonce=VALID, options=on_success, **named)
        assert sale["customer"]["id"] == "ada"
        _, seen = await links.send("GET", "customers/ada")
        assert seen["first_name"] == "Ada"
        assert [card["token"] for card in seen["credit_cards"]] == [sale["credit_card"]["token"]]
        assert (await links.sale(3, customer_id="ada"))[0] == 201
        # A card that is declined is kept only where it is to be in any case.
        other = {"customer": {"id": "bob"}, "payment_method_nonce": DECLINED}
        await links.sale(4, options=on_success, **other)
        assert (await links.send("GET", "customers/bob"))[0] == 404
        await links.sale(5, options={"store_in_vault": True}, **other)
        assert len((await links.send("GET", "customers/bob"))[1]["credit_cards"]) == 1

    assert [move[0] for move in on_vault(scenario).booked()] == ["authorised"] * 3


def test_a_card_is_kept_without_the_decline_of_the_amount_that_it_came_with() -> None:
    async def scenario(links: VaultLinks) -> None:
        always = {"options": {"store_in_vault": True}, "customer": {"id": "ada"}}
        status, _ = await links.sale(1, amount="2000.00", payment_method_nonce=VALID, **always)
        assert status == 422
        status, sale = await links.sale(2, amount="10.00", customer_id="ada")
        assert (status, sale["status"]) == (201, "authorized")
        # What the card itself is declined with stays with it.
        other = {**always, "customer": {"id": "bob"}}
        await links.sale(3, amount="2001.00", payment_method_nonce=DECLINED, **other)
        status, found = await links.sale(4, amount="10.00", customer_id="bob")
        assert (status, found["transaction"]["processor_response_code"]) == (422, "2000")

    on_vendor(VaultLinks, scenario, "{braintree: {test_amounts: simulate}}")


def test_a_sale_makes_no_customer_whose_id_is_refused_elsewhere() -> None:
    async def scenario(links: VaultLinks) -> None:
        on_success = {"options": {"store_in_vault_on_success": True}}
        for name in ("a b", "x" * 37, "a/b"):
            named = {"customer": {"id": name}, **on_success}
            status, found = await links.sale(1, payment_method_nonce=VALID, **named)
            assert (status, codes(found)) == (422, {"91610"})
            _, found = await links.send("POST", "customers", "customer", id=name)
            assert codes(found) == {"91610"}

    assert on_vault(scenario).booked() == []


def test_a_sale_for_a_known_customer_adds_a_card_and_leaves_what_is_known() -> None:
    async def scenario(links: VaultLinks) -> None:
        await links.send("POST", "customers", "customer", id="ada", first_name="Ada")
        named = {"customer": {"id": "ada", "first_name": "Eve"}}
        on_success = {"options": {"store_in_vault_on_success": True}}
        _, sale = await links.sale(1, payment_method_nonce=VALID, **named, **on_success)
        _, seen = await links.send("GET", "customers/ada")
        assert seen["first_name"] == "Ada"
        assert [card["token"] for card in seen["credit_cards"]] == [sale["credit_card"]["token"]]

    on_vault(scenario)


def test_what_cannot_be_kept_is_refused_with_its_code() -> None:
    async def scenario(links: VaultLinks) -> None:
        assert (await links.send("POST", "customers", "customer", id="ada"))[0] == 201
        for given, code in (
            ({"customer_id": ""}, "91704"),
            ({"customer_id": "bob"}, "91705"),
            ({"payment_method_nonce": "nobody's"}, "91732"),
            ({"payment_method_nonce": "fake-consumed-nonce"}, "91731"),
            ({"payment_method_nonce": "", "number": "4539578763621486"}, "81717"),
            ({"token": "a b"}, "91718"),
        ):
            status, found = await links.card("ada", **given)
            assert (status, codes(found)) == (422, {code})
        assert codes((await links.send("POST", "customers", "customer", id="ada"))[1]) == {"91609"}
        assert codes((await links.sale(1, customer_id="ada"))[1]) == {"91511"}
        await links.card("ada", token="one")
        once = {"fail_on_duplicate_payment_method": True}
        assert codes((await links.card("ada", token="one"))[1]) == {"91719"}
        assert codes((await links.card("ada", options=once))[1]) == {"81724"}
        assert codes((await links.sale(2, customer_id="bob"))[1]) == {"91510"}

    assert on_vault(scenario).booked() == []


def test_a_card_that_is_declined_is_kept_unless_it_is_to_be_verified() -> None:
    async def scenario(links: VaultLinks) -> None:
        await links.send("POST", "customers", "customer", id="ada")
        verified = {"verify_card": True}
        status, found = await links.card("ada", payment_method_nonce=DECLINED, options=verified)
        assert (status, found["verification"]["processor_response_code"]) == (422, "2000")
        _, kept = await links.card("ada", payment_method_nonce=DECLINED)
        status, found = await links.sale(1, payment_method_token=kept["token"])
        assert (status, found["transaction"]["status"]) == (422, "processor_declined")

    assert on_vault(scenario).booked() == []


def test_a_search_reads_a_time_without_a_zone_as_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XYZ-7")
    time.tzset()

    async def scenario(links: VaultLinks) -> None:
        _, sale = await links.sale(1, payment_method_nonce=VALID)
        made = sale["created_at"].removesuffix("Z")
        path = "transactions/advanced_search_ids"
        _, found = await links.send("POST", path, "search", created_at={"is": made})
        assert found["ids"] == [sale["id"]]

    try:
        on_vault(scenario)
    finally:
        monkeypatch.undo()
        time.tzset()
