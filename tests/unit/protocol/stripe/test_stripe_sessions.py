"""Checkout Sessions of Stripe's dialect: where the customer pays, and what the shop sees."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paychain.protocol.dialects.stripe.reading import classify
from paychain.wire.http import HttpResponse
from tests.support.stripe_links import StripeLinks, on_stripe
from tests.support.vendor_links import payment

SOLD = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]
COMPLETED = "checkout.session.completed"


def fields(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "mode": "payment",
        "success_url": "http://shop.example/done?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://shop.example/cart",
        "client_reference_id": payment(number),
        "line_items[0][quantity]": "2",
        "line_items[0][price_data][currency]": "eur",
        "line_items[0][price_data][unit_amount]": "400",
        "line_items[0][price_data][product_data][name]": "T-shirt",
        "line_items[1][price_data][currency]": "eur",
        "line_items[1][price_data][unit_amount_decimal]": "200",
        "line_items[1][price_data][product_data][name]": "Cap",
        **more,
    }


async def visit(links: StripeLinks, url: str, query: str = "") -> HttpResponse:
    """What a customer's browser gets at a page."""
    path = "/" + url.partition("//")[2].partition("/")[2]
    return await links.pool.request("GET", path + query, b"", headers={}, timeout_s=5.0)


def test_a_customer_pays_on_the_page_and_comes_back_to_the_shop() -> None:
    async def scenario(links: StripeLinks) -> None:
        made = await links.post("checkout/sessions", fields())
        assert (made["status"], made["payment_status"], made["amount_total"]) == (
            "open",
            "unpaid",
            1000,
        )
        assert made["payment_intent"] is None
        back = await visit(links, made["url"], "?card=tok_visa_4242")
        done = f"http://shop.example/done?session={made['id']}"
        assert (back.status, back.headers["location"]) == (303, done)
        expand = {"expand[0]": "payment_intent", "expand[1]": "line_items"}
        seen = await links.get(f"checkout/sessions/{made['id']}", expand)
        assert (seen["status"], seen["payment_status"], seen["url"]) == ("complete", "paid", None)
        assert seen["payment_intent"]["status"] == "succeeded"
        assert [each["amount_total"] for each in seen["line_items"]["data"]] == [800, 200]
        # The page of a session that is paid sends back, and charges nothing.
        assert (await visit(links, made["url"])).headers["location"] == done
        over = await links.post(f"checkout/sessions/{made['id']}/expire")
        assert "This Checkout Session has a status of `complete`" in over.error["message"]
        listed = await links.get("checkout/sessions", {"status": "complete"})
        assert [each["id"] for each in listed["data"]] == [made["id"]]

    links = on_stripe(scenario)
    reference = f"{payment(1)}-1"
    assert links.booked() == [("authorised", reference, 1000), ("captured", reference, 1000)]
    assert sorted(event["type"] for event in links.events) == sorted([*SOLD, COMPLETED])
    (event,) = [event for event in links.events if event["type"] == COMPLETED]
    shown = event["data"]["object"]
    assert (shown["client_reference_id"], shown["payment_status"]) == (payment(1), "paid")


def test_a_declined_card_stays_on_the_page_and_another_one_is_another_attempt() -> None:
    async def scenario(links: StripeLinks) -> None:
        made = await links.post("checkout/sessions", fields())
        declined = await visit(links, made["url"], "?card=pm_card_chargeDeclined")
        assert declined.status == 402
        assert b"Your card was declined" in declined.body
        assert classify(declined).result.value == "declined"
        assert (await links.get(f"checkout/sessions/{made['id']}"))["status"] == "open"
        assert (await visit(links, made["url"], "?card=pm_card_visa")).status == 303

    links = on_stripe(scenario)
    assert [hop[1] for hop in links.hops() if hop[2] == "authorise"] == [1, 2]
    assert links.booked()[-1] == ("captured", f"{payment(1)}-2", 1000)
    assert [event["type"] for event in links.events].count(COMPLETED) == 1


