"""Stripe's events: the same by webhook and from the list, signed anew each time."""

from __future__ import annotations

import asyncio
import hashlib
import hmac

import msgspec
import pytest

from paychain.model.scripts import AssignedScripts, Script, encode_script
from paychain.payments.journal import Decision, DecisionKind
from paychain.protocol.dialects.stripe import Stripe
from paychain.services.state.webhooks import secret_of
from paychain.wire.http import HttpRequest, HttpResponse
from tests.support.stripe_links import StripeLinks, on_stripe
from tests.support.vendor_links import PSP, payment

SECRET = Stripe.secret(secret_of("psp", 1))


def test_webhooks_and_the_list_show_the_same_events() -> None:
    async def scenario(links: StripeLinks) -> None:
        held = await links.pay(capture_method="manual")
        name = f"payment_intents/{held['id']}"
        part = {"amount_to_capture": "300", "final_capture": "false"}
        await links.post(f"{name}/capture", part)
        await links.post(f"{name}/capture", {"amount_to_capture": "400"})
        await links.post("refunds", {"payment_intent": held["id"], "amount": "100"})
        canceled = await links.pay(2, capture_method="manual")
        await links.post(f"payment_intents/{canceled['id']}/cancel")
        await links.pay(3, payment_method="pm_card_chargeDeclined")
        await asyncio.sleep(1.0)
        listed = await links.get("events", {"limit": "100"})
        by_id = {event["id"]: event for event in listed["data"]}
        sent = {event["id"]: event for event in links.events}
        assert by_id.keys() == sent.keys()
        for name, event in sent.items():
            assert by_id[name]["data"] == event["data"]
        one = await links.get(f"events/{next(iter(sent))}")
        assert one["object"] == "event"
        held_events = await links.get("events", {"type": "charge.*", "limit": "100"})
        assert {event["type"].partition(".")[0] for event in held_events["data"]} == {"charge"}

    on_stripe(scenario)


def test_what_is_processing_and_a_refund_that_fails_later_have_events() -> None:
    async def scenario(links: StripeLinks) -> None:
        links.inject("stuck_pending")
        await links.pay(capture_method="manual")
        links.heal("stuck_pending")
        paid = await links.pay(2)
        links.inject("decline", link="issuer", code="57")
        refund = await links.post("refunds", {"payment_intent": paid["id"], "amount": "100"})
        assert refund["status"] == "succeeded"
        await asyncio.sleep(1.0)
        assert (await links.get(f"refunds/{refund['id']}"))["status"] == "failed"
        sent = {event["id"]: event for event in links.events}
        listed = await links.get("events", {"limit": "100"})
        assert {event["id"] for event in listed["data"]} == sent.keys()
        by_type = {event["type"]: event["data"]["object"] for event in sent.values()}
        assert by_type["payment_intent.processing"]["status"] == "processing"
        for name in ("refund.failed", "refund.updated", "charge.refund.updated"):
            shown = by_type[name]
            assert (shown["id"], shown["status"]) == (refund["id"], "failed")

    on_stripe(scenario)


def test_the_events_of_a_request_show_what_it_said() -> None:
    async def scenario(links: StripeLinks) -> None:
        held, other = [await links.pay(each, capture_method="manual") for each in (1, 2)]
        await asyncio.sleep(1.0)
        links.received.clear()
        said = {"metadata[note]": "broken", "statement_descriptor": "SHOP"}
        await links.post(f"payment_intents/{held['id']}/capture", said)
        await links.post("refunds", {"payment_intent": held["id"], "reason": "duplicate"})
        cancellation = {"cancellation_reason": "abandoned"}
        await links.post(f"payment_intents/{other['id']}/cancel", cancellation)
        await asyncio.sleep(1.0)
        shown = {event["type"]: event["data"]["object"] for event in links.events}
        for name in ("charge.captured", "payment_intent.succeeded"):
            assert shown[name]["metadata"] == {"order": payment(1), "note": "broken"}
            assert shown[name]["statement_descriptor"] == "SHOP"
        assert shown["refund.created"]["reason"] == "duplicate"
        assert shown["payment_intent.canceled"]["cancellation_reason"] == "abandoned"

    on_stripe(scenario)


