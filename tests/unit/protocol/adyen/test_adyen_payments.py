"""Adyen's `/payments`: results, refusals, steering, what it refuses before any work."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
import yaml

from paychain.model.dialects import Spoken
from paychain.payments.codes import table
from paychain.payments.journal import Decision, DecisionKind, HopRecord
from paychain.payments.outcome import HopResult
from paychain.protocol.dialects.adyen.outcomes import reason_of
from paychain.protocol.dialects.adyen.tables import errors, fields, mapped, numbers, reasons
from paychain.protocol.vendor_cards import passes_luhn
from paychain.wire.http import WireError
from tests.support.adyen_links import (
    CARD,
    MANUAL,
    MERCHANT,
    AdyenLinks,
    on_adyen,
    payment,
    payment_id,
)

IMMEDIATE = "{adyen: {merchant: ShopEU}}"


def test_an_authorisation_is_captured_at_once_unless_the_account_or_the_request_says_no() -> None:
    async def scenario(links: AdyenLinks) -> None:
        await links.post("/payments", payment(payment_id(1), 100))
        await links.post("/payments", payment(payment_id(2), 200, captureDelayHours=5))
        held = {"manualCapture": "true"}
        await links.post("/payments", payment(payment_id(3), 300, additionalData=held))

    links = on_adyen(scenario, IMMEDIATE)
    assert links.booked("psp") == [
        ("authorised", 100),
        ("captured", 100),
        ("authorised", 200),
        ("authorised", 300),
    ]
    # The AUTHORISATION says it all: Adyen reports no capture that it makes by itself.
    assert links.events() == [("AUTHORISATION", "true")] * 3


def test_an_account_with_manual_capture_captures_when_the_request_says_so() -> None:
    async def scenario(links: AdyenLinks) -> None:
        await links.post("/payments", payment(payment_id(1), 100))
        await links.post("/payments", payment(payment_id(2), 200, captureDelayHours=0))

    assert on_adyen(scenario, MANUAL).booked("psp") == [
        ("authorised", 100),
        ("authorised", 200),
        ("captured", 200),
    ]


def test_a_decline_is_http_200_with_its_reason_and_a_webhook_without_success() -> None:
    async def scenario(links: AdyenLinks) -> None:
        refused = await links.post("/payments", payment(payment_id(1)))
        assert refused.status == 200
        assert refused.body["resultCode"] == "Refused"
        assert refused.body["refusalReason"] == "Not enough balance"
        assert refused.body["refusalReasonCode"] == "12"
        assert refused.body["additionalData"]["refusalReasonRaw"] == "51 : insufficient funds"

    links = on_adyen(scenario, issuer='declines: {code: "51", share: 100%}')
    assert [(item["success"], item["reason"]) for item in links.webhooks] == [
        ("false", "Not enough balance")
    ]


def test_every_webhook_names_the_merchant_account_of_its_request() -> None:
    async def scenario(links: AdyenLinks) -> None:
        answer = await links.post("/payments", payment(payment_id(1)))
        await links.modify(answer.body["pspReference"], "captures", 1000)

    links = on_adyen(scenario, "adyen")  # any merchant account
    found = [(item["eventCode"], item["merchantAccountCode"]) for item in links.webhooks]
    assert found == [("AUTHORISATION", MERCHANT), ("CAPTURE", MERCHANT)]


@pytest.mark.parametrize(
    ("holder", "requested", "expected"),
    [
        ("CARD_EXPIRED", "", ("Refused", "Expired Card", "6")),
        ("ERROR", "", ("Error", "Acquirer Error", "4")),
        ("J. Smith", "12", ("Refused", "Not enough balance", "12")),
        ("J. Smith", 6, ("Refused", "Expired Card", "6")),
        ("FRAUD_CANCELLED", "", ("Cancelled", "FRAUD-CANCELLED", "22")),
    ],
)
def test_a_test_chooses_the_refusal(
    holder: str, requested: str | int, expected: tuple[str, str, str]
) -> None:
    async def scenario(links: AdyenLinks) -> None:
        body = payment(payment_id(1))
        body["paymentMethod"]["holderName"] = holder
        if requested:
            body["additionalData"] = {"RequestedTestAcquirerResponseCode": requested}
        answer = (await links.post("/payments", body)).body
        assert (
            answer["resultCode"],
            answer["refusalReason"],
            answer["refusalReasonCode"],
        ) == expected

    links = on_adyen(scenario)
    assert links.booked("issuer") == links.booked("psp") == []
    assert links.events() == [("AUTHORISATION", "false")]
    assert links.webhooks[0]["reason"] == expected[1]


def test_a_test_may_ask_for_approval_and_for_an_outcome_that_only_the_webhook_brings() -> None:
    async def scenario(links: AdyenLinks) -> None:
        for number, (name, result) in enumerate(
            [("APPROVED", "Authorised"), ("PENDING", "Received")], start=1
        ):
            body = payment(payment_id(number))
            body["paymentMethod"]["holderName"] = name
            assert (await links.post("/payments", body)).body["resultCode"] == result

    assert on_adyen(scenario).events() == [("AUTHORISATION", "true")] * 2


@pytest.mark.parametrize(
    ("wanted", "is_transient"), [("NO_CONNECTION_AVAILABLE", True), ("IOEXCEPTION_RECEIVED", False)]
)
def test_a_transient_error_does_not_use_its_key_up_and_another_is_its_final_result(
    wanted: str, is_transient: bool
) -> None:
    async def scenario(links: AdyenLinks) -> None:
        failing = {"RequestedTestErrorResponseCode": wanted}
        body = payment(payment_id(1), additionalData=failing)
        first = await links.post("/payments", body, key="k")
        assert first.status == 500
        assert first.headers.get("transient-error") == ("true" if is_transient else None)
        if is_transient:
            again = await links.post("/payments", payment(payment_id(1)), key="k")
            assert again.body["resultCode"] == "Authorised"
        else:
            other = await links.post("/payments", {**body, "channel": "Web"}, key="k")
            assert (other.status, other.body["errorCode"]) == (422, "704")
            assert (await links.post("/payments", body, key="k")).raw == first.raw

    on_adyen(scenario)


def test_the_same_key_brings_the_same_answer_and_another_body_is_refused() -> None:
    async def scenario(links: AdyenLinks) -> None:
        first = await links.post("/payments", payment(payment_id(1)), key="k")
        again = await links.post("/payments", payment(payment_id(1)), key="k")
        assert first.raw == again.raw
        assert first.headers["idempotency-key"] == "k"
        other = await links.post("/payments", payment(payment_id(1), 999), key="k")
        assert (other.status, other.body["errorCode"]) == (422, "704")
        long = await links.post("/payments", payment(payment_id(2)), key="k" * 65)
        assert (long.status, long.body["errorType"]) == (422, "validation")
        # The specification has the key in answers of 200 and 422 alike.
        assert (other.headers["idempotency-key"], again.headers["idempotency-key"]) == ("k", "k")
        links.inject("http_error", status=503)
        edge = await links.post("/payments", payment(payment_id(3)), key="k3")
        assert "idempotency-key" not in edge.headers

    assert on_adyen(scenario).booked() == [("authorised", 1000)]


def test_a_repeat_while_the_first_is_at_work_is_refused_as_transient() -> None:
    async def scenario(links: AdyenLinks) -> None:
        import asyncio

        body = payment(payment_id(1))
        first = asyncio.ensure_future(links.post("/payments", body, key="k"))
        await asyncio.sleep(0.001)
        again = await links.post("/payments", body, key="k")
        assert (again.status, again.body["errorCode"]) == (409, "704")
        assert again.headers["transient-error"] == "true"
        assert (await first).body["resultCode"] == "Authorised"

    assert on_adyen(scenario, psp="answers_in: {median: 50ms, p99: 60ms}").booked() == [
        ("authorised", 1000)
    ]


def test_a_lost_answer_is_brought_by_the_same_key() -> None:
    async def scenario(links: AdyenLinks) -> None:
        links.inject("lost_answer")
        with pytest.raises(WireError):
            await links.post("/payments", payment(payment_id(1)), key="k", timeout_s=1.0)
        links.host.faults.heal("lost_answer")
        again = await links.post("/payments", payment(payment_id(1)), key="k")
        assert again.body["resultCode"] == "Authorised"

    assert on_adyen(scenario).booked() == [("authorised", 1000)]


def test_what_is_stuck_is_pending_and_the_webhook_brings_its_outcome() -> None:
    async def scenario(links: AdyenLinks) -> None:
        links.inject("stuck_pending")
        answer = await links.post("/payments", payment(payment_id(1)), key="k")
        assert answer.body["resultCode"] == "Pending"
        assert links.webhooks == []
        links.host.faults.heal("stuck_pending")

    links = on_adyen(scenario)
    assert links.events() == [("AUTHORISATION", "true")]
    assert links.booked() == [("authorised", 1000)]


def test_a_network_that_does_not_answer_is_an_error_of_the_acquirer() -> None:
    async def scenario(links: AdyenLinks) -> None:
        links.inject("lost_answer", link="issuer")
        answer = (await links.post("/payments", payment(payment_id(1)), key="k")).body
        assert (answer["resultCode"], answer["refusalReasonCode"]) == ("Error", "4")
        assert (await links.post("/payments", payment(payment_id(1)), key="k")).body == answer

    links = on_adyen(scenario, call=", timeout: 300ms, on_unknown: give_up")
    assert links.events() == [("AUTHORISATION", "false")]
    # Nobody reverses it here: that is the link's policy, which the review would find.
    assert links.booked() == [("authorised", 1000)]


def _without(name: str) -> dict[str, Any]:
    body = payment(payment_id(1))
    del body[name]
    return body


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (_without("amount"), 422, "100"),
        (_without("merchantAccount"), 422, "130"),
        (_without("reference"), 422, "130"),
        (_without("returnUrl"), 422, "14_030"),
        (_without("paymentMethod"), 422, "14_006"),
        (payment("x", merchantAccount="Other"), 403, "901"),
        (payment("x", amount={"value": -1, "currency": "EUR"}), 422, "137"),
        (payment("x", amount={"value": 1, "currency": "euro"}), 422, "138"),
        (payment("x", amount={"value": "1", "currency": "EUR"}), 400, "702"),
        (payment("x", amount=7), 400, "702"),
        (payment("x", redirectData={}), 400, "702"),
        (payment("x", paymentMethod={"type": "scheme", "pan": CARD}), 400, "702"),
        (payment("x", paymentMethod={"type": "scheme", "number": "4111111111111112"}), 422, "101"),
        # Luhn-valid and not published: it may be a cardholder's.
        (payment("x", paymentMethod={"type": "scheme", "number": "4539578763621486"}), 422, "101"),
        (payment("x", paymentMethod={"type": "klarna"}), 500, "905"),
        (b"{", 400, "702"),
        (b"[]", 400, "702"),
    ],
)
def test_adyen_refuses_before_any_work(
    body: dict[str, Any] | bytes, status: int, code: str
) -> None:
    async def scenario(links: AdyenLinks) -> None:
        refused = await links.post("/payments", body, key="k")
        assert (refused.status, refused.body["errorCode"]) == (status, code)
        assert refused.body["status"] == status
        # The key is not used up: the corrected request is executed.
        corrected = await links.post("/payments", payment(payment_id(1)), key="k")
        assert corrected.body["resultCode"] == "Authorised"

    assert on_adyen(scenario).booked() == [("authorised", 1000)]


def test_who_shows_no_credentials_is_refused_and_other_paths_are_not_there() -> None:
    async def scenario(links: AdyenLinks) -> None:
        stranger = await links.post("/payments", payment("x"), headers={})
        assert (stranger.status, stranger.body["errorType"]) == (401, "security")
        basic = {"authorization": "Basic dXNlcjpwYXNz"}
        known = await links.post("/payments", payment(payment_id(1)), headers=basic)
        assert known.status == 200
        assert (await links.post("/payouts", {})).status == 404

    on_adyen(scenario)


@pytest.mark.parametrize(
    ("method", "scheme"),
    [
        ({"type": "scheme", "storedPaymentMethodId": "tok_mastercard_4444"}, "mc"),
        ({"type": "scheme", "encryptedCardNumber": "test_4111111111111111"}, "visa"),
        ({"type": "scheme", "encryptedCardNumber": "tok_amex_0005"}, "amex"),
        ({"type": "scheme", "number": "5454 5454 5454 5454"}, "mc"),
    ],
)
def test_a_card_comes_as_a_token_a_test_number_or_adyens_test_form(
    method: dict[str, str], scheme: str
) -> None:
    async def scenario(links: AdyenLinks) -> None:
        answer = await links.post("/payments", payment(payment_id(1), paymentMethod=method))
        assert answer.body["paymentMethod"] == {"brand": scheme, "type": "scheme"}

    on_adyen(scenario)


def _result(**values: str) -> str:
    return base64.b64encode(msgspec.json.encode(values)).decode()


def test_a_native_authentication_identifies_challenges_and_then_authorises() -> None:
    async def scenario(links: AdyenLinks) -> None:
        native = {
            "attemptAuthentication": "always",
            "threeDSRequestData": {"nativeThreeDS": "preferred"},
        }
        body = payment(payment_id(1), authenticationData=native)
        first = (await links.post("/payments", body, key="k")).body
        assert (first["resultCode"], first["action"]["subtype"]) == (
            "IdentifyShopper",
            "fingerprint",
        )
        assert (await links.post("/payments", body, key="k")).body == first
        assert links.booked() == []
        done = {"details": {"threeds2.fingerprint": _result(threeDSCompInd="Y")}}
        named = {"paymentData": first["action"]["paymentData"]}
        second = (await links.post("/payments/details", {**done, **named})).body
        assert (second["resultCode"], second["action"]["subtype"]) == (
            "ChallengeShopper",
            "challenge",
        )
        token = second["action"]["authorisationToken"]
        result = _result(transStatus="Y", authorisationToken=token)
        third = await links.post("/payments/details", {"details": {"threeDSResult": result}})
        assert third.body["resultCode"] == "Authorised"
        assert third.body["additionalData"]["threeDAuthenticated"] == "true"
        again = await links.post("/payments/details", {"details": {"threeDSResult": result}})
        assert (again.status, again.body["errorCode"]) == (409, "704")

    links = on_adyen(scenario)
    assert links.booked() == [("authorised", 1000)]
    asked = {hop.attempt for hop in links.journal if isinstance(hop, HopRecord)}
    assert asked == {1}


def test_a_redirect_comes_back_with_its_result() -> None:
    async def scenario(links: AdyenLinks) -> None:
        method = {"type": "scheme", "number": "4212345678901237"}
        body = payment(payment_id(1), paymentMethod=method)
        first = (await links.post("/payments", body)).body
        assert (first["resultCode"], first["action"]["method"]) == ("RedirectShopper", "GET")
        back = first["action"]["url"].partition("redirectResult=")[2]
        second = await links.post("/payments/details", {"details": {"redirectResult": back}})
        assert second.body["resultCode"] == "Authorised"
        assert second.body["pspReference"] == first["pspReference"]

    assert on_adyen(scenario).booked() == [("authorised", 1000)]


def test_a_shopper_who_fails_authentication_is_refused_and_nothing_is_held() -> None:
    async def scenario(links: AdyenLinks) -> None:
        body = payment(payment_id(1), additionalData={"executeThreeD": "true"})
        first = (await links.post("/payments", body)).body
        back = first["action"]["url"].partition("redirectResult=")[2]
        failed = {"details": {"redirectResult": back, "threeDSResult": _result(transStatus="N")}}
        answer = (await links.post("/payments/details", failed)).body
        assert (answer["resultCode"], answer["refusalReasonCode"]) == ("Refused", "11")

    links = on_adyen(scenario)
    assert links.booked() == []
    assert [(item["success"], item["reason"]) for item in links.webhooks] == [
        ("false", "3D Not Authenticated")
    ]


@pytest.mark.parametrize(
    "details",
    [{}, {"redirectResult": "Ab02b4c0!XXXX"}, {"threeDSResult": _result(transStatus="Y")}],
)
def test_details_that_name_no_payment_are_refused(details: dict[str, str]) -> None:
    async def scenario(links: AdyenLinks) -> None:
        assert (await links.post("/payments/details", {"details": details})).status == 422

    on_adyen(scenario)


def test_a_soft_decline_asks_for_authentication() -> None:
    async def scenario(links: AdyenLinks) -> None:
        answer = (await links.post("/payments", payment(payment_id(1)))).body
        assert (answer["resultCode"], answer["refusalReasonCode"]) == ("Refused", "38")

    on_adyen(scenario, issuer="soft_declines: {share: 100%}")


def test_a_part_is_approved_for_who_accepts_parts() -> None:
    async def scenario(links: AdyenLinks) -> None:
        accepts = {"allowPartialAuth": "true"}
        part = (await links.post("/payments", payment(payment_id(1), additionalData=accepts))).body
        assert (part["resultCode"], part["amount"]["value"]) == ("PartiallyAuthorised", 500)
        whole = (await links.post("/payments", payment(payment_id(2)))).body
        assert (whole["resultCode"], whole["refusalReasonCode"]) == ("Refused", "12")

    links = on_adyen(scenario, issuer="partial_approvals: {share: 100%, of: 50%}")
    assert links.booked() == [("authorised", 500)]


@pytest.mark.parametrize(
    ("status", "kind"), [(500, "json"), (503, "html"), (429, "json"), (422, "json")]
)
def test_an_injected_error_is_adyens_own_or_that_of_its_edge(status: int, kind: str) -> None:
    async def scenario(links: AdyenLinks) -> None:
        links.inject("http_error", status=status)
        answer = await links.post("/payments", payment(payment_id(1)), key="k")
        assert answer.status == status
        assert kind in answer.headers["content-type"]
        if kind == "json":
            assert answer.body["status"] == status
            assert set(answer.body) == {"status", "errorCode", "message", "errorType"}

    on_adyen(scenario)


def test_an_answer_is_garbled_as_broken_json() -> None:
    async def scenario(links: AdyenLinks) -> None:
        links.inject("malformed")
        answer = await links.post("/payments", payment(payment_id(1)))
        assert (answer.status, answer.raw) == (200, b'{"pspReference":"')

    links = on_adyen(scenario)
    hops = [hop for hop in links.journal if isinstance(hop, HopRecord) and hop.callee == "psp"]
    assert [hop.result for hop in hops] == [HopResult.MALFORMED]


def test_each_field_that_is_taken_no_notice_of_is_reported_once() -> None:
    async def scenario(links: AdyenLinks) -> None:
        for number in (1, 2):
            body = payment(payment_id(number), shopperIP="192.0.2.1", channel="Web")
            await links.post("/payments", body)

    found = [
        record.detail
        for record in on_adyen(scenario).journal
        if isinstance(record, Decision) and record.kind is DecisionKind.PARAMETER_IGNORED
    ]
    assert sorted(found) == ["channel", "shopperIP"]


def test_every_code_of_the_network_has_a_reason_at_adyen() -> None:
    known = reasons()
    assert set(mapped().values()) <= set(known)
    assert set(mapped()) <= set(table())
    assert {reason.declined_as for reason in known.values()} <= set(table())
    for code, line in table().items():
        if line.kind != "approval":
            # It is the chain's failure here where it is there.
            assert (reason_of(code, "visa").kind == "technical") == (line.kind == "technical")


def test_the_tables_are_whole() -> None:
    assert all(line.status >= 400 for line in errors().values())
    assert {"PaymentRequest", "CardDetails"} <= set(fields())
    assert all(passes_luhn(number) for number in numbers())
    assert MERCHANT in MANUAL


@pytest.mark.parametrize(
    ("settings", "what", "hint"),
    [
        ("{capture: manuel}", "unknown capture 'manuel'", "manual"),
        ("{partial_captures: many}", "unknown partial_captures 'many'", "multiple"),
        ("{merchnt: ShopEU}", "unknown setting 'merchnt'", "merchant"),
    ],
)
def test_a_setting_that_adyen_does_not_have_is_a_mistake_in_its_place(
    settings: str, what: str, hint: str
) -> None:
    spoken = Spoken.model_validate({"adyen": yaml.safe_load(settings)})
    [problem] = spoken.problems(("links", "psp", "dialect"))
    assert problem.what == what
    assert hint in problem.hint
    assert problem.path[:4] == ("links", "psp", "dialect", "adyen")