def test_a_card_that_authenticates_does_so_on_the_way() -> None:
    async def scenario(links: StripeLinks) -> None:
        made = await links.post("checkout/sessions", fields())
        bank = await visit(links, made["url"], "?card=pm_card_authenticationRequired")
        assert "/3d_secure_2/" in bank.headers["location"]
        back = await visit(links, bank.headers["location"])
        assert back.headers["location"].startswith(f"http://shop.example/done?session={made['id']}")
        assert (await links.get(f"checkout/sessions/{made['id']}"))["payment_status"] == "paid"

    assert COMPLETED in {event["type"] for event in on_stripe(scenario).events}


def test_a_press_of_the_button_that_arrives_twice_is_charged_once() -> None:
    async def scenario(links: StripeLinks) -> None:
        made = await links.post("checkout/sessions", fields())
        links.inject("duplicate_request", copies=2)
        assert (await visit(links, made["url"], "?card=pm_card_visa")).status == 303

    links = on_stripe(scenario)
    assert [move[0] for move in links.booked()] == ["authorised", "captured"]


def test_a_session_that_is_expired_takes_no_money() -> None:
    async def scenario(links: StripeLinks) -> None:
        made = await links.post("checkout/sessions", fields())
        left = await visit(links, made["url"], "?result=canceled")
        assert left.headers["location"] == "http://shop.example/cart"
        links.inject("http_error", status=503)
        assert (await links.post(f"checkout/sessions/{made['id']}/expire")).status == 503
        links.heal("http_error")
        assert (await links.get(f"checkout/sessions/{made['id']}"))["status"] == "open"
        over = await links.post(f"checkout/sessions/{made['id']}/expire")
        assert (over["status"], over["url"]) == ("expired", None)
        assert (await visit(links, made["url"])).status == 404

    links = on_stripe(scenario)
    assert links.booked() == []
    assert [event["type"] for event in links.events] == ["checkout.session.expired"]


def test_what_is_to_be_captured_later_is_complete_and_unpaid() -> None:
    async def scenario(links: StripeLinks) -> None:
        manual = {"payment_intent_data[capture_method]": "manual"}
        made = await links.post("checkout/sessions", fields(**manual))
        await visit(links, made["url"])
        held = await links.get(f"checkout/sessions/{made['id']}")
        assert (held["status"], held["payment_status"]) == ("complete", "unpaid")
        await links.post(f"payment_intents/{held['payment_intent']}/capture")
        paid = await links.get(f"checkout/sessions/{made['id']}")
        assert paid["payment_status"] == "paid"

    types = [event["type"] for event in on_stripe(scenario).events]
    assert types.count(COMPLETED) == 1


def test_a_repeated_key_makes_one_session_and_a_wrong_request_none() -> None:
    async def scenario(links: StripeLinks) -> None:
        first = await links.post("checkout/sessions", fields(), key="k")
        again = await links.post("checkout/sessions", fields(), key="k")
        assert again["id"] == first["id"]
        assert again.headers["idempotent-replayed"] == "true"
        for wrong, param in (
            ({"line_items[0][price]": "price_1"}, "line_items[0][price]"),
            ({"line_items[1][price_data][currency]": "usd"}, "line_items"),
            ({"success_url": ""}, "success_url"),
            ({"mode": "subscription"}, "mode"),
            ({"colour": "red"}, "colour"),
        ):
            refused = await links.post("checkout/sessions", fields(**wrong))
            assert (refused.status, refused.error["param"]) == (400, param)

    on_stripe(scenario)


def test_a_session_runs_out_by_itself_and_says_so_once() -> None:
    async def scenario(links: StripeLinks) -> None:
        made_s = (await links.post("checkout/sessions", fields()))["created"]
        soon = {"expires_at": str(made_s + 1800)}
        left = await links.post("checkout/sessions", fields(2, **soon))
        begun = await links.post("checkout/sessions", fields(3, **soon))
        paid = await links.post("checkout/sessions", fields(4, **soon))
        await visit(links, begun["url"], "?card=pm_card_threeDSecure2Required")
        await visit(links, paid["url"])
        await asyncio.sleep(1801.0)
        kept = [await links.get(f"checkout/sessions/{each['id']}") for each in (left, begun, paid)]
        assert [each["status"] for each in kept] == ["expired", "expired", "complete"]
        # What the customer began to authenticate cannot be paid any more, either.
        intents = await links.get("payment_intents")
        assert sorted(each["status"] for each in intents["data"]) == ["canceled", "succeeded"]
        listed = await links.get("events", {"type": "checkout.session.expired"})
        assert {each["data"]["object"]["id"] for each in listed["data"]} == {
            left["id"],
            begun["id"],
        }
        over = await links.post(f"checkout/sessions/{left['id']}/expire")
        assert "has a status of `expired`" in over.error["message"]

    links = on_stripe(scenario)
    expired = [each for each in links.events if each["type"] == "checkout.session.expired"]
    assert len({each["data"]["object"]["id"] for each in expired}) == len(expired) == 2
    assert {each["data"]["object"]["status"] for each in expired} == {"expired"}
    assert [kind for kind, _, _ in links.booked()] == ["authorised", "captured"]


