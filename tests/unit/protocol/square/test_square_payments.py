"""Square's payments in virtual time: what no SDK shows by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paychain.payments.journal import HopRecord
from paychain.protocol.dialects.square import Square
from paychain.protocol.dialects.square.account import (
    payment_id,
    reference_of,
    refund_id,
    refund_of,
)
from paychain.services.attribution import reference_of as reference_anywhere
from paychain.wire.http import HttpResponse, WireError, json_response
from tests.support.json_links import JsonLinks, on_vendor
from tests.support.vendor_links import payment


def asked(amount: int = 1000, key: str = "key-1", **more: Any) -> dict[str, Any]:
    return {
        "source_id": "cnon:card-nonce-ok",
        "idempotency_key": key,
        "amount_money": {"amount": amount, "currency": "EUR"},
        "autocomplete": False,
        "reference_id": payment(1),
        **more,
    }


def moved(links: JsonLinks, link: str = "issuer") -> list[tuple[str, int]]:
    return [(kind, amount) for kind, _, amount in links.booked(link)]


@pytest.mark.parametrize("reference", ["p0000042-1", "pk3fa0000042-12", "pk3fa0000042-1~ab2"])
def test_any_process_reads_the_payment_from_an_id(reference: str) -> None:
    name, refund = payment_id(reference), refund_id(reference, "r2")
    assert reference_of(name) == reference_anywhere(name) == reference
    assert reference_anywhere(refund) == reference
    assert refund_of(refund) == (reference, "r2")
    assert reference_of("bP9mAsEMYPUGjjGNaNO5ZDVyLhSZY") == ""
    assert refund_of(name) == ("", "")


@pytest.mark.parametrize("sale", [False, True])
@pytest.mark.parametrize("trouble", [("lost_answer", {}), ("http_error", {"after_work": True})])
def test_a_repeat_after_an_unknown_outcome_moves_no_money(
    sale: bool, trouble: tuple[str, dict[str, Any]]
) -> None:
    kind, parameters = trouble

    async def scenario(links: JsonLinks) -> None:
        body = asked(autocomplete=sale)
        links.inject(kind, **({"status": 500, **parameters} if parameters else {}))
        try:
            assert (await links.post("/v2/payments", body, timeout_s=0.5)).status == 500
        except WireError:
            assert kind == "lost_answer"
        links.heal(kind)
        again = await links.post("/v2/payments", body)
        assert again["payment"]["status"] == ("COMPLETED" if sale else "APPROVED")
        third = await links.post("/v2/payments", body)
        assert third.body == again.body

    links = on_vendor(JsonLinks("square"), scenario)
    expected = [("authorised", 1000), ("captured", 1000)][: 2 if sale else 1]
    assert moved(links) == moved(links, "psp") == expected


def test_an_issuer_that_does_not_answer_is_a_decline_and_stays_one() -> None:
    async def scenario(links: JsonLinks) -> None:
        links.inject("lost_answer", link="issuer")
        first = await links.post("/v2/payments", asked(), timeout_s=20.0)
        assert (first.status, first["errors"][0]["code"]) == (402, "GENERIC_DECLINE")
        links.heal("lost_answer")
        again = await links.post("/v2/payments", asked())
        assert (again.status, again.body) == (402, first.body)

    links = on_vendor(JsonLinks("square"), scenario)
    assert moved(links, "psp") == []


def test_a_key_whose_request_did_no_work_is_used_again() -> None:
    async def scenario(links: JsonLinks) -> None:
        links.inject("http_error", status=503)
        assert (await links.post("/v2/payments", asked())).status == 503
        assert (await links.get("/v2/payments")).status == 503
        links.heal("http_error")
        assert (await links.get("/v2/payments"))["payments"] == []
        assert (await links.post("/v2/payments", asked()))["payment"]["status"] == "APPROVED"

    assert moved(on_vendor(JsonLinks("square"), scenario), "psp") == [("authorised", 1000)]


@pytest.mark.parametrize(
    ("code", "status", "shown"),
    [
        ("51", 402, "INSUFFICIENT_FUNDS"),
        ("1A", 402, "CARD_DECLINED_VERIFICATION_REQUIRED"),
        ("21", 402, "GENERIC_DECLINE"),
        ("91", 402, "GENERIC_DECLINE"),
    ],
)
def test_a_decline_of_the_issuer_has_an_error_code(code: str, status: int, shown: str) -> None:
    async def scenario(links: JsonLinks) -> None:
        answer = await links.post("/v2/payments", asked())
        assert (answer.status, answer["errors"][0]["code"]) == (status, shown)
        (listed,) = (await links.get("/v2/payments"))["payments"]
        assert listed["status"] == "FAILED"

    links = JsonLinks("square", issuer=f"declines: {{share: 100%, code: '{code}'}}")
    assert moved(on_vendor(links, scenario)) == []


def test_a_cancel_by_key_waits_for_a_payment_on_its_way() -> None:
    async def scenario(links: JsonLinks) -> None:
        links.inject("slow_answer", link="issuer", delay="500ms")
        paying = asyncio.create_task(links.post("/v2/payments", asked()))
        await asyncio.sleep(0.1)
        cancelled = await links.post("/v2/payments/cancel", {"idempotency_key": "key-1"})
        assert (cancelled.status, cancelled.body) == (200, {})
        await paying
        (listed,) = (await links.get("/v2/payments"))["payments"]
        assert listed["status"] == "CANCELED"

    links = on_vendor(JsonLinks("square"), scenario)
    assert moved(links) == [("authorised", 1000), ("voided", 1000)]
    hops = [hop for hop in links.journal if isinstance(hop, HopRecord) and hop.callee == "psp"]
    assert {hop.payment for hop in hops if hop.operation != "query"} == {payment(1)}


def test_a_completed_payment_is_not_cancelled_by_its_key() -> None:
    async def scenario(links: JsonLinks) -> None:
        await links.post("/v2/payments", asked(autocomplete=True))
        answer = await links.post("/v2/payments/cancel", {"idempotency_key": "key-1"})
        assert answer["errors"][0]["code"] == "DELAYED_TRANSACTION_CAPTURED"

    assert moved(on_vendor(JsonLinks("square"), scenario))[-1] == ("captured", 1000)


def test_a_hold_that_nobody_completed_is_canceled() -> None:
    async def scenario(links: JsonLinks) -> None:
        held = (await links.post("/v2/payments", asked()))["payment"]
        await asyncio.sleep(3.0)
        late = await links.post(f"/v2/payments/{held['id']}/complete", {})
        assert late["errors"][0]["code"] == "DELAYED_TRANSACTION_EXPIRED"

    links = on_vendor(JsonLinks("square", psp="expires_after: 2s"), scenario)
    reported = [event["data"]["object"]["payment"]["status"] for event in links.events]
    assert reported == ["APPROVED", "CANCELED"]


def test_an_approval_for_less_is_completed_as_it_was_approved() -> None:
    async def scenario(links: JsonLinks) -> None:
        body = asked(accept_partial_authorization=True)
        held = (await links.post("/v2/payments", body))["payment"]
        assert held["approved_money"]["amount"] == held["total_money"]["amount"] < 1000
        done = (await links.post(f"/v2/payments/{held['id']}/complete", {}))["payment"]
        assert done["total_money"] == held["total_money"]

    on_vendor(JsonLinks("square", issuer="partial_approvals: {share: 100%}"), scenario)


def test_the_list_is_given_in_pages() -> None:
    async def scenario(links: JsonLinks) -> None:
        for number in (1, 2, 3):
            await links.post(
                "/v2/payments", asked(key=f"key-{number}", reference_id=payment(number))
            )
        first = await links.get("/v2/payments?limit=2")
        rest = await links.get(f"/v2/payments?limit=2&cursor={first['cursor']}")
        listed = [each["reference_id"] for each in first["payments"] + rest["payments"]]
        assert listed == [payment(3), payment(2), payment(1)]
        assert "cursor" not in rest.body

    on_vendor(JsonLinks("square"), scenario)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"source_id": ""}, "MISSING_REQUIRED_PARAMETER"),
        ({"source_id": "CASH"}, "UNSUPPORTED_SOURCE_TYPE"),
        ({"source_id": "cnon:card-nonce-already-used"}, "CARD_TOKEN_USED"),
        ({"source_id": "4556447238607884"}, "INVALID_CARD"),
        ({"amount_money": {"amount": "5", "currency": "EUR"}}, "EXPECTED_INTEGER"),
        ({"amount_money": {"amount": 0, "currency": "EUR"}}, "VALUE_TOO_LOW"),
        ({"amount_money": {"amount": 5, "currency": "euro"}}, "INVALID_ENUM_VALUE"),
        ({"tip_money": {"amount": 5, "currency": "USD"}}, "CURRENCY_MISMATCH"),
        ({"colour": "red"}, "UNKNOWN_BODY_PARAMETER"),
        ({"idempotency_key": "k" * 46}, "VALUE_TOO_LONG"),
        (
            {"accept_partial_authorization": True, "autocomplete": True},
            "PARTIAL_PAYMENT_DELAY_CAPTURE_NOT_SUPPORTED",
        ),
    ],
)
def test_what_is_wrong_is_refused_and_uses_no_key_up(change: dict[str, Any], code: str) -> None:
    async def scenario(links: JsonLinks) -> None:
        refused = await links.post("/v2/payments", {**asked(), **change})
        assert refused["errors"][0]["code"] == code
        assert (await links.post("/v2/payments", asked())).status == 200

    assert moved(on_vendor(JsonLinks("square"), scenario)) == [("authorised", 1000)]


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (json_response(200, {"payment": {"status": "APPROVED"}}), "approved"),
        (json_response(200, {"payment": {"status": "PENDING"}}), "unknown"),
        (json_response(402, {"errors": [{"code": "GENERIC_DECLINE"}]}), "declined"),
        (json_response(400, {"errors": [{"code": "VALUE_TOO_LOW"}]}), "rejected"),
        (json_response(409, {"errors": [{"code": "CONFLICT"}]}), "http_error"),
        (json_response(500, {"errors": [{"code": "INTERNAL_SERVER_ERROR"}]}), "http_error"),
        (HttpResponse(200, b'{"payment":{'), "malformed"),
    ],
)
def test_what_an_answer_proves(response: HttpResponse, result: str) -> None:
    assert Square.classify(response).result.value == result


def test_a_refund_is_created_and_then_done_by_webhook() -> None:
    refunds: list[str] = []

    async def scenario(links: JsonLinks) -> None:
        paid = (await links.post("/v2/payments", asked(autocomplete=True)))["payment"]["id"]
        body = {
            "idempotency_key": "r",
            "payment_id": paid,
            "amount_money": asked(300)["amount_money"],
        }
        for _ in range(2):  # a repeat under its key
            refunds.append((await links.post("/v2/refunds", body))["refund"]["id"])

    links = on_vendor(JsonLinks("square"), scenario)
    assert refunds[0] == refunds[1]
    sent = [event for event in links.events if event["type"].startswith("refund.")]
    shown = {event["type"]: event["data"]["object"]["refund"] for event in sent}
    assert len(sent) == len({event["event_id"] for event in sent}) == 2
    assert {each["id"] for each in shown.values()} == {refunds[0]}
    assert shown["refund.created"]["status"] == "PENDING"
    assert shown["refund.updated"]["status"] == "COMPLETED"


def test_a_charge_back_is_a_dispute_by_webhook() -> None:
    paid: list[str] = []

    async def scenario(links: JsonLinks) -> None:
        answer = await links.post("/v2/payments", asked(autocomplete=True))
        paid.append(answer["payment"]["id"])

    links = JsonLinks("square", issuer="disputes: {share: 100%, after: 1s}")
    *_, event = on_vendor(links, scenario, 3.0).events
    dispute = event["data"]["object"]["dispute"]
    assert (event["type"], event["data"]["type"]) == ("dispute.created", "dispute")
    assert event["data"]["id"] == dispute["id"] != paid[0]
    assert dispute["disputed_payment"] == {"payment_id": paid[0]}
    assert dispute["amount_money"] == {"amount": 1000, "currency": "EUR"}
    assert (dispute["state"], dispute["card_brand"]) == ("EVIDENCE_REQUIRED", "VISA")


def test_an_own_header_with_the_payments_id_is_enough_to_attribute_it() -> None:
    async def scenario(links: JsonLinks) -> None:
        body = {**asked(), "reference_id": "ord-8f3a"}
        await links.post("/v2/payments", body, **{"x-shop-order": f"order {payment(1)}"})

    links = on_vendor(JsonLinks("square"), scenario)
    assert {hop.payment for hop in links.journal if isinstance(hop, HopRecord)} == {payment(1)}


def test_a_list_is_not_asked_for_by_times_without_a_zone() -> None:
    async def scenario(links: JsonLinks) -> None:
        await links.post("/v2/payments", asked())
        for path in ("/v2/payments", "/v2/refunds"):
            for name in ("begin_time", "end_time"):
                refused = await links.get(f"{path}?{name}=2026-11-28T18:00:00")
                assert (refused.status, refused["errors"][0]["code"]) == (400, "INVALID_TIME")
                assert (await links.get(f"{path}?{name}=2026-11-28T18:00:00Z")).status == 200

    on_vendor(JsonLinks("square"), scenario)
