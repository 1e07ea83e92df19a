"""Adyen's captures, cancels, reversals, refunds: received at once, the outcome by one webhook."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.payments.journal import Decision, DecisionKind, HopRecord, Movement
from paychain.protocol.dialects.adyen.references import authorisation_of, psp_reference
from paychain.wire.http import WireError
from tests.support.adyen_links import (
    MANUAL,
    MERCHANT,
    AdyenLinks,
    on_adyen,
    payment,
    payment_id,
)
from tests.support.laws import examples


def cancel_of(reference: str) -> dict[str, str]:
    return {"merchantAccount": MERCHANT, "paymentReference": reference}


async def authorised(links: AdyenLinks, number: int = 1, value: int = 1000) -> str:
    answer = await links.post("/payments", payment(payment_id(number), value), key=f"a{number}")
    psp: str = answer.body["pspReference"]
    return psp


def test_captures_in_parts_are_received_and_each_is_reported_with_its_own_reference() -> None:
    own: list[str] = []

    async def scenario(links: AdyenLinks) -> None:
        psp = await authorised(links)
        for value in (400, 300):
            answer = await links.modify(psp, "captures", value, reference=f"part of {value}")
            assert answer.status == 201
            assert answer.body == {
                "merchantAccount": MERCHANT,
                "paymentPspReference": psp,
                "reference": f"part of {value}",
                "pspReference": answer.body["pspReference"],
                "status": "received",
                "amount": {"value": value, "currency": "EUR"},
            }
            own.append(answer.body["pspReference"])
        assert len({psp, *own}) == 3

    links = on_adyen(scenario)
    captures = [item for item in links.webhooks if item["eventCode"] == "CAPTURE"]
    assert sorted(
        (item["pspReference"], item["merchantReference"], item["amount"]["value"])
        for item in captures
    ) == sorted([(own[0], "part of 400", 400), (own[1], "part of 300", 300)])
    assert links.booked() == [("authorised", 1000), ("captured", 400), ("captured", 300)]


def test_an_account_with_single_captures_releases_the_rest() -> None:
    async def scenario(links: AdyenLinks) -> None:
        psp = await authorised(links)
        await links.modify(psp, "captures", 400)
        await links.modify(psp, "captures", 300)

    links = on_adyen(
        scenario, "{adyen: {merchant: ShopEU, capture: manual, partial_captures: single}}"
    )
    assert links.booked("psp") == [("authorised", 1000), ("captured", 400), ("voided", 600)]
    assert links.events() == [("AUTHORISATION", "true"), ("CAPTURE", "false"), ("CAPTURE", "true")]


@pytest.mark.parametrize(
    ("asked", "code", "reason"),
    [
        ([("captures", 1001)], "CAPTURE", "Insufficient balance on payment"),
        (
            [("refunds", 10)],
            "REFUND",
            "Transaction hasn't been captured, refund not possible",
        ),
        ([("captures", 500), ("refunds", 501)], "REFUND", "Insufficient balance on payment"),
        ([("captures", 1000), ("cancels", None)], "CANCELLATION", "Transaction already captured"),
        ([("cancels", None), ("cancels", None)], "CANCELLATION", "Transaction already cancelled"),
    ],
)
def test_what_cannot_be_done_is_received_all_the_same_and_fails_by_webhook(
    asked: list[tuple[str, int | None]], code: str, reason: str
) -> None:
    async def scenario(links: AdyenLinks) -> None:
        psp = await authorised(links)
        for what, value in asked:
            answer = await links.modify(psp, what, value)
            assert (answer.status, answer.body["status"]) == (201, "received")

    failed = [item for item in on_adyen(scenario).webhooks if item["success"] == "false"]
    assert [(item["eventCode"], item["reason"]) for item in failed] == [(code, reason)]


def test_a_reversal_cancels_what_is_held_and_refunds_what_was_captured() -> None:
    async def scenario(links: AdyenLinks) -> None:
        await links.modify(await authorised(links, 1), "reversals")
        captured = await authorised(links, 2)
        await links.modify(captured, "captures", 1000)
        await links.modify(captured, "refunds", 300)
        await links.modify(captured, "reversals")

    links = on_adyen(scenario)
    actions = sorted(
        (item["additionalData"]["modification.action"], item["amount"]["value"])
        for item in links.webhooks
        if item["eventCode"] == "CANCEL_OR_REFUND"
    )
    assert actions == [("cancel", 1000), ("refund", 700)]
    assert sorted(links.booked()) == [
        ("authorised", 1000),
        ("authorised", 1000),
        ("captured", 1000),
        ("refunded", 300),
        ("refunded", 700),
        ("voided", 1000),
    ]


def test_a_payment_whose_answer_was_lost_is_cancelled_by_the_merchants_own_reference() -> None:
    async def scenario(links: AdyenLinks) -> None:
        links.inject("lost_answer")
        with pytest.raises(WireError):
            await links.post("/payments", payment(payment_id(1)), key="k", timeout_s=1.0)
        links.host.faults.heal("lost_answer")
        answer = await links.post("/cancels", {**cancel_of(payment_id(1)), "reference": "undo"})
        assert answer.status == 201
        assert answer.body == {
            "merchantAccount": MERCHANT,
            "paymentReference": payment_id(1),
            "reference": "undo",
            "pspReference": answer.body["pspReference"],
            "status": "received",
        }

    links = on_adyen(scenario)
    assert links.booked() == [("authorised", 1000), ("voided", 1000)]
    [done] = [item for item in links.webhooks if item["eventCode"] == "TECHNICAL_CANCEL"]
    assert (done["success"], done["merchantReference"]) == ("true", "undo")
    assert authorisation_of(done["originalReference"]) == f"{payment_id(1)}-1"


def test_a_cancel_by_reference_waits_for_what_is_on_its_way() -> None:
    async def scenario(links: AdyenLinks) -> None:
        paying = asyncio.ensure_future(links.post("/payments", payment(payment_id(1)), key="k"))
        await asyncio.sleep(0.02)
        await links.post("/cancels", cancel_of(payment_id(1)))
        await paying

    links = on_adyen(scenario, issuer="answers_in: {median: 200ms, p99: 210ms}")
    assert links.booked() == [("authorised", 1000), ("voided", 1000)]


def test_a_cancel_of_what_never_arrived_fails_and_makes_no_attempt() -> None:
    async def scenario(links: AdyenLinks) -> None:
        for _ in range(2):
            answer = await links.post("/cancels", cancel_of(payment_id(1)), key="k")
            assert answer.status == 201
        await authorised(links)

    links = on_adyen(scenario)
    assert links.events() == [("AUTHORISATION", "true"), ("TECHNICAL_CANCEL", "false")]
    assert {hop.attempt for hop in links.journal if isinstance(hop, HopRecord)} == {1}
    assert links.booked() == [("authorised", 1000)]


def test_a_cancel_that_came_too_early_stays_what_it_was_under_its_key() -> None:
    async def scenario(links: AdyenLinks) -> None:
        early = await links.post("/cancels", cancel_of(payment_id(1)), key="k")
        await authorised(links)
        again = await links.post("/cancels", cancel_of(payment_id(1)), key="k")
        assert early.raw == again.raw
        assert links.booked() == [("authorised", 1000)]
        other = await links.post("/cancels", cancel_of(payment_id(1)), key="another")
        assert other.body["pspReference"] != early.body["pspReference"]

    links = on_adyen(scenario)
    assert links.booked() == [("authorised", 1000), ("voided", 1000)]
    assert links.events() == [
        ("AUTHORISATION", "true"),
        ("TECHNICAL_CANCEL", "false"),
        ("TECHNICAL_CANCEL", "true"),
    ]


def test_a_second_payment_with_the_same_reference_is_the_one_that_is_cancelled() -> None:
    async def scenario(links: AdyenLinks) -> None:
        await links.post("/payments", payment(payment_id(1), 100), key="first")
        await links.post("/payments", payment(payment_id(1), 200), key="second")
        await links.post("/cancels", cancel_of(payment_id(1)))

    booked = on_adyen(scenario).booked()
    assert booked == [("authorised", 100), ("authorised", 200), ("voided", 200)]


@pytest.mark.parametrize("psp", ["NQ3ZKH5TJ8MJ7S82", "x", psp_reference("pab1x0000009-1")])
def test_a_payment_that_is_not_known_cannot_be_modified(psp: str) -> None:
    async def scenario(links: AdyenLinks) -> None:
        answer = await links.modify(psp, "captures", 100)
        assert (answer.status, answer.body["errorCode"]) == (422, "167")

    assert on_adyen(scenario).webhooks == []


@pytest.mark.parametrize("what", ["captures", "cancels", "refunds", "reversals"])
def test_a_repeat_of_a_modification_has_the_same_reference_and_one_effect(what: str) -> None:
    async def scenario(links: AdyenLinks) -> None:
        psp = await authorised(links)
        if what in ("refunds", "reversals"):
            await links.modify(psp, "captures", 1000)
        value = 600 if what in ("captures", "refunds") else None
        first = await links.modify(psp, what, value, key="m")
        again = await links.modify(psp, what, value, key="m")
        assert first.raw == again.raw
        if value is not None:
            other = await links.modify(psp, what, 100, key="m")
            assert other.status == 422

    links = on_adyen(scenario)
    own = [item["pspReference"] for item in links.webhooks]
    assert len(own) == len(set(own))


def test_a_modification_whose_answer_is_lost_is_reported_once() -> None:
    async def scenario(links: AdyenLinks) -> None:
        psp = await authorised(links)
        links.inject("lost_answer")
        for what, value in (("captures", 5000), ("captures", 400), ("cancels", None)):
            with pytest.raises(WireError):
                await links.post(
                    f"/payments/{psp}/{what}",
                    {
                        "merchantAccount": MERCHANT,
                        **({"amount": {"value": value, "currency": "EUR"}} if value else {}),
                    },
                    key=f"{what}{value}",
                    timeout_s=0.5,
                )

    assert on_adyen(scenario).events() == [
        ("AUTHORISATION", "true"),
        ("CANCELLATION", "true"),
        ("CAPTURE", "false"),
        ("CAPTURE", "true"),
    ]


def test_what_is_received_and_then_refused_is_recorded_as_both() -> None:
    async def scenario(links: AdyenLinks) -> None:
        psp = await authorised(links)
        await links.modify(psp, "cancels", key="cancel")
        await links.modify(psp, "captures", 1000, key="too late")

    links = on_adyen(scenario)
    hops = [hop for hop in links.journal if isinstance(hop, HopRecord) and hop.callee == "psp"]
    received = ("approved", "received")
    assert [(hop.operation, hop.result.value, hop.code) for hop in hops[1:]] == [
        ("void", *received),
        ("capture", *received),
    ]
    refused = [
        (decision.link, decision.operation, decision.payment)
        for decision in links.journal
        if isinstance(decision, Decision) and decision.kind is DecisionKind.REFUSED_LATER
    ]
    assert refused == [("psp", "capture", payment_id(1))]


def test_what_is_refused_later_is_recorded_once_for_each_request() -> None:
    async def scenario(links: AdyenLinks) -> None:
        psp = await authorised(links)
        await links.modify(psp, "cancels", key="cancel")
        for key in ("one", "one", "two", "one"):
            await links.modify(psp, "captures", 1000, key=key)

    refused = [
        decision.payment
        for decision in on_adyen(scenario).journal
        if isinstance(decision, Decision) and decision.kind is DecisionKind.REFUSED_LATER
    ]
    assert refused == [payment_id(1)] * 2


def test_a_refusal_whose_answer_was_lost_is_recorded_with_the_answer_to_its_repeat() -> None:
    async def scenario(links: AdyenLinks) -> None:
        psp = await authorised(links)
        await links.modify(psp, "cancels", key="cancel")
        links.inject("lost_answer")
        with pytest.raises(WireError):
            await links.modify(psp, "captures", 1000, key="one")
        links.host.faults.heal("lost_answer")
        assert DecisionKind.REFUSED_LATER not in decided(links)
        await links.modify(psp, "captures", 1000, key="one")

    assert DecisionKind.REFUSED_LATER in decided(on_adyen(scenario))


def decided(links: AdyenLinks) -> set[DecisionKind]:
    return {each.kind for each in links.journal if isinstance(each, Decision)}


def test_what_nobody_captures_expires() -> None:
    async def scenario(links: AdyenLinks) -> None:
        await authorised(links)
        await asyncio.sleep(10.0)

    links = on_adyen(scenario, psp="expires_after: 5s")
    assert links.events() == [("AUTHORISATION", "true"), ("EXPIRE", "true")]
    expired = links.webhooks[1]
    assert expired["pspReference"] == links.webhooks[0]["pspReference"]
    assert "originalReference" not in expired


def test_a_capture_that_the_network_refuses_has_failed() -> None:
    async def scenario(links: AdyenLinks) -> None:
        psp = await authorised(links)
        await asyncio.sleep(2.0)
        await links.modify(psp, "captures", 1000)

    # The issuer released the hold before the PSP did: the capture comes too late there.
    links = on_adyen(scenario, psp="expires_after: 9s", issuer="expires_after: 1s")
    assert links.events() == [
        ("AUTHORISATION", "true"),
        ("CAPTURE", "true"),
        ("CAPTURE_FAILED", "true"),
        ("EXPIRE", "true"),  # it is held again, and nobody captures it
    ]
    _, done, failed, _ = links.webhooks
    assert failed["pspReference"] == done["pspReference"]


@pytest.mark.parametrize("partial_captures", ["multiple", "single"])
def test_what_the_network_refused_may_be_captured_again_or_cancelled(partial_captures: str) -> None:
    async def scenario(links: AdyenLinks) -> None:
        psp = await authorised(links)
        await asyncio.sleep(2.0)
        for number in range(2):
            await links.modify(psp, "captures", 1000, key=f"capture {number}")
            await asyncio.sleep(2.0)
        await links.modify(psp, "reversals", key="reverse")

    dialect = f"{{adyen: {{capture: manual, partial_captures: {partial_captures}}}}}"
    links = on_adyen(scenario, dialect, issuer="expires_after: 1s")
    again = [("captured", 1000), ("uncaptured", 1000)]
    assert links.booked("psp") == [("authorised", 1000), *again, *again, ("voided", 1000)]
    assert [code for code, _ in links.events()].count("CAPTURE_FAILED") == 2
    assert links.webhooks[-1]["additionalData"]["modification.action"] == "cancel"


def test_a_modification_belongs_to_its_payment() -> None:
    async def scenario(links: AdyenLinks) -> None:
        body = payment("an order of our own")  # nothing says which payment of the run it is
        answer = await links.post("/payments", body, key=f"pay-{payment_id(7)}")
        await links.modify(answer.body["pspReference"], "captures", 100, key="no name")

    found = {
        (hop.operation, hop.payment, hop.attempt)
        for hop in on_adyen(scenario).journal
        if isinstance(hop, HopRecord) and hop.callee == "psp"
    }
    assert found == {("authorise", payment_id(7), 1), ("capture", payment_id(7), 1)}


def test_a_link_without_keys_makes_each_repeat_anew() -> None:
    async def scenario(links: AdyenLinks) -> None:
        psps = [
            (await links.post("/payments", payment(payment_id(1)), key="k")).body["pspReference"]
            for _ in range(2)
        ]
        assert len(set(psps)) == 2
        for psp in psps:
            assert (await links.modify(psp, "captures", 1000)).status == 201

    links = on_adyen(scenario, psp="idempotency: none")
    assert Counter(links.booked()) == {("authorised", 1000): 2, ("captured", 1000): 2}
    assert [item["success"] for item in links.webhooks] == ["true"] * 4


_step = st.one_of(
    st.tuples(st.just("captures"), st.integers(1, 700)),
    st.tuples(st.just("refunds"), st.integers(1, 700)),
    st.tuples(st.sampled_from(["cancels", "reversals", "/cancels"]), st.none()),
)
_steps = st.lists(
    st.tuples(_step, st.sampled_from(["", "k1", "k2"]), st.sampled_from([0.0, 0.003])),
    min_size=1,
    max_size=7,
)


@examples(40)
@given(_steps)
def test_whatever_is_asked_the_book_is_right_and_each_receipt_has_one_webhook(
    steps: list[tuple[tuple[str, int | None], str, float]],
) -> None:
    received: list[str] = []

    async def scenario(links: AdyenLinks) -> None:
        psp = await authorised(links)

        async def ask(what: str, value: int | None, key: str) -> None:
            if what == "/cancels":
                answer = await links.post("/cancels", cancel_of(payment_id(1)), key)
            else:
                answer = await links.modify(psp, what, value, key)
            if answer.status == 201:
                received.append(answer.body["pspReference"])
            else:
                assert (answer.status, answer.body["errorCode"]) in ((422, "704"), (409, "704"))

        asked = []
        for (what, value), key, pause in steps:
            asked.append(asyncio.ensure_future(ask(what, value, key)))
            await asyncio.sleep(pause)
        await asyncio.gather(*asked)

    links = on_adyen(scenario, MANUAL)
    reported_once = Counter(
        item["pspReference"] for item in links.webhooks if item["eventCode"] != "AUTHORISATION"
    )
    assert reported_once == dict.fromkeys(received, 1)
    for link in ("psp", "issuer"):
        held = captured = refunded = 0
        for kind, amount in links.booked(link):
            held += {"authorised": amount, "captured": -amount, "voided": -amount}.get(kind, 0)
            captured += amount if kind == "captured" else 0
            refunded += amount if kind == "refunded" else 0
            assert held >= 0
            assert refunded <= captured <= 1000
    reported = Counter(
        (item["eventCode"], item["amount"]["value"])
        for item in links.webhooks
        if item["success"] == "true" and item["eventCode"] in ("CAPTURE", "REFUND")
    )
    whole = [move for move in links.journal if isinstance(move, Movement) and move.link == "psp"]
    captures = Counter(move.amount_minor for move in whole if move.kind.value == "captured")
    assert Counter({value: n for (code, value), n in reported.items() if code == "CAPTURE"}) == (
        captures
    )
    refused = [record for record in links.journal if isinstance(record, Decision)]
    assert DecisionKind.FOLLOW_UP_REFUSED not in {record.kind for record in refused}


def test_a_charge_back_is_reported_as_one_of_the_payment() -> None:
    async def scenario(links: AdyenLinks) -> None:
        psp = await authorised(links)
        await links.modify(psp, "captures", 800)
        await asyncio.sleep(5.0)

    links = on_adyen(scenario, issuer="disputes: {share: 100%, after: 1s}")
    authorisation, _, disputed = links.webhooks
    assert (disputed["eventCode"], disputed["success"]) == ("CHARGEBACK", "true")
    assert disputed["amount"] == {"value": 800, "currency": "EUR"}
    assert disputed["originalReference"] == authorisation["pspReference"]
    assert disputed["pspReference"] != authorisation["pspReference"]
    assert disputed["merchantReference"] == authorisation["merchantReference"]


def test_a_modification_that_a_fault_declines_is_received_and_reported_as_not_done_once() -> None:
    async def scenario(links: AdyenLinks) -> None:
        psp = await authorised(links)
        links.inject("decline", code="05")
        for path, body in (
            ("/cancels", cancel_of(payment_id(1))),
            (f"/payments/{psp}/captures", {}),
        ):
            amount = {"amount": {"value": 400, "currency": "EUR"}} if "captures" in path else {}
            answer = await links.post(path, {"merchantAccount": MERCHANT, **body, **amount})
            assert (answer.status, answer.body["status"]) == (201, "received")
        await links.settle()

    links = on_adyen(scenario, MANUAL)
    authorisation, *outcomes = links.webhooks
    assert sorted((item["eventCode"], item["success"], item["reason"]) for item in outcomes) == [
        ("CAPTURE", "false", "Insufficient balance on payment"),
        ("TECHNICAL_CANCEL", "false", "Refused"),
    ]
    # The payment is there: it can be cancelled by the reference that comes with the refusal.
    assert {item["originalReference"] for item in outcomes} == {authorisation["pspReference"]}


def test_an_update_of_the_amount_is_received_and_only_the_amount_that_is_held_is_granted() -> None:
    async def scenario(links: AdyenLinks) -> None:
        psp = await authorised(links)
        for value in (1000, 1200, 800):
            answer = await links.modify(psp, "amountUpdates", value, key=f"to {value}")
            assert (answer.status, answer.body["status"]) == (201, "received")
            assert answer.body["amount"] == {"value": value, "currency": "EUR"}
        again = await links.modify(psp, "amountUpdates", 800, key="to 800")
        assert again.body["pspReference"] == answer.body["pspReference"]
        links.inject("http_error", status=503)
        failed = await links.modify(psp, "amountUpdates", 700, key="to 700")
        assert failed.status == 503
        links.host.faults.heal("http_error")
        taken = await links.modify(psp, "amountUpdates", 700, key="to 700")
        assert (taken.status, taken.body["status"]) == (201, "received")
        links.inject("http_error", status=500, after_work=True)
        assert (await links.modify(psp, "amountUpdates", 600, key="to 600")).status == 500
        links.host.faults.heal("http_error")
        links.inject("lost_answer")
        with pytest.raises(WireError):
            await links.modify(psp, "amountUpdates", 900)

    links = on_adyen(scenario)
    told = [item for item in links.webhooks if item["eventCode"] == "AUTHORISATION_ADJUSTMENT"]
    assert {(item["amount"]["value"], item["success"]) for item in told} == {
        (1000, "true"),
        (1200, "false"),
        (800, "false"),
        (700, "false"),
        (600, "false"),
        (900, "false"),
    }
    assert len(told) == 6
    assert {item["originalReference"] for item in told} == {told[0]["originalReference"]}
    assert [kind for kind, *_ in links.booked()] == ["authorised"]