def setup_fields(**more: Any) -> dict[str, Any]:
    return {
        "mode": "setup",
        "currency": "eur",
        "success_url": "http://shop.example/kept?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://shop.example/account",
        "client_reference_id": payment(1),
        "setup_intent_data[metadata][order]": payment(1),
        **more,
    }


def test_a_session_keeps_a_card_with_which_its_customer_pays_later() -> None:
    async def scenario(links: StripeLinks) -> None:
        owner = (await links.post("customers", {"email": "ada@shop.example"}))["id"]
        made = await links.post("checkout/sessions", setup_fields(customer=owner))
        assert (made["mode"], made["status"], made["amount_total"]) == ("setup", "open", None)
        assert (made["payment_status"], made["payment_intent"]) == ("no_payment_required", None)
        begun = await links.get(f"setup_intents/{made['setup_intent']}")
        assert (begun["status"], begun["customer"]) == ("requires_payment_method", owner)
        assert begun["metadata"] == {"order": payment(1)}
        declined = await visit(links, made["url"], "?card=pm_card_chargeDeclined")
        assert declined.status == 402
        back = await visit(links, made["url"], "?card=pm_card_visa")
        done = f"http://shop.example/kept?session={made['id']}"
        assert (back.status, back.headers["location"]) == (303, done)
        expand = {"expand[0]": "setup_intent.payment_method"}
        seen = await links.get(f"checkout/sessions/{made['id']}", expand)
        assert (seen["status"], seen["setup_intent"]["status"]) == ("complete", "succeeded")
        card = seen["setup_intent"]["payment_method"]
        assert card["customer"] == owner
        again = await visit(links, made["url"], "?card=pm_card_mastercard")
        assert again.headers["location"] == done
        paid = {"amount": 1000, "currency": "eur", "confirm": "true", "off_session": "true"}
        order = {"customer": owner, "payment_method": card["id"], "metadata[order]": payment(2)}
        assert (await links.post("payment_intents", {**paid, **order}))["status"] == "succeeded"
        listed = await links.get("events", {"type": COMPLETED})
        assert [each["data"]["object"]["id"] for each in listed["data"]] == [made["id"]]

    links = on_stripe(scenario)
    assert [minor for kind, _, minor in links.booked() if kind == "captured"] == [1000]
    kinds = [event["type"] for event in links.events]
    assert kinds.count("setup_intent.succeeded") == kinds.count(COMPLETED) == 1
    (event,) = [event for event in links.events if event["type"] == COMPLETED]
    assert event["data"]["object"]["setup_intent"].startswith("seti_")


def test_a_card_that_authenticates_is_kept_when_its_customer_is_back() -> None:
    async def scenario(links: StripeLinks) -> None:
        made = await links.post("checkout/sessions", setup_fields())
        bank = await visit(links, made["url"], "?card=pm_card_authenticationRequiredOnSetup")
        assert "/3d_secure_2/setup/" in bank.headers["location"]
        assert (await links.get(f"checkout/sessions/{made['id']}"))["status"] == "open"
        back = await visit(links, bank.headers["location"])
        assert back.headers["location"].startswith(f"http://shop.example/kept?session={made['id']}")
        assert (await links.get(f"checkout/sessions/{made['id']}"))["status"] == "complete"

    links = on_stripe(scenario)
    assert links.booked() == []
    assert [event["type"] for event in links.events].count(COMPLETED) == 1