@pytest.mark.parametrize("what", ["capture", "cancel"])
def test_a_request_that_is_declined_leaves_nothing_of_what_it_said(what: str) -> None:
    said = {"capture": ("metadata[note]", "broken"), "cancel": ("cancellation_reason", "duplicate")}

    async def scenario(links: StripeLinks) -> None:
        name = f"payment_intents/{(await links.pay(capture_method='manual'))['id']}"
        before = await links.get(name)
        links.inject("decline", code="57")
        declined = await links.post(f"{name}/{what}", dict([said[what]]))
        assert declined.status == 402
        links.heal("decline")
        assert (await links.get(name)).body == before.body
        # What another request asks for says nothing of it either.
        await links.post(f"{name}/cancel")
        await asyncio.sleep(1.0)
        (ended,) = [each for each in links.events if each["type"] == "payment_intent.canceled"]
        assert ended["data"]["object"]["cancellation_reason"] is None

    on_stripe(scenario)


def test_a_capture_that_is_refused_for_a_parameter_leaves_nothing_of_what_it_said() -> None:
    async def scenario(links: StripeLinks) -> None:
        name = f"payment_intents/{(await links.pay(capture_method='manual'))['id']}"
        before = await links.get(name)
        said = {"metadata[note]": "broken", "final_capture": "perhaps"}
        assert (await links.post(f"{name}/capture", said)).status == 400
        assert (await links.get(name)).body == before.body

    on_stripe(scenario)


