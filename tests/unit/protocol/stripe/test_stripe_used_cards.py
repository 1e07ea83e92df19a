"""Stripe's cards that belong to no customer: what uses them, and what does not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paychain.wire.http import WireError
from tests.support.stripe_links import Shown, StripeLinks, on_stripe
from tests.support.vendor_links import chain_of, payment

USED = "may not be used again"
WEBHOOKS = "    webhooks: {to: shop, delay: {median: 1ms, p99: 2ms}}\n"
SAVES = {"setup_future_usage": "off_session"}
ASKS = "4000002760003184"  # its holder has to authenticate every payment
BACK = "http://shop.example/back"


async def new_card(links: StripeLinks) -> str:
    made = await links.post("payment_methods", {"type": "card", "card[token]": "tok_visa"})
    return str(made["id"])


async def new_customer(links: StripeLinks) -> str:
    return str((await links.post("customers"))["id"])


async def declined(links: StripeLinks, number: int, **more: Any) -> Shown:
    """A payment that the issuer declines."""
    links.inject("decline", link="issuer", code="51")
    refused = await links.pay(number, **more)
    links.heal("decline")
    assert refused.status == 402
    return refused


async def confirmed(links: StripeLinks, intent: Any, **fields: str) -> Shown:
    return await links.post(f"payment_intents/{intent}/confirm", fields)


async def authenticated(links: StripeLinks, intent: Shown) -> tuple[int, str]:
    """The customer authenticates on the bank's page: its status, and where it sends them."""
    action = intent["next_action"]
    is_sent = action["type"] == "redirect_to_url"
    url = action["redirect_to_url"]["url"] if is_sent else action["use_stripe_sdk"]["stripe_js"]
    path = "/" + url.partition("//")[2].partition("/")[2]
    seen = await links.pool.request("GET", path, b"", headers={}, timeout_s=5.0)
    return seen.status, seen.headers.get("location", "")


class WithoutWebhooks(StripeLinks):
    """The same links, none of which sends webhooks."""

    @staticmethod
    def chain(dialect: str, **further: str) -> str:
        whole = chain_of(dialect, **further)
        assert WEBHOOKS in whole
        return whole.replace(WEBHOOKS, "").replace("    receives: {path: /webhooks/psp}\n", "")


def test_a_declined_charge_leaves_a_card_as_it_was() -> None:
    async def scenario(links: StripeLinks) -> None:
        card = await new_card(links)
        await declined(links, 1, payment_method=card)
        assert (await links.pay(2, payment_method=card))["status"] == "succeeded"
        kept = await new_card(links)
        await declined(links, 3, payment_method=kept)
        attached = {"customer": await new_customer(links)}
        assert (await links.post(f"payment_methods/{kept}/attach", attached)).status == 200
        assert (await links.pay(4, payment_method=kept, **attached))["status"] == "succeeded"

    on_stripe(scenario)


def test_a_card_that_pays_its_intent_the_second_time_pays_no_other() -> None:
    async def scenario(links: StripeLinks) -> None:
        card = await new_card(links)
        refused = await declined(links, 1, payment_method=card)
        intent = refused.error["payment_intent"]["id"]
        assert (await confirmed(links, intent, payment_method=card))["status"] == "succeeded"
        assert USED in (await links.pay(2, payment_method=card)).error["message"]

    assert len(on_stripe(scenario).booked()) == 2  # authorised and captured once


@pytest.mark.parametrize("links_of", [StripeLinks, WithoutWebhooks])
@pytest.mark.parametrize("first", ["declined", "processing"])
def test_a_card_is_kept_whatever_its_first_answer_was(
    first: str, links_of: type[StripeLinks]
) -> None:
    async def scenario(links: StripeLinks) -> None:
        card, customer = await new_card(links), await new_customer(links)
        of_customer = {"payment_method": card, "customer": customer}
        if first == "declined":
            refused = await declined(links, 1, **of_customer, **SAVES)
            intent = refused.error["payment_intent"]["id"]
            assert (await confirmed(links, intent, payment_method=card))["status"] == "succeeded"
        else:
            links.inject("stuck_pending")
            pending = await links.pay(1, **of_customer, **SAVES)
            links.heal("stuck_pending")
            assert pending["status"] == "processing"
            await asyncio.sleep(2.0)
            shown = await links.get(f"payment_intents/{pending['id']}")
            assert shown["status"] == "succeeded"
        assert (await links.get(f"payment_methods/{card}"))["customer"] == customer
        later = await links.pay(2, off_session="true", **of_customer)
        assert (later.status, later.body.get("status")) == (200, "succeeded")

    on_stripe(scenario, links_of=links_of)


def test_an_intent_is_not_paid_with_a_card_that_paid_another_meanwhile() -> None:
    async def scenario(links: StripeLinks) -> None:
        card = await new_card(links)
        first = await links.pay(1, payment_method=card, confirm="false")
        second = await links.pay(2, payment_method=card, confirm="false")
        assert (await confirmed(links, first["id"]))["status"] == "succeeded"
        refused = await confirmed(links, second["id"], receipt_email="a@b.example")
        assert USED in refused.error["message"]
        # Nothing of the refused request stays, and another card pays.
        shown = await links.get(f"payment_intents/{second['id']}")
        assert (shown["status"], shown["receipt_email"]) == ("requires_confirmation", None)
        paid = await confirmed(links, second["id"], payment_method="pm_card_visa")
        assert paid["status"] == "succeeded"

    on_stripe(scenario)