def test_a_session_that_ends_takes_its_setup_along_and_lines_have_no_place_in_one() -> None:
    async def scenario(links: StripeLinks) -> None:
        made = await links.post("checkout/sessions", setup_fields())
        ended = await links.post(f"checkout/sessions/{made['id']}/expire")
        assert (ended["status"], ended["url"]) == ("expired", None)
        begun = await links.get(f"setup_intents/{made['setup_intent']}")
        assert begun["status"] == "canceled"
        assert (await visit(links, made["url"])).status == 404
        line = {"line_items[0][price]": "price_x", "line_items[0][quantity]": "1"}
        refused = await links.post("checkout/sessions", setup_fields(**line))
        assert (refused.status, refused.error["param"]) == (400, "line_items")
        subscribes = await links.post("checkout/sessions", fields(mode="subscription"))
        assert (subscribes.status, subscribes.error["param"]) == (400, "mode")
        assert subscribes.error["message"].endswith("in mode subscription: only payment and setup.")

    links = on_stripe(scenario)
    kinds = [event["type"] for event in links.events]
    assert kinds.count("checkout.session.expired") == kinds.count("setup_intent.canceled") == 1


@pytest.mark.parametrize("mode", ["payment", "setup"])
def test_a_page_that_failed_before_any_work_can_be_used_again(mode: str) -> None:
    async def scenario(links: StripeLinks) -> None:
        asked = fields() if mode == "payment" else setup_fields()
        made = await links.post("checkout/sessions", asked)
        links.inject("http_error", status=500)
        for _ in range(2):
            assert (await visit(links, made["url"], "?card=pm_card_visa")).status == 500
        links.heal("http_error")
        assert (await visit(links, made["url"], "?card=pm_card_visa")).status == 303
        assert (await links.get(f"checkout/sessions/{made['id']}"))["status"] == "complete"

    links = on_stripe(scenario)
    held = [kind for kind, _, _ in links.booked()]
    assert held == (["authorised", "captured"] if mode == "payment" else [])


def test_only_its_session_confirms_and_cancels_the_setup_that_belongs_to_it() -> None:
    async def scenario(links: StripeLinks) -> None:
        made = await links.post("checkout/sessions", setup_fields())
        own = f"setup_intents/{made['setup_intent']}"
        confirmed = await links.post(f"{own}/confirm", {"payment_method": "pm_card_visa"})
        cancelled = await links.post(f"{own}/cancel")
        for refused in (confirmed, cancelled):
            assert (refused.status, refused.error["code"]) == (400, "setup_intent_unexpected_state")
        assert (await links.get(own))["status"] == "requires_payment_method"
        assert (await links.post(f"checkout/sessions/{made['id']}/expire"))["status"] == "expired"

    kinds = [event["type"] for event in on_stripe(scenario).events]
    assert kinds.count("setup_intent.canceled") == 1
    assert COMPLETED not in kinds


def test_a_card_that_cannot_be_kept_leaves_the_one_that_is_at_the_bank() -> None:
    async def scenario(links: StripeLinks) -> None:
        owner, other = [(await links.post("customers"))["id"] for _ in range(2)]
        foreign = await links.post("payment_methods/pm_card_visa/attach", {"customer": other})
        made = await links.post("checkout/sessions", setup_fields(customer=owner))
        bank = await visit(links, made["url"], "?card=pm_card_authenticationRequiredOnSetup")
        own = f"setup_intents/{made['setup_intent']}"
        before = await links.get(own)
        refused = await visit(links, made["url"], f"?card={foreign['id']}")
        assert refused.status == 400
        assert (await links.get(own)).body == before.body
        assert (await visit(links, bank.headers["location"])).status == 303
        assert (await links.get(f"checkout/sessions/{made['id']}"))["status"] == "complete"

    on_stripe(scenario)


def test_a_setup_needs_a_currency_unless_its_methods_are_named() -> None:
    async def scenario(links: StripeLinks) -> None:
        named = {"currency": "", "payment_method_types[0]": "card"}
        assert (await links.post("checkout/sessions", setup_fields(**named)))["currency"] is None
        upper = await links.post("checkout/sessions", setup_fields(currency="EUR"))
        assert upper["currency"] == "eur"
        for currency in ("", "euros"):
            refused = await links.post("checkout/sessions", setup_fields(currency=currency))
            assert (refused.status, refused.error["param"]) == (400, "currency")

    on_stripe(scenario)
