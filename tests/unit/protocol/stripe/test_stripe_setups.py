"""Cards that are kept for later with Stripe's dialect, and payments without their holder."""

from __future__ import annotations

from typing import Any

from tests.support.stripe_links import Shown, StripeLinks, on_stripe
from tests.support.vendor_links import payment


async def kept(links: StripeLinks, card: str = "pm_card_visa", **more: Any) -> Shown:
    """A setup intent of a new customer, confirmed."""
    customer = await links.post("customers", {"email": "a@b.example"})
    wanted = {"customer": customer["id"], "payment_method": card, "confirm": "true", **more}
    return await links.post("setup_intents", wanted)


async def charged(links: StripeLinks, setup: Shown, number: int = 1, **more: Any) -> Shown:
    """A payment without the customer, with the card that was kept."""
    saved = {"customer": setup["customer"], "payment_method": setup["payment_method"]}
    return await links.pay(number, off_session="true", **saved, **more)


async def visit(links: StripeLinks, url: str, query: str = "") -> str:
    """Where a page sends its customer."""
    path = "/" + url.partition("//")[2].partition("/")[2]
    back = await links.pool.request("GET", path + query, b"", headers={}, timeout_s=5.0)
    return back.headers["location"]


def types(links: StripeLinks) -> set[str]:
    return {event["type"] for event in links.events}


def test_a_card_that_is_kept_is_its_customers_and_pays_without_them() -> None:
    async def scenario(links: StripeLinks) -> None:
        setup = await kept(links, **{"metadata[order]": payment(1)})
        assert (setup["status"], setup["usage"]) == ("succeeded", "off_session")
        customer = setup["customer"]
        listed = await links.get(f"customers/{customer}/payment_methods", {"type": "card"})
        assert [each["id"] for each in listed["data"]] == [setup["payment_method"]]
        at = f"customers/{customer}/payment_methods/{setup['payment_method']}"
        assert (await links.get(at))["customer"] == customer
        assert (await links.get(f"setup_intents/{setup['id']}"))["id"] == setup["id"]
        again = await links.post(f"setup_intents/{setup['id']}/confirm")
        assert again.error["code"] == "setup_intent_unexpected_state"
        paid = await charged(links, setup)
        assert (paid.status, paid["status"]) == (200, "succeeded")
        # Another customer's card is no card of theirs.
        other = await links.post("customers", {})
        fields = {"customer": other["id"], "payment_method": setup["payment_method"]}
        stolen = await links.pay(2, **fields)
        assert "belongs to the Customer" in stolen.error["message"]
        named = await links.get("events", {"type": "setup_intent.*"})
        assert {each["type"] for each in named["data"]} == {
            "setup_intent.created",
            "setup_intent.succeeded",
        }

    links = on_stripe(scenario)
    assert [kind for kind, _, _ in links.booked()] == ["authorised", "captured"]
    assert {"setup_intent.created", "setup_intent.succeeded"} <= types(links)


def test_a_card_whose_holder_must_authenticate_each_time_is_declined_without_them() -> None:
    async def scenario(links: StripeLinks) -> None:
        back = "http://shop.example/saved"
        setup = await kept(links, "pm_card_authenticationRequired", return_url=back)
        assert setup["status"] == "requires_action"
        url = setup["next_action"]["redirect_to_url"]["url"]
        sent = await visit(links, url)
        assert sent.startswith(f"{back}?setup_intent={setup['id']}&setup_intent_client_secret=")
        assert sent.endswith("&redirect_status=succeeded")
        setup = await links.get(f"setup_intents/{setup['id']}")
        assert setup["status"] == "succeeded"
        declined = await charged(links, setup)
        assert (declined.status, declined.error["code"]) == (402, "authentication_required")
        intent = declined.error["payment_intent"]
        assert intent["status"] == "requires_payment_method"
        method = declined.error["payment_method"]["id"]
        assert method == setup["payment_method"]
        # The customer comes back, and authenticates this payment.
        at = f"payment_intents/{intent['id']}/confirm"
        waits = await links.post(at, {"payment_method": method, "off_session": "false"})
        assert waits.status in (200, 402)

    links = on_stripe(scenario)
    assert "setup_intent.requires_action" in types(links)