def test_the_object_is_not_locked_while_its_answer_waits_for_a_webhook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The shop captures when it hears of the hold, and answers the webhook after that."""
    script = Script.model_validate(
        {"id": "early", "steps": [{"webhook": PSP, "event": 2, "before_answer": {}}]}
    )
    did = []

    async def capture(links: StripeLinks, http: HttpRequest) -> HttpResponse:
        event = msgspec.json.decode(http.body)
        if event["type"] == "payment_intent.amount_capturable_updated":
            name = event["data"]["object"]["id"]
            did.append((await links.post(f"payment_intents/{name}/capture")).status)
        return HttpResponse(200)

    async def scenario(links: StripeLinks) -> None:
        followed = {payment(1): script.id}
        links.host.scripts.follow(
            AssignedScripts(scripts=[encode_script(script)], assigned=followed)
        )
        held = await links.pay(capture_method="manual")
        assert held.status == 200
        did.append(held.status)

    monkeypatch.setattr(StripeLinks, "_receive", capture)
    on_stripe(scenario)
    assert did == [200, 200]  # the capture first


def test_a_charge_back_is_a_dispute_by_webhook_and_from_the_list_and_ends_refunds() -> None:
    async def scenario(links: StripeLinks) -> None:
        paid = await links.pay()
        await asyncio.sleep(3.0)
        (event,) = (await links.get("events", {"type": "charge.dispute.*"}))["data"]
        dispute = event["data"]["object"]
        assert (dispute["object"], dispute["amount"]) == ("dispute", paid["amount"])
        assert dispute["payment_intent"] == paid["id"]
        assert (await links.get(f"disputes/{dispute['id']}")).body == dispute
        assert (await links.get(f"charges/{dispute['charge']}"))["disputed"] is True
        refused = await links.post("refunds", {"payment_intent": paid["id"]})
        assert (refused.status, refused.error["code"]) == (400, "charge_disputed")
        for filters in ({}, {"charge": dispute["charge"]}, {"payment_intent": paid["id"]}):
            assert (await links.get("disputes", filters))["data"] == [dispute]
        assert (await links.get("disputes", {"payment_intent": "pi_x"}))["data"] == []
        unknown = await links.get(f"disputes/{dispute['id']}x")
        assert unknown.status == 404

    links = on_stripe(scenario, issuer="disputes: {share: 100%, after: 1s}")
    assert [each["type"] for each in links.events][-1] == "charge.dispute.created"


def test_of_requests_that_end_a_dispute_at_once_one_does() -> None:
    async def scenario(links: StripeLinks) -> None:
        await links.pay()
        await links.pay(2)
        await asyncio.sleep(3.0)
        second, first = (await links.get("disputes"))["data"]
        close = f"disputes/{first['id']}/close"
        closed = await asyncio.gather(*(links.post(close) for _ in range(2)))
        assert sorted(each.status for each in closed) == [200, 400]
        evidence = {"evidence[receipt]": "file_1"}
        at = f"disputes/{second['id']}"
        sent = await asyncio.gather(*(links.post(at, evidence) for _ in range(2)))
        assert sorted(each.status for each in sent) == [200, 400]

    links = on_stripe(scenario, issuer="disputes: {share: 100%, after: 1s}")
    kinds = [each["type"].rpartition(".")[2] for each in links.events if "dispute" in each["type"]]
    assert kinds == ["created", "created", "closed", "updated"]


def test_evidence_and_acceptance_of_a_dispute_are_shown_and_reported() -> None:
    async def scenario(links: StripeLinks) -> None:
        await links.pay()
        await links.pay(2)
        await asyncio.sleep(3.0)
        second, first = (await links.get("disputes"))["data"]
        at = f"disputes/{first['id']}"
        draft = {"evidence[product_description]": "a cap", "submit": "false"}
        kept = await links.post(at, draft)
        assert (kept["status"], kept["evidence"]["product_description"]) == (
            "needs_response",
            "a cap",
        )
        sent = await links.post(at, {"evidence[receipt]": "file_1", "metadata[case]": "7"})
        assert (sent["status"], sent["metadata"]) == ("under_review", {"case": "7"})
        assert sent["evidence_details"]["submission_count"] == 1
        assert (await links.post(f"{at}/close")).status == 400
        assert (await links.post(f"disputes/{second['id']}/close"))["status"] == "lost"
        assert (await links.post(at, {"evidence[colour]": "red"})).status == 400
        assert (await links.post(at, {"evidence[receipt]": "file_2"})).status == 400
        # What its metadata say can be changed after that, and changes nothing else.
        for each, status in ((first, "under_review"), (second, "lost")):
            noted = await links.post(f"disputes/{each['id']}", {"metadata[case]": "8"})
            assert (noted["status"], noted["metadata"]) == (status, {"case": "8"})
        listed = (await links.get("events", {"type": "charge.dispute.*"}))["data"]
        assert sorted(each["type"].rpartition(".")[2] for each in listed) == [
            "closed",
            "created",
            "created",
            *["updated"] * 4,
        ]

    links = on_stripe(scenario, issuer="disputes: {share: 100%, after: 1s}")
    kinds = [each["type"] for each in links.events if "dispute" in each["type"]]
    assert sorted(kinds)[0] == "charge.dispute.closed"
    assert kinds.count("charge.dispute.updated") == 4
    assert len({each["id"] for each in links.events}) == len(links.events)


def test_each_change_of_a_refund_has_an_event_of_its_own_and_none_can_be_cancelled() -> None:
    async def scenario(links: StripeLinks) -> None:
        paid = await links.pay()
        refund = await links.post("refunds", {"payment_intent": paid["id"], "amount": 400})
        for why in ("a", "b"):
            await links.post(f"refunds/{refund['id']}", {"metadata[why]": why})
        await links.post(f"refunds/{refund['id']}", {"expand[]": "charge"})  # no change
        refused = await links.post(f"refunds/{refund['id']}/cancel")
        assert (refused.status, "succeeded state" in refused.error["message"]) == (400, True)
        await asyncio.sleep(3.0)
        listed = (await links.get("events", {"type": "refund.updated"}))["data"]
        assert len({each["id"] for each in listed}) == 2
        (one,) = [each for each in links.events if each["id"] == listed[0]["id"]]
        assert one["data"]["object"]["metadata"] == {"why": "b"}

    links = on_stripe(scenario)
    kinds = [each["type"] for each in links.events]
    assert kinds.count("refund.updated") == kinds.count("charge.refund.updated") == 2


def test_what_a_front_end_needs_is_made_and_a_connected_account_is_named_in_the_report() -> None:
    async def scenario(links: StripeLinks) -> None:
        customer = (await links.post("customers", {"name": "Ada"}))["id"]
        wanted = {"customer": customer}
        assert (await links.post("ephemeral_keys", wanted)).status == 400
        version = {"stripe-version": "2026-08-26.dahlia"}
        key = await links.post("ephemeral_keys", wanted, **version)
        assert key["secret"].startswith("ek_test_")
        shown = await links.post(
            "customer_sessions",
            {
                **wanted,
                "components[payment_element][enabled]": "true",
                "components[payment_element][features][payment_method_save]": "enabled",
            },
        )
        assert shown["components"]["payment_element"]["enabled"] is True
        assert (await links.post("customer_sessions", wanted)).status == 400
        account = await links.get("account", None, **{"stripe-account": "acct_1"})
        assert (account["object"], account["charges_enabled"]) == ("account", True)

    links = on_stripe(scenario)
    named = [each for each in links.journal if isinstance(each, Decision)]
    assert [each.detail for each in named if each.kind is DecisionKind.PARAMETER_IGNORED] == [
        "components[payment_element][features]",
        "stripe-account",
    ]


def test_an_event_shows_its_object_as_it_was() -> None:
    async def scenario(links: StripeLinks) -> None:
        links.webhook_status = 500
        held = await links.pay(capture_method="manual")
        await links.post(f"payment_intents/{held['id']}/capture")
        await asyncio.sleep(3.0)

    links = on_stripe(scenario)
    updated = [each for each in links.events if each["type"].endswith("capturable_updated")]
    assert {each["data"]["object"]["status"] for each in updated} == {"requires_capture"}


def test_a_webhook_that_is_not_acknowledged_comes_again_with_its_id_and_a_new_signature() -> None:
    async def scenario(links: StripeLinks) -> None:
        links.webhook_status = 500
        await links.pay()
        await asyncio.sleep(4.0)
        links.webhook_status = 200
        await asyncio.sleep(6.0)

    links = on_stripe(scenario)
    ids = [event["id"] for event in links.events]
    assert len(ids) > len(set(ids)) == 3
    assert len({http.body for http in links.received}) == 3
    for http in links.received:
        assert _is_signed(http.headers["stripe-signature"], http.body)


def test_bad_signatures_and_old_ones_are_what_the_chain_declares() -> None:
    async def scenario(links: StripeLinks) -> None:
        await links.pay()

    bad = on_stripe(scenario, webhooks="bad_signatures: 100%, give_up_after: 1s")
    assert not any(_is_signed(http.headers["stripe-signature"], http.body) for http in bad.received)
    old = on_stripe(scenario, webhooks="clock_skew: 10m")
    fresh = on_stripe(scenario)
    assert _time(fresh) - _time(old) == 600


def test_who_did_not_ask_for_webhooks_finds_the_events_in_the_list() -> None:
    async def scenario(links: StripeLinks) -> None:
        waits = await links.pay(payment_method="pm_card_authenticationRequired")
        await links.post(f"payment_intents/{waits['id']}/cancel")
        kinds = [event["type"] for event in (await links.get("events"))["data"]]
        assert kinds[0] == "payment_intent.canceled"
        assert kinds[-1] == "payment_intent.created"

    on_stripe(scenario)


def _is_signed(mark: str, body: bytes) -> bool:
    parts = dict(part.split("=", 1) for part in mark.split(","))
    signed = f"{parts['t']}.".encode() + body
    return parts["v1"] == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()


def _time(links: StripeLinks) -> int:
    return int(links.received[0].headers["stripe-signature"].partition(",")[0].removeprefix("t="))
