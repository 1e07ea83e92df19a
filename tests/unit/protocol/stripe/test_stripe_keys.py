"""Idempotency keys at Stripe's dialect: one execution each, whatever became of its answer."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from paychain.wire.http import WireError
from tests.support.stripe_links import Shown, StripeLinks, on_stripe
from tests.support.vendor_links import payment


@pytest.mark.parametrize("confirm", ["true", "false"])
def test_a_request_that_was_refused_uses_up_no_key(confirm: str) -> None:
    async def scenario(links: StripeLinks) -> None:
        refused = await links.pay(key="k", amount=5, confirm=confirm)
        assert refused.error["code"] == "amount_too_small"
        made = await links.pay(key="k", confirm=confirm)
        assert (made.status, made.headers.get("idempotent-replayed")) == (200, None)

    assert len(on_stripe(scenario).booked()) == (2 if confirm == "true" else 0)


def test_a_stored_error_comes_again_although_the_money_moved() -> None:
    async def scenario(links: StripeLinks) -> None:
        links.inject("http_error", status=500, after_work=True)
        first = await links.pay(key="k")
        links.heal("http_error")
        again = await links.pay(key="k")
        assert (first.status, again.status) == (500, 500)
        assert first.headers["stripe-should-retry"] == "false"
        assert again.headers["idempotent-replayed"] == "true"
        other = await links.pay(key="k2")
        assert other.status == 200

    assert [move[:2] for move in on_stripe(scenario).booked()] == [
        ("authorised", f"{payment(1)}-1"),
        ("captured", f"{payment(1)}-1"),
        ("authorised", f"{payment(1)}-2"),
        ("captured", f"{payment(1)}-2"),
    ]


@pytest.mark.parametrize("model", ["stripe-v2", "keyed"])
@pytest.mark.parametrize("capture", ["automatic", "manual"])
def test_a_link_that_continues_failed_work_does_nothing_twice(model: str, capture: str) -> None:
    async def repeated(links: StripeLinks, path: str, fields: dict[str, str], key: str) -> Shown:
        links.inject("http_error", status=500, after_work=True)
        assert [(await links.post(path, fields, key=key)).status for _ in range(2)] == [500, 500]
        links.heal("http_error")
        return await links.post(path, fields, key=key)

    async def scenario(links: StripeLinks) -> None:
        fields = {"amount": "1000", "currency": "eur", "payment_method": "pm_card_visa"}
        fields |= {"confirm": "true", "capture_method": capture}
        fields["metadata[order]"] = payment(1)
        paid = await repeated(links, "payment_intents", fields, "k1")
        assert paid.status == 200
        if capture == "manual":
            taken = await repeated(links, f"payment_intents/{paid['id']}/capture", {}, "k2")
            assert taken["status"] == "succeeded"
        asked = {"payment_intent": paid["id"], "amount": "100"}
        assert (await repeated(links, "refunds", asked, "k3"))["status"] == "succeeded"

    links = on_stripe(scenario, psp=f"idempotency: {model}")
    for link in ("psp", "issuer"):
        assert links.booked(link) == [
            ("authorised", f"{payment(1)}-1", 1000),
            ("captured", f"{payment(1)}-1", 1000),
            ("refunded", f"{payment(1)}-1", 100),
        ]
    events = Counter(event["type"] for event in links.events)
    assert set(events.values()) == {1}, events


def test_an_error_in_front_of_the_link_uses_up_no_key() -> None:
    async def scenario(links: StripeLinks) -> None:
        links.inject("rate_limit", rate="1/s")
        await links.get("customers")
        refused = await links.pay(key="k")
        assert (refused.status, refused.error["code"]) == (429, "rate_limit")
        links.heal("rate_limit")
        paid = await links.pay(key="k")
        assert (paid["status"], paid.headers.get("idempotent-replayed")) == ("succeeded", None)

    assert len(on_stripe(scenario).booked()) == 2


@pytest.mark.parametrize(
    "path", ["cancel", "capture", "confirm", "update", "refund", "customer", "method"]
)
def test_every_post_is_executed_once_for_its_key(path: str) -> None:
    async def scenario(links: StripeLinks) -> None:
        held = await links.pay(capture_method="manual")
        name = f"payment_intents/{held['id']}"
        if path == "refund":
            await links.post(f"{name}/capture")
        made = await links.post(
            "payment_intents", {"amount": 500, "currency": "eur", "metadata[o]": payment(2)}
        )
        target, fields = {
            "cancel": (f"{name}/cancel", {}),
            "capture": (f"{name}/capture", {"amount_to_capture": "400"}),
            "confirm": (
                f"payment_intents/{made['id']}/confirm",
                {"payment_method": "pm_card_visa"},
            ),
            "update": (name, {"metadata[a]": "b"}),
            "refund": ("refunds", {"payment_intent": held["id"], "amount": "100"}),
            "customer": ("customers", {"email": "a@b.example"}),
            "method": ("payment_methods", {"type": "card", "card[token]": "tok_visa"}),
        }[path]
        first = await links.post(target, fields, key="once")
        moved = links.booked("psp")
        again = await links.post(target, fields, key="once")
        assert first.status == again.status == 200
        assert again.body == first.body
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["original-request"] == first.headers["request-id"]
        other = await links.post(target, {**fields, "metadata[x]": "y"}, key="once")
        if path not in ("cancel", "confirm"):  # which take no metadata
            assert (other.status, other.error["type"]) == (400, "idempotency_error")
        elsewhere = await links.post("customers", {"name": "x"}, key="once")
        assert (elsewhere.status, elsewhere.error["type"]) == (400, "idempotency_error")
        assert links.booked("psp") == moved

    on_stripe(scenario)


def test_a_key_whose_first_request_is_worked_on_is_refused() -> None:
    async def scenario(links: StripeLinks) -> None:
        links.inject("slow_answer", link="issuer", delay="1s")
        first = asyncio.ensure_future(links.pay(key="k"))
        await asyncio.sleep(0.2)
        second = await links.pay(key="k")
        assert (second.status, second.error["code"]) == (409, "idempotency_key_in_use")
        assert second.headers["stripe-should-retry"] == "true"
        assert (await first).status == 200

    assert len(on_stripe(scenario).booked()) == 2


def test_a_caller_that_leaves_and_repeats_under_a_new_key_is_charged_twice() -> None:
    async def scenario(links: StripeLinks) -> None:
        links.inject("slow_answer", delay="2s")
        with pytest.raises(WireError):
            await links.pay(key="k1", timeout_s=0.5)
        links.heal("slow_answer")
        await links.pay(key="k2")

    links = on_stripe(scenario, after_s=5.0)
    captured = [move for move in links.booked() if move[0] == "captured"]
    assert captured == [
        ("captured", f"{payment(1)}-1", 1000),
        ("captured", f"{payment(1)}-2", 1000),
    ]


def test_a_link_that_knows_no_keys_takes_a_repeat_for_another_payment() -> None:
    async def scenario(links: StripeLinks) -> None:
        first, second = await links.pay(key="k"), await links.pay(key="k")
        assert first["id"] != second["id"]
        for shown in (first, second):
            assert shown["status"] == "succeeded"
            seen = await links.get(f"payment_intents/{shown['id']}")
            assert seen["amount_received"] == 1000
        other = await links.pay(key="k", amount=700)
        assert (other["status"], other["amount_received"]) == ("succeeded", 700)

    links = on_stripe(scenario, psp="idempotency: none")
    assert [move[2] for move in links.booked() if move[0] == "captured"] == [1000, 1000, 700]
    assert {hop[0] for hop in links.hops()} == {payment(1)}


def test_a_key_is_no_key_of_a_get() -> None:
    async def scenario(links: StripeLinks) -> None:
        paid = await links.pay(key="k")
        seen = await links.get(f"payment_intents/{paid['id']}", key="k")
        assert (seen.status, seen.headers.get("idempotent-replayed")) == (200, None)

    on_stripe(scenario)


def test_a_reversal_that_is_executed_again_is_of_the_same_authorisation() -> None:
    async def scenario(links: StripeLinks) -> None:
        held = await links.pay(capture_method="manual")
        path = f"payment_intents/{held['id']}/cancel"
        links.inject("http_error", status=503, after_work=True)
        assert (await links.post(path, key="k")).status == 503
        again = await links.post(path, key="k")
        assert again.status == 503
        (psp,) = [each for each in links.host.services if each.name == "psp"]
        assert psp.kept[1] == 1  # no other authorisation is in its book

    links = on_stripe(scenario, psp="idempotency: checkout")  # which stores no error
    assert links.booked()[-1] == ("voided", f"{payment(1)}-1", 1000)


def test_a_key_has_at_most_255_characters() -> None:
    async def scenario(links: StripeLinks) -> None:
        assert (await links.pay(key="k" * 256)).status == 400
        assert (await links.pay(key="k" * 255)).status == 200

    assert len(on_stripe(scenario).booked()) == 2


@pytest.mark.parametrize("is_late", [False, True])
def test_an_intent_is_locked_until_a_repeat_that_overlaps_is_done(is_late: bool) -> None:
    """Not until its first try has failed, which may be before or after."""

    async def scenario(links: StripeLinks) -> None:
        made = await links.pay(confirm="false", capture_method="manual")
        name = f"payment_intents/{made['id']}"
        links.inject("late_answer", delay="2s")
        links.inject("http_error", status=503)
        with pytest.raises(WireError):
            await links.post(f"{name}/confirm", key="one", timeout_s=0.5)
        links.heal("http_error")
        if not is_late:
            links.heal("late_answer")
        repeat = asyncio.create_task(links.post(f"{name}/confirm", key="one"))
        if is_late:
            await asyncio.sleep(0.1)
            links.heal("late_answer")
            await asyncio.sleep(1.6)  # the first try has failed, the repeat is at work
            assert (await links.post(f"{name}/cancel")).error["code"] == "lock_timeout"
        assert (await repeat)["status"] == "requires_capture"
        assert (await links.post(f"{name}/capture"))["status"] == "succeeded"

    assert [kind for kind, *_ in on_stripe(scenario).booked()] == ["authorised", "captured"]


@pytest.mark.parametrize(
    ("name", "value", "is_written"),
    [
        ("metadata[a]", "1", True),
        ("description", "shoes", True),
        ("amount", "1200", False),
        ("payment_method_data[type]", "card", False),
        ("capture_method", "manual", False),
    ],
)
def test_an_update_at_work_when_a_confirmation_begins_is_refused_only_what_that_uses(
    name: str, value: str, is_written: bool
) -> None:
    """What its repeat is told, too: nobody holds the intent forever."""
    fields = {name: value}
    if name.startswith("payment_method_data"):
        fields["payment_method_data[card][token]"] = "tok_mastercard"

    async def scenario(links: StripeLinks) -> None:
        path = f"payment_intents/{(await links.pay(confirm='false'))['id']}"
        links.inject("late_answer", delay="300ms")
        updating = asyncio.create_task(links.post(path, fields, key="one"))
        await asyncio.sleep(0.1)
        confirming = asyncio.create_task(links.post(f"{path}/confirm"))
        await asyncio.sleep(0.1)
        links.heal("late_answer")
        updated, confirmed = await updating, await confirming
        again = await links.post(path, fields, key="one")
        assert updated.status == again.status == (200 if is_written else 400)
        assert again.headers["idempotent-replayed"] == "true"
        if not is_written:
            assert "status of processing" in updated.error["message"]
            assert updated.error["param"] == name.partition("[")[0]
        shown = await links.get(path)
        assert (shown["status"], shown["amount"]) == ("succeeded", 1000)
        assert shown["payment_method"] == confirmed["payment_method"]
        written = shown["metadata"].get("a") == "1" or shown["description"] == "shoes"
        assert written is is_written

    assert [kind for kind, *_ in on_stripe(scenario).booked()] == ["authorised", "captured"]