def test_a_card_that_remembers_being_set_up_asks_no_more() -> None:
    async def scenario(links: StripeLinks) -> None:
        card = "pm_card_authenticationRequiredOnSetup"
        setup = await kept(links, card)
        setup = await links.post(f"setup_intents/{setup['id']}/confirm")  # they are back
        assert setup["status"] == "succeeded"
        assert (await charged(links, setup))["status"] == "succeeded"
        # Not set up, or paid by the customer in person, it asks.
        assert (await links.pay(2, payment_method=card))["status"] == "requires_action"
        in_person = {"customer": setup["customer"], "payment_method": setup["payment_method"]}
        assert (await links.pay(3, **in_person))["status"] == "requires_action"

    on_stripe(scenario)


def test_a_card_that_is_declined_is_not_kept() -> None:
    async def scenario(links: StripeLinks) -> None:
        declined = await kept(links, "pm_card_chargeDeclined")
        assert (declined.status, declined.error["code"]) == (402, "card_declined")
        setup = declined.error["setup_intent"]
        assert setup["status"] == "requires_payment_method"
        at = f"customers/{setup['customer']}/payment_methods"
        assert (await links.get(at))["data"] == []
        # Another card may be given, and its holder may fail to authenticate.
        fields = {
            "payment_method": "pm_card_threeDSecure2Required",
            "return_url": "http://s.example",
        }
        waits = await links.post(f"setup_intents/{setup['id']}/confirm", fields)
        sent = await visit(links, waits["next_action"]["redirect_to_url"]["url"], "?result=failed")
        assert sent.endswith("redirect_status=failed")
        failed = await links.get(f"setup_intents/{setup['id']}")
        error = failed["last_setup_error"]["code"]
        assert (failed["status"], error) == (
            "requires_payment_method",
            "setup_intent_authentication_failure",
        )
        reason = {"cancellation_reason": "abandoned"}
        over = await links.post(f"setup_intents/{setup['id']}/cancel", reason)
        assert (over["status"], over["cancellation_reason"]) == ("canceled", "abandoned")
        # A card that only fails when it is charged is kept.
        assert (await kept(links, "pm_card_chargeCustomerFail"))["status"] == "succeeded"

    links = on_stripe(scenario)
    assert links.booked() == []
    assert {"setup_intent.setup_failed", "setup_intent.canceled"} <= types(links)


def test_a_payment_may_keep_its_card() -> None:
    async def scenario(links: StripeLinks) -> None:
        customer = await links.post("customers", {})
        fields = {"customer": customer["id"], "setup_future_usage": "off_session"}
        paid = await links.pay(1, **fields)
        listed = await links.get(f"customers/{customer['id']}/payment_methods")
        assert [each["id"] for each in listed["data"]] == [paid["payment_method"]]
        again = {"customer": customer["id"], "payment_method": paid["payment_method"]}
        assert (await links.pay(2, off_session="true", **again))["status"] == "succeeded"
        # Neither a card that was declined, nor one that is not to be kept.
        card = "pm_card_chargeDeclined"
        assert (await links.pay(3, payment_method=card, **fields)).status == 402
        assert (await links.pay(4, customer=customer["id"]))["status"] == "succeeded"
        listed = await links.get(f"customers/{customer['id']}/payment_methods")
        assert len(listed["data"]) == 1

    on_stripe(scenario)


async def failed(
    links: StripeLinks, path: str, *, method: str = "POST", key: str = "", **fields: str
) -> None:
    """A request that an error before the work ends."""
    links.inject("http_error", status=503)
    assert (await links.ask(method, f"/v1/{path}", fields, key=key)).status == 503
    links.heal("http_error")


def test_a_decline_is_the_result_of_its_key() -> None:
    async def scenario(links: StripeLinks) -> None:
        customer = (await links.post("customers"))["id"]
        wanted = {
            "customer": customer,
            "payment_method": "pm_card_chargeDeclined",
            "confirm": "true",
        }
        first = await links.post("setup_intents", wanted, key="k")
        again = await links.post("setup_intents", wanted, key="k")
        assert (first.status, first.body) == (402, again.body)

    told = [event["type"] for event in on_stripe(scenario).events]
    assert sorted(told) == ["setup_intent.created", "setup_intent.setup_failed"]