def test_of_two_payments_at_once_a_card_makes_one() -> None:
    async def scenario(links: StripeLinks) -> None:
        card = await new_card(links)
        both = [links.pay(number, payment_method=card) for number in (1, 2)]
        seen = await asyncio.gather(*both)
        assert sorted(each.status for each in seen) == [200, 400]

    assert len(on_stripe(scenario).booked()) == 2  # authorised and captured once


def test_a_charge_that_never_reached_the_link_leaves_a_card_as_it_was() -> None:
    async def scenario(links: StripeLinks) -> None:
        card = await new_card(links)
        links.inject("http_error", status=503)
        assert (await links.pay(1, payment_method=card)).status == 503
        links.heal("http_error")
        assert (await links.pay(2, payment_method=card))["status"] == "succeeded"

    on_stripe(scenario)


def test_an_intent_is_not_paid_with_a_card_that_was_detached_meanwhile() -> None:
    async def scenario(links: StripeLinks) -> None:
        card, customer = await new_card(links), await new_customer(links)
        await links.post(f"payment_methods/{card}/attach", {"customer": customer})
        saved = {"payment_method": card, "customer": customer}
        made = await links.pay(1, confirm="false", **saved)
        setup = await links.post("setup_intents", saved)
        assert (await links.post(f"payment_methods/{card}/detach")).status == 200
        for path in (f"payment_intents/{made['id']}", f"setup_intents/{setup['id']}"):
            refused = await links.post(f"{path}/confirm")
            assert (refused.status, USED in refused.error["message"]) == (400, True)

    assert on_stripe(scenario).booked() == []


@pytest.mark.parametrize("back", [BACK, ""])
def test_an_authenticated_payment_fails_once_its_card_has_paid_another(back: str) -> None:
    async def scenario(links: StripeLinks) -> None:
        made = await links.post("payment_methods", {"type": "card", "card[number]": ASKS})
        card = {"payment_method": made["id"], "return_url": BACK}
        first = await links.pay(1, **card)
        second = await links.pay(2, **card | {"return_url": back})
        status, location = await authenticated(links, first)
        assert (status, location.endswith("redirect_status=succeeded")) == (303, True)
        # The customer is not left at the bank: the shop that gave an address has them back.
        status, location = await authenticated(links, second)
        assert status == (303 if back else 200)
        assert location.endswith("redirect_status=failed" if back else "")
        failed = await links.get(f"payment_intents/{second['id']}")
        assert (failed["status"], failed["payment_method"]) == ("requires_payment_method", None)
        assert USED in failed["last_payment_error"]["message"]
        assert failed["last_payment_error"]["payment_method"]["id"] == made["id"]
        paid = await confirmed(links, second["id"], payment_method="pm_card_visa")
        assert paid["status"] == "succeeded"

    links = on_stripe(scenario)
    assert len(links.booked()) == 4  # two payments, each authorised and captured
    types = [event["type"] for event in links.events]
    assert types.count("payment_intent.payment_failed") == 1


@pytest.mark.parametrize("gone", ["card", "customer"])
def test_a_capture_keeps_no_card_that_was_detached_since(gone: str) -> None:
    async def scenario(links: StripeLinks) -> None:
        card, customer = await new_card(links), await new_customer(links)
        saved = {"payment_method": card, "customer": customer}
        held = await links.pay(1, capture_method="manual", **saved, **SAVES)
        assert (await links.get(f"payment_methods/{card}"))["customer"] == customer
        if gone == "card":
            assert (await links.post(f"payment_methods/{card}/detach")).status == 200
        else:
            assert (await links.ask("DELETE", f"/v1/customers/{customer}")).status == 200
        captured = await links.post(f"payment_intents/{held['id']}/capture")
        assert captured["status"] == "succeeded"
        await asyncio.sleep(0.5)
        assert (await links.get(f"payment_methods/{card}"))["customer"] is None
        refused = await links.pay(2, off_session="true", payment_method=card)
        assert (refused.status, USED in refused.error["message"]) == (400, True)

    on_stripe(scenario)


def test_a_card_is_not_kept_for_a_customer_who_was_deleted_before_the_outcome() -> None:
    async def scenario(links: StripeLinks) -> None:
        card, customer = await new_card(links), await new_customer(links)
        links.inject("stuck_pending")
        pending = await links.pay(1, payment_method=card, customer=customer, **SAVES)
        links.heal("stuck_pending")
        assert (await links.ask("DELETE", f"/v1/customers/{customer}")).status == 200
        await asyncio.sleep(2.0)
        assert (await links.get(f"payment_intents/{pending['id']}"))["status"] == "succeeded"
        assert (await links.get(f"payment_methods/{card}"))["customer"] is None
        refused = await links.pay(2, payment_method=card)
        assert (refused.status, USED in refused.error["message"]) == (400, True)

    on_stripe(scenario)


