"""In-link faults at Stripe's dialect look like Stripe's own failures."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from paychain.payments.exchanges import ReceivedRequest
from paychain.payments.outcome import HopResult
from paychain.protocol.dialects.stripe import Stripe
from paychain.wire.http import HttpResponse, WireError
from tests.support.stripe_links import StripeLinks, on_stripe
from tests.support.vendor_links import payment


@pytest.mark.parametrize(
    ("status", "kind", "result"),
    [
        (400, "invalid_request_error", "rejected"),
        (401, "invalid_request_error", "rejected"),
        (402, "card_error", "declined"),
        (409, "invalid_request_error", "rejected"),
        (424, "api_error", "rejected"),
        (429, "invalid_request_error", "rejected"),
        (500, "api_error", "http_error"),
        (502, "api_error", "http_error"),
        (503, "api_error", "http_error"),
        (504, "api_error", "http_error"),
    ],
)
def test_an_injected_status_has_stripes_body(status: int, kind: str, result: str) -> None:
    async def scenario(links: StripeLinks) -> None:
        links.inject("http_error", status=status)
        shown = await links.pay()
        assert (shown.status, shown.error["type"]) == (status, kind)
        assert shown.error["message"]
        assert shown.error.get("decline_code") == ("generic_decline" if status == 402 else None)
        assert shown.headers["request-id"] in shown.error["request_log_url"]

    links = on_stripe(scenario)
    assert [hop[2:] for hop in links.hops()] == [("authorise", result)]
    assert links.booked() == []


def test_a_broken_body_is_no_json() -> None:
    async def scenario(links: StripeLinks) -> None:
        links.inject("malformed")
        with pytest.raises(msgspec.DecodeError):
            await links.pay()

    links = on_stripe(scenario)
    assert links.hops()[0][3] == "malformed"
    assert len(links.booked()) == 2


def test_a_declared_decline_is_stripes_decline_and_moves_no_money() -> None:
    async def scenario(links: StripeLinks) -> None:
        links.inject("decline", code="51")
        shown = await links.pay()
        assert (shown.status, shown.error["decline_code"]) == (402, "insufficient_funds")
        links.heal("decline")
        name = shown.error["payment_intent"]["id"]
        assert (await links.get(f"payment_intents/{name}"))["status"] == "requires_payment_method"

    assert on_stripe(scenario).booked() == []


@pytest.mark.parametrize("operation", ["capture", "cancel", "refund"])
@pytest.mark.parametrize("after_work", [False, True])
def test_a_follow_up_that_fails_may_be_repeated_until_the_book_has_it(
    operation: str, after_work: bool
) -> None:
    async def scenario(links: StripeLinks) -> None:
        held = await links.pay(capture_method="manual")
        name = f"payment_intents/{held['id']}"
        if operation == "refund":
            await links.post(f"{name}/capture")
        path = "refunds" if operation == "refund" else f"{name}/{operation}"
        fields = {"payment_intent": held["id"]} if operation == "refund" else {}
        links.inject("http_error", status=503, after_work=after_work)
        assert (await links.post(path, fields, key="k1")).status == 503
        links.heal("http_error")
        seen = await links.get(name, {"expand[]": "latest_charge.refunds"})
        refunds = [each["status"] for each in seen["latest_charge"]["refunds"]["data"]]
        done = {
            "capture": seen["status"] == "succeeded",
            "cancel": seen["status"] == "canceled",
            "refund": "succeeded" in refunds,
        }[operation]
        assert done is after_work
        again = await links.post(path, fields, key="k2")
        assert again.status == (400 if after_work else 200)

    links = on_stripe(scenario)
    kind = {"capture": "captured", "cancel": "voided", "refund": "refunded"}[operation]
    assert [move[0] for move in links.booked()].count(kind) == 1


def test_an_answer_of_before_is_another_payments() -> None:
    async def scenario(links: StripeLinks) -> None:
        first = await links.pay(1)
        links.inject("stale_answer")
        second = await links.pay(2)
        assert second["id"] == first["id"]
        assert second["metadata"]["order"] == payment(1)
        links.heal("stale_answer")
        await links.pay(2)

    links = on_stripe(scenario)
    of_both = [f"{payment(1)}-1"] * 2 + [f"{payment(2)}-2"] * 2  # another key: another attempt
    assert [move[1] for move in links.booked()] == of_both
    asked = [each for each in links.journal if isinstance(each, ReceivedRequest)]
    assert [each.is_stale for each in asked] == [False, True, False]


def test_a_link_that_dies_and_forgets_knows_no_intent() -> None:
    async def scenario(links: StripeLinks) -> None:
        held = await links.pay(capture_method="manual")
        (psp,) = [each for each in links.host.services if each.name == "psp"]
        psp.crash()
        psp.revive(forgets=True)
        with pytest.raises(WireError):  # the connection died with the process
            await links.get("customers")
        gone = await links.get(f"payment_intents/{held['id']}")
        assert (gone.status, gone.error["code"]) == (404, "resource_missing")
        assert (await links.pay(2))["status"] == "succeeded"

    on_stripe(scenario)


@pytest.mark.parametrize(
    ("status", "body", "result"),
    [
        (200, {"object": "payment_intent", "status": "succeeded"}, HopResult.APPROVED),
        (200, {"object": "payment_intent", "status": "processing"}, HopResult.UNKNOWN),
        (200, {"object": "payment_intent", "status": "requires_action"}, HopResult.DECLINED),
        (200, {"object": "refund", "status": "succeeded"}, HopResult.APPROVED),
        (200, [], HopResult.MALFORMED),
        (402, {"error": {"code": "card_declined"}}, HopResult.DECLINED),
        (402, {"error": {"code": "processing_error"}}, HopResult.TECHNICAL),
        (402, {}, HopResult.HTTP_ERROR),
        (404, {"error": {}}, HopResult.REJECTED),
        (500, {"error": {}}, HopResult.HTTP_ERROR),
    ],
)
def test_a_response_proves_what_it_says(status: int, body: Any, result: HopResult) -> None:
    response = HttpResponse(status, msgspec.json.encode(body))
    assert Stripe.classify(response).result is result


def test_an_update_that_fails_late_leaves_what_another_request_has_confirmed() -> None:
    async def scenario(links: StripeLinks) -> None:
        made = await links.pay(confirm="false", capture_method="manual")
        name = f"payment_intents/{made['id']}"
        links.inject("late_answer", delay="2s")
        links.inject("http_error", status=503)
        with pytest.raises(WireError):
            await links.post(name, {"metadata[x]": "1"}, timeout_s=1.0)
        links.heal("late_answer")
        links.heal("http_error")
        confirmed = await links.post(f"{name}/confirm")
        assert confirmed["status"] == "requires_capture"
        await asyncio.sleep(2.0)
        shown = await links.get(name)
        assert (shown["status"], shown["metadata"]) == ("requires_capture", made["metadata"])
        assert (await links.post(f"{name}/capture"))["status"] == "succeeded"
        assert (await links.post(f"{name}/confirm")).status == 400

    assert [kind for kind, *_ in on_stripe(scenario).booked()] == ["authorised", "captured"]


def test_an_update_that_comes_to_work_late_is_refused_when_the_intent_is_paid() -> None:
    async def scenario(links: StripeLinks) -> None:
        made = await links.pay(confirm="false")
        name = f"payment_intents/{made['id']}"
        links.inject("late_answer", delay="2s")
        late = asyncio.create_task(links.post(name, {"amount": "1200"}))
        await asyncio.sleep(0.5)
        links.heal("late_answer")
        assert (await links.post(f"{name}/confirm"))["status"] == "succeeded"
        assert (await late).error["code"] == "payment_intent_unexpected_state"
        assert (await links.get(name))["amount"] == 1000

    on_stripe(scenario)
