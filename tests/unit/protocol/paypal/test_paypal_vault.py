"""PayPal's vault in virtual time: setup tokens, payment tokens, and orders that name them."""

from __future__ import annotations

import msgspec

from tests.unit.protocol.paypal.test_paypal import CARD, Answered, PayPalLinks, on_paypal

SETUPS, TOKENS = "/v3/vault/setup-tokens", "/v3/vault/payment-tokens"
WALLET = {
    "paypal": {
        "usage_type": "MERCHANT",
        "experience_context": {
            "return_url": "https://shop.example/kept",
            "cancel_url": "https://shop.example/cart",
        },
    }
}


async def exchanged(links: PayPalLinks, setup: str, key: str = "t") -> Answered:
    source = {"token": {"id": setup, "type": "SETUP_TOKEN"}}
    return await links.send(TOKENS, {"payment_source": source}, key)


def test_a_card_that_is_kept_pays_an_order_at_once() -> None:
    async def scenario(links: PayPalLinks) -> None:
        body = {"payment_source": {"card": CARD}, "customer": {"id": "ada"}}
        setup = await links.send(SETUPS, body, "s")
        assert (setup.status, setup.body["status"]) == (201, "APPROVED")
        again = await links.send(SETUPS, body, "s")
        assert (again.status, again.body["id"]) == (200, setup.body["id"])
        kept = await exchanged(links, setup.body["id"])
        assert (kept.status, kept.body["customer"]["id"]) == (201, "ada")
        assert (await exchanged(links, setup.body["id"])).body["id"] == kept.body["id"]
        listed = await links.get(f"{TOKENS}?customer_id=ada")
        assert [each["id"] for each in listed.body["payment_tokens"]] == [kept.body["id"]]
        source = {"card": {"vault_id": kept.body["id"]}}
        order = await links.order(payment_source=source)
        assert (order.status, order.body["status"]) == (201, "COMPLETED")
        by_token = {"token": {"id": kept.body["id"], "type": "PAYMENT_METHOD_TOKEN"}}
        assert (await links.order(2, "o2", payment_source=by_token)).body["status"] == "COMPLETED"
        assert (await links.send(f"{TOKENS}/{kept.body['id']}", method="DELETE")).status == 204
        assert (await links.get(f"{TOKENS}/{kept.body['id']}")).status == 404
        assert (await links.order(3, "o3", payment_source=source)).issue == "INVALID_RESOURCE_ID"

    assert [kind for kind, _ in on_paypal(scenario).booked()] == ["authorised", "captured"] * 2


def test_a_wallet_is_kept_when_its_payer_agrees_on_the_page() -> None:
    async def scenario(links: PayPalLinks) -> None:
        setup = await links.send(SETUPS, {"payment_source": WALLET}, "s")
        assert setup.body["status"] == "PAYER_ACTION_REQUIRED"
        assert (await exchanged(links, setup.body["id"])).issue == "PAYER_ACTION_REQUIRED"
        (page,) = [link["href"] for link in setup.body["links"] if link["rel"] == "approve"]
        path = "/" + page.partition("//")[2].partition("/")[2]
        left = await links.ask("GET", f"{path}&result=canceled", b"", {})
        assert left.headers["location"].startswith("https://shop.example/cart?")
        back = await links.ask("GET", path, b"", {})
        assert back.headers["location"].startswith("https://shop.example/kept?approval_token_id=")
        kept = await exchanged(links, setup.body["id"], "t2")
        assert kept.status == 201
        source = {"paypal": {"vault_id": kept.body["id"]}}
        order = await links.order(payment_source=source)
        assert (order.status, order.body["status"]) == (201, "COMPLETED")

    links = on_paypal(scenario, "{paypal: {approval: on_page}}")
    assert [kind for kind, _ in links.booked()] == ["authorised", "captured"]


def test_what_names_nothing_is_refused() -> None:
    async def scenario(links: PayPalLinks) -> None:
        assert (await exchanged(links, "nothing")).issue == "INVALID_RESOURCE_ID"
        assert (await links.send(SETUPS, {}, "s")).issue == "MISSING_REQUIRED_PARAMETER"
        assert (await links.get(TOKENS)).issue == "MISSING_REQUIRED_PARAMETER"

    assert on_paypal(scenario).booked() == []


KEEPS = {"vault": {"store_in_vault": "ON_SUCCESS"}, "customer": {"id": "ada"}}


def test_what_pays_an_order_is_kept_when_the_order_says_so_and_has_been_paid() -> None:
    async def scenario(links: PayPalLinks) -> None:
        wallet = {"paypal": {**WALLET["paypal"], "attributes": KEEPS}}
        waiting = await links.order(payment_source=wallet)
        assert "attributes" not in waiting.body.get("payment_source", {}).get("paypal", {})
        paid = await links.send(f"/v2/checkout/orders/{waiting.body['id']}/capture", {}, "c")
        vault = paid.body["payment_source"]["paypal"]["attributes"]["vault"]
        assert (vault["status"], vault["customer"]) == ("VAULTED", {"id": "ada"})
        again = {"paypal": {"vault_id": vault["id"]}}
        assert (await links.order(2, "o2", payment_source=again)).body["status"] == "COMPLETED"
        card = {"card": {**CARD, "name": "CCREJECT-REFUSED", "attributes": KEEPS}}
        declined = await links.order(3, "o3", payment_source=card)
        assert "attributes" not in declined.body["payment_source"]["card"]
        listed = (await links.get(f"{TOKENS}?customer_id=ada")).body["payment_tokens"]
        assert [each["id"] for each in listed] == [vault["id"]]
        wrong = {"card": {**CARD, "attributes": {"vault": {"store_in_vault": "ALWAYS"}}}}
        assert (await links.order(4, "o4", payment_source=wrong)).issue == "INVALID_PARAMETER_VALUE"

    links = on_paypal(scenario)
    sent = [msgspec.json.decode(http.body) for http in links.webhooks]
    (created,) = [each for each in sent if each["event_type"] == "VAULT.PAYMENT-TOKEN.CREATED"]
    assert created["resource_type"] == "payment_token"
    assert created["resource"]["customer"] == {"id": "ada"}


def test_a_key_of_which_no_token_came_is_not_used_up() -> None:
    async def scenario(links: PayPalLinks) -> None:
        ada, eve = (
            {"payment_source": {"card": CARD}, "customer": {"id": name}} for name in ("ada", "eve")
        )
        links.inject("http_error", status=503)
        assert (await links.send(SETUPS, eve, "s")).status == 503
        links.heal("http_error")
        setup = await links.send(SETUPS, ada, "s")
        assert (setup.status, setup.body["customer"]["id"]) == (201, "ada")
        # Of a key that is used up PayPal shows what it has made, whatever is asked for now.
        assert (await links.send(SETUPS, eve, "s")).body["customer"]["id"] == "ada"

    on_paypal(scenario)