@pytest.mark.parametrize("meanwhile", ["detached", "deleted", "another's"])
def test_a_setup_saves_no_card_that_cannot_be_kept_any_more(meanwhile: str) -> None:
    async def scenario(links: StripeLinks) -> None:
        made = await links.post("payment_methods", {"type": "card", "card[number]": ASKS})
        card, customer = made["id"], await new_customer(links)
        wanted = {"payment_method": card, "customer": customer, "return_url": BACK}
        setup = await links.post("setup_intents", {"confirm": "true", **wanted})
        other = await new_customer(links)
        if meanwhile == "deleted":
            await links.ask("DELETE", f"/v1/customers/{customer}")
        else:
            await links.post(f"payment_methods/{card}/attach", {"customer": other})
        if meanwhile == "detached":
            await links.post(f"payment_methods/{card}/detach")
        status, location = await authenticated(links, setup)
        assert (status, location.endswith("redirect_status=failed")) == (303, True)
        kept_for = other if meanwhile == "another's" else None
        assert (await links.get(f"payment_methods/{card}"))["customer"] == kept_for
        failed = await links.get(f"setup_intents/{setup['id']}")
        assert (failed["status"], failed["payment_method"]) == ("requires_payment_method", None)
        assert failed["last_setup_error"]["payment_method"]["id"] == card

    types = [event["type"] for event in on_stripe(scenario).events]
    assert types.count("setup_intent.setup_failed") == 1
    assert "setup_intent.succeeded" not in types


def test_a_new_customer_gets_no_card_of_another() -> None:
    async def scenario(links: StripeLinks) -> None:
        card, customer = await new_card(links), await new_customer(links)
        await links.post(f"payment_methods/{card}/attach", {"customer": customer})
        refused = await links.post("customers", {"payment_method": card})
        assert (refused.status, refused.error["code"]) == (400, "payment_method_unexpected_state")
        assert (await links.get(f"payment_methods/{card}"))["customer"] == customer

    on_stripe(scenario)


def test_of_two_customers_at_once_one_gets_a_card() -> None:
    async def scenario(links: StripeLinks) -> None:
        card = await new_card(links)
        customers = [await new_customer(links) for _ in range(2)]
        links.inject("slow_answer", delay="300ms")
        path = f"payment_methods/{card}/attach"
        wanted = [links.post(path, {"customer": customer}) for customer in customers]
        seen = await asyncio.gather(*wanted)
        links.heal("slow_answer")
        assert sorted(each.status for each in seen) == [200, 400]
        [attached] = [each["customer"] for each in seen if each.status == 200]
        assert (await links.get(f"payment_methods/{card}"))["customer"] == attached

    on_stripe(scenario)


def test_of_two_new_customers_at_once_one_gets_a_card() -> None:
    async def scenario(links: StripeLinks) -> None:
        card = await new_card(links)
        links.inject("slow_answer", delay="300ms")
        wanted = [links.post("customers", {"payment_method": card}) for _ in range(2)]
        seen = await asyncio.gather(*wanted)
        links.heal("slow_answer")
        assert sorted(each.status for each in seen) == [200, 400]
        [customer] = (await links.get("customers"))["data"]
        assert (await links.get(f"payment_methods/{card}"))["customer"] == customer["id"]

    on_stripe(scenario)


@pytest.mark.parametrize("psp", ["idempotency: none", ""])
def test_a_link_without_keys_executes_a_repeat_with_a_card_that_is_used(psp: str) -> None:
    async def scenario(links: StripeLinks) -> None:
        card = await new_card(links)
        links.inject("lost_answer")
        with pytest.raises(WireError):
            await links.pay(1, key="k", payment_method=card, timeout_s=1.0)
        links.heal("lost_answer")
        again = await links.pay(1, key="k", payment_method=card)
        assert (again.status, again["status"]) == (200, "succeeded")
        for key in ("another", ""):
            refused = await links.pay(1, key=key, payment_method=card)
            assert (refused.status, USED in refused.error["message"]) == (400, True)

    authorised = [move for move in on_stripe(scenario, psp=psp).booked() if move[0] == "authorised"]
    assert {reference.partition("~")[0] for _, reference, _ in authorised} == {f"{payment(1)}-1"}
    assert len(authorised) == (2 if psp else 1)


def test_a_refund_that_fails_later_is_seen_without_webhooks() -> None:
    async def scenario(links: StripeLinks) -> None:
        paid = await links.pay(1)
        links.inject("decline", link="issuer", code="57")
        made = await links.post("refunds", {"payment_intent": paid["id"], "amount": "100"})
        await asyncio.sleep(1.0)
        assert (await links.get(f"refunds/{made['id']}"))["status"] == "failed"
        listed = (await links.get("events", {"type": "refund.failed"}))["data"]
        assert [each["data"]["object"]["status"] for each in listed] == ["failed"]

    links = on_stripe(scenario, links_of=WithoutWebhooks)
    assert links.received == []
