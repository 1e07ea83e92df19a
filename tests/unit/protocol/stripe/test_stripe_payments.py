"""Stripe's dialect in virtual time: what a request shows, and what it does to the books."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paychain.payments.exchanges import ReceivedRequest
from paychain.wire.http import WireError
from tests.support.stripe_links import Shown, StripeLinks, on_stripe
from tests.support.vendor_links import payment

REFERENCE = f"{payment(1)}-1"


@pytest.mark.parametrize(
    ("de39", "code", "decline_code", "result"),
    [
        ("51", "card_declined", "insufficient_funds", "declined"),
        ("54", "expired_card", None, "declined"),
        ("91", "card_declined", "issuer_not_available", "technical"),
        ("96", "processing_error", None, "technical"),
        ("83", "card_declined", "generic_decline", "declined"),  # no row of its own
    ],
)
def test_a_decline_of_the_issuer_is_stripes(
    de39: str, code: str, decline_code: str | None, result: str
) -> None:
    async def scenario(links: StripeLinks) -> None:
        shown = await links.pay()
        assert shown.status == 402
        error = shown.error
        assert (error["type"], error["code"], error.get("decline_code")) == (
            "card_error",
            code,
            decline_code,
        )
        assert error["network_decline_code"] == de39
        assert error["payment_intent"]["last_payment_error"]["code"] == code
        assert error["payment_intent"]["payment_method"] is None
        seen = await links.get(f"payment_intents/{error['payment_intent']['id']}")
        assert (seen["status"], seen["latest_charge"]) == (
            "requires_payment_method",
            error["charge"],
        )
        charge = await links.get(f"charges/{error['charge']}")
        assert (charge["status"], charge["paid"], charge["failure_code"]) == ("failed", False, code)

    links = on_stripe(scenario, issuer=f"declines: {{share: 100%, code: '{de39}'}}")
    assert links.hops()[0] == (payment(1), 1, "authorise", result)
    assert {event["type"] for event in links.events} == {
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
    }


def test_another_card_on_the_same_intent_is_another_attempt_at_the_payment() -> None:
    async def scenario(links: StripeLinks) -> None:
        declined = await links.pay(payment_method="pm_card_chargeDeclined")
        name = declined.error["payment_intent"]["id"]
        without = await links.post(f"payment_intents/{name}/confirm")
        assert without.error["code"] == "payment_intent_unexpected_state"
        paid = await links.post(
            f"payment_intents/{name}/confirm", {"payment_method": "pm_card_visa"}
        )
        assert (paid["id"], paid["status"]) == (name, "succeeded")
        charges = await links.get("charges", {"payment_intent": name})
        assert [each["status"] for each in charges["data"]] == ["succeeded", "failed"]

    links = on_stripe(scenario)
    assert [hop[1:3] for hop in links.hops() if hop[2] == "authorise"] == [
        (1, "authorise"),
        (2, "authorise"),
    ]
    assert links.booked() == [
        ("authorised", f"{payment(1)}-2", 1000),
        ("captured", f"{payment(1)}-2", 1000),
    ]


def test_a_soft_decline_asks_for_the_customer_and_the_payment_goes_on_authenticated() -> None:
    soft = "soft_declines: {share: 100%}"

    async def scenario(links: StripeLinks) -> None:
        waits = await links.pay(return_url="https://shop.example/")
        assert (waits.status, waits["status"]) == (200, "requires_action")
        page = waits["next_action"]["redirect_to_url"]["url"].partition("//")[2].partition("/")[2]
        back = await links.ask("GET", f"/{page}")
        assert back.status == 303
        assert f"payment_intent={waits['id']}" in back.headers["location"]
        seen = await links.get(f"payment_intents/{waits['id']}", {"expand[]": "latest_charge"})
        assert seen["status"] == "succeeded"
        details = seen["latest_charge"]["payment_method_details"]["card"]
        assert details["three_d_secure"]["result"] == "authenticated"
        off = await links.pay(2, off_session="true")
        assert (off.status, off.error["code"]) == (402, "authentication_required")

    links = on_stripe(scenario, issuer=soft)
    assert ("captured", f"{payment(1)}-2", 1000) in links.booked()
    assert "payment_intent.requires_action" in {event["type"] for event in links.events}


def test_who_confirms_what_waits_for_the_customer_says_that_it_is_back() -> None:
    async def scenario(links: StripeLinks) -> None:
        waits = await links.pay(payment_method="pm_card_authenticationRequired")
        assert waits["next_action"]["type"] == "use_stripe_sdk"
        assert links.booked() == []
        paid = await links.post(f"payment_intents/{waits['id']}/confirm")
        assert paid["status"] == "succeeded"

    assert len(on_stripe(scenario).booked()) == 2


def test_an_answer_that_is_lost_leaves_the_intent_as_the_book_has_it() -> None:
    async def scenario(links: StripeLinks) -> None:
        links.inject("lost_answer")
        with pytest.raises(WireError):
            await links.pay(key="k", timeout_s=1.0)
        links.heal("lost_answer")
        (listed,) = (await links.get("payment_intents"))["data"]
        assert (listed["status"], listed["amount_received"]) == ("succeeded", 1000)
        again = await links.pay(key="k")
        assert (again["id"], again.headers["idempotent-replayed"]) == (listed["id"], "true")
        kinds = [each["type"] for each in (await links.get("events"))["data"]]
        assert kinds == ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]

    links = on_stripe(scenario)
    assert links.booked() == [("authorised", REFERENCE, 1000), ("captured", REFERENCE, 1000)]
    assert {event["type"] for event in links.events} >= {"payment_intent.succeeded"}


def test_a_lost_decline_is_seen_as_one() -> None:
    async def scenario(links: StripeLinks) -> None:
        links.inject("lost_answer")
        with pytest.raises(WireError):
            await links.pay(key="k", timeout_s=1.0, payment_method="pm_card_chargeDeclined")
        links.heal("lost_answer")
        (listed,) = (await links.get("payment_intents"))["data"]
        assert listed["status"] == "requires_payment_method"
        assert listed["last_payment_error"]["code"] == "card_declined"
        again = await links.pay(key="k", payment_method="pm_card_chargeDeclined")
        assert (again.status, again.headers["idempotent-replayed"]) == (402, "true")

    on_stripe(scenario)


def test_what_is_stuck_is_processing_until_it_is_worked_on() -> None:
    async def scenario(links: StripeLinks) -> None:
        links.inject("stuck_pending")
        stuck = await links.pay(capture_method="manual")
        assert (stuck.status, stuck["status"]) == (200, "processing")
        path = f"payment_intents/{stuck['id']}"
        assert (await links.get(path))["status"] == "processing"
        refused = await links.post(f"{path}/cancel")  # or it would hold money although cancelled
        assert (refused.status, refused.error["code"]) == (400, "payment_intent_unexpected_state")
        links.heal("stuck_pending")
        await asyncio.sleep(1.0)
        assert (await links.get(path))["status"] == "requires_capture"
        assert (await links.post(f"{path}/cancel"))["status"] == "canceled"

    links = on_stripe(scenario)
    assert links.hops()[0][3] == "unknown"


def test_a_wrong_answer_is_shown_once_and_the_book_stays_right() -> None:
    async def scenario(links: StripeLinks) -> None:
        links.inject("wrong_answer", says="declined")
        wrong = await links.pay()
        assert wrong.status == 402
        name = wrong.error["payment_intent"]["id"]
        assert (await links.get(f"payment_intents/{name}"))["status"] == "requires_payment_method"
        links.heal("wrong_answer")
        assert (await links.get(f"payment_intents/{name}"))["status"] == "succeeded"

    assert ("captured", REFERENCE, 1000) in on_stripe(scenario).booked()


def test_a_hold_that_expires_is_canceled_by_itself() -> None:
    async def scenario(links: StripeLinks) -> None:
        held = await links.pay(capture_method="manual")
        await asyncio.sleep(3.0)
        seen = await links.get(f"payment_intents/{held['id']}")
        assert (seen["status"], seen["cancellation_reason"]) == ("canceled", "automatic")

    links = on_stripe(scenario, psp="expires_after: 2s", issuer="expires_after: 2s")
    assert "payment_intent.canceled" in {event["type"] for event in links.events}


def test_a_capture_is_the_last_unless_it_says_otherwise_and_the_rest_is_released() -> None:
    async def scenario(links: StripeLinks) -> None:
        first = await links.pay(1, capture_method="manual")
        done = await links.post(
            f"payment_intents/{first['id']}/capture", {"amount_to_capture": "400"}
        )
        assert (done["status"], done["amount_received"]) == ("succeeded", 400)
        second = await links.pay(2, capture_method="manual")
        path = f"payment_intents/{second['id']}"
        part = {"amount_to_capture": "300", "final_capture": "false"}
        open_ = await links.post(f"{path}/capture", part)
        assert (open_["status"], open_["amount_capturable"]) == ("requires_capture", 700)
        # Of an intent that is paid in part, cancelling frees the rest.
        ended = await links.post(f"{path}/cancel")
        assert (ended["status"], ended["amount_received"]) == ("succeeded", 300)

    links = on_stripe(scenario)
    asked = [each for each in links.journal if isinstance(each, ReceivedRequest)]
    assert [each.captures_minor for each in asked] == [0, 400, 0, 300, 0]
    assert links.booked() == [
        ("authorised", f"{payment(1)}-1", 1000),
        ("captured", f"{payment(1)}-1", 400),
        ("voided", f"{payment(1)}-1", 600),
        ("authorised", f"{payment(2)}-1", 1000),
        ("captured", f"{payment(2)}-1", 300),
        ("voided", f"{payment(2)}-1", 700),
    ]


def test_while_an_intent_is_worked_on_nothing_else_may_confirm_it() -> None:
    async def scenario(links: StripeLinks) -> None:
        made = await links.post(
            "payment_intents",
            {"amount": 1000, "currency": "eur", "metadata[order]": payment(1)},
        )
        path = f"payment_intents/{made['id']}/confirm"
        links.inject("slow_answer", link="issuer", delay="1s")
        method = {"payment_method": "pm_card_visa"}
        both = await asyncio.gather(links.post(path, method), links.post(path, method))
        statuses = sorted(shown.status for shown in both)
        assert statuses[0] == 200
        assert statuses[1] in (400, 429)

    assert [move[0] for move in on_stripe(scenario).booked()] == ["authorised", "captured"]


@pytest.mark.parametrize("action", ["cancel", "capture", ""])
def test_an_intent_cannot_be_changed_in_the_middle_of_its_confirmation(action: str) -> None:
    """A cancel that came before the work would be answered, and the money held after it."""

    async def scenario(links: StripeLinks) -> None:
        made = await links.post(
            "payment_intents",
            {
                "amount": 1000,
                "currency": "eur",
                "capture_method": "manual",
                "metadata[order]": payment(1),
            },
        )
        path = f"payment_intents/{made['id']}"
        links.inject("late_answer", delay="4s")
        confirming = asyncio.create_task(
            links.post(f"{path}/confirm", {"payment_method": "pm_card_visa"})
        )
        await asyncio.sleep(1)
        links.heal("late_answer")
        refused = await links.post(f"{path}/{action}".removesuffix("/"))
        assert (refused.status, refused.error["code"]) == (429, "lock_timeout")
        assert (await confirming)["status"] == "requires_capture"
        assert (await links.post(f"{path}/cancel"))["status"] == "canceled"

    assert [move[0] for move in on_stripe(scenario).booked()] == ["authorised", "voided"]


def test_a_customer_who_fails_to_authenticate_has_to_pay_otherwise() -> None:
    async def scenario(links: StripeLinks) -> None:
        waits = await links.pay(
            payment_method="pm_card_authenticationRequired", return_url="https://shop.example/?a=1"
        )
        page = f"/3d_secure_2/authenticate/{waits['id']}"
        back = await links.ask("GET", page, {"result": "failed"})
        assert back.headers["location"].startswith("https://shop.example/?a=1&payment_intent=")
        assert back.headers["location"].endswith("redirect_status=failed")
        seen = await links.get(f"payment_intents/{waits['id']}")
        assert seen["status"] == "requires_payment_method"
        code = seen["last_payment_error"]["code"]
        assert code == "payment_intent_authentication_failure"

    assert on_stripe(scenario).booked() == []


def test_an_intent_may_show_whose_payment_it_is_when_it_is_confirmed() -> None:
    async def scenario(links: StripeLinks) -> None:
        made = await links.post("payment_intents", {"amount": 1000, "currency": "eur"})
        path = f"payment_intents/{made['id']}"
        method = {"payment_method": "pm_card_visa"}
        paid = await links.post(f"{path}/confirm", method, key=f"order {payment(7)}")
        assert (paid["id"], paid["status"]) == (made["id"], "succeeded")
        await links.post("refunds", {"payment_intent": made["id"], "amount": "100"})

    links = on_stripe(scenario)
    assert {move[1] for move in links.booked()} == {f"{payment(7)}-1"}
    assert [hop[0] for hop in links.hops()] == ["?psp-1", payment(7), payment(7)]


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"amount": ""}, 400, "parameter_missing", "amount"),
        ({"amount": "12.5"}, 400, "parameter_invalid_integer", "amount"),
        ({"amount": "-5"}, 400, "parameter_invalid_integer", "amount"),
        ({"amount": "²"}, 400, "parameter_invalid_integer", "amount"),
        ({"amount": "5"}, 400, "amount_too_small", "amount"),
        ({"amount": "999999999"}, 400, "amount_too_large", "amount"),
        ({"currency": "xxx"}, 400, None, "currency"),
        ({"payment_method": "pm_nothing"}, 400, "resource_missing", "payment_method"),
        ({"payment_method": "card_4242"}, 400, "resource_missing", "payment_method"),
        ({"customer": "cus_nobody"}, 400, "resource_missing", "customer"),
        ({"capture_method": "sometimes"}, 400, None, "capture_method"),
        ({"confirm": "perhaps"}, 400, None, "confirm"),
        ({"confirm": "false", "off_session": "true"}, 400, None, "off_session"),
        ({"colour": "red"}, 400, "parameter_unknown", "colour"),
        ({"shipping": "x"}, 400, None, "shipping"),
        ({"metadata": "x"}, 400, None, "metadata"),
        ({"metadata[a][b]": "x"}, 400, None, "metadata[a]"),
        ({"metadata[a]": "x" * 501}, 400, None, "metadata[a]"),
        ({f"metadata[{'a' * 41}]": "x"}, 400, None, f"metadata[{'a' * 41}]"),
        ({f"metadata[{n}x]": "x" for n in range(51)}, 400, None, "metadata"),
        ({"setup_future_usage": "x"}, 400, None, "setup_future_usage"),
        ({"payment_method_types": "card"}, 400, None, "payment_method_types"),
        ({"expand[]": "nothing"}, 400, None, "expand"),
    ],
)
def test_what_is_written_wrongly_is_refused_with_stripes_words(
    fields: dict[str, str], status: int, code: str | None, param: str
) -> None:
    async def scenario(links: StripeLinks) -> None:
        shown = await links.pay(**fields)
        assert shown.status == status
        error = shown.error
        assert (error["type"], error.get("code"), error["param"]) == (
            "invalid_request_error",
            code,
            param,
        )

    on_stripe(scenario)


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ({"number": "4242424242424241"}, "incorrect_number", None),
        ({"number": "4024007103939509"}, "card_declined", "test_mode_live_card"),
        ({"number": "4242424242424242", "exp_month": "13"}, "invalid_expiry_month", None),
        ({"number": "4242424242424242", "cvc": "1"}, "invalid_cvc", None),
        ({"number": "4000 0000 0000 9995"}, "card_declined", "insufficient_funds"),
    ],
)
def test_a_card_number_is_published_for_testing_or_refused(
    card: dict[str, str], code: str, decline_code: str | None
) -> None:
    async def scenario(links: StripeLinks) -> None:
        fields: dict[str, Any] = {"payment_method_data[type]": "card"}
        fields |= {f"payment_method_data[card][{name}]": value for name, value in card.items()}
        shown = await links.pay(payment_method="", **fields)
        error = shown.error
        assert (shown.status, error["code"], error.get("decline_code")) == (402, code, decline_code)

    assert on_stripe(scenario).booked() == []


def test_a_card_number_pays() -> None:
    async def scenario(links: StripeLinks) -> None:
        fields = {
            "payment_method_data[type]": "card",
            "payment_method_data[card][number]": "5555555555554444",
            "payment_method_data[card][exp_month]": "8",
            "payment_method_data[card][exp_year]": "2031",
            "payment_method_data[card][cvc]": "314",
            "expand[]": "payment_method",
        }
        shown = await links.pay(payment_method="", **fields)
        card = shown["payment_method"]["card"]
        assert (card["brand"], card["last4"], card["exp_year"]) == ("mastercard", "4444", 2031)
        assert card["checks"]["cvc_check"] == "pass"

    assert len(on_stripe(scenario).booked()) == 2


def test_a_part_of_the_data_of_a_method_that_stripe_does_not_know_is_refused() -> None:
    async def scenario(links: StripeLinks) -> None:
        card = {"payment_method_data[card][token]": "tok_visa"}
        for path, fields in (
            ("test_helpers/confirmation_tokens", {}),
            ("payment_intents", {"amount": 1000, "currency": "eur"}),
        ):
            wrong = {**fields, **card, "payment_method_data[colour]": "red"}
            refused = await links.post(path, wrong)
            assert (refused.status, refused.error["code"]) == (400, "parameter_unknown")
            assert refused.error["param"] == "payment_method_data[colour]"
            known = {**fields, **card, "payment_method_data[allow_redisplay]": "always"}
            assert (await links.post(path, known)).status == 200

    on_stripe(scenario)


def test_a_token_of_a_kept_card_pays_one_intent_and_its_card_others() -> None:
    async def scenario(links: StripeLinks) -> None:
        customer = (await links.post("customers", {}))["id"]
        card = await links.post("payment_methods/pm_card_visa/attach", {"customer": customer})
        kept = {"payment_method": card["id"]}
        token = (await links.post("test_helpers/confirmation_tokens", kept))["id"]
        asked = {"amount": 1000, "currency": "eur", "confirm": "true", "customer": customer}
        of_token = {**asked, "confirmation_token": token}
        paid = await links.post("payment_intents", of_token | {"metadata[order]": payment(1)})
        assert paid["status"] == "succeeded"
        assert (await links.get(f"confirmation_tokens/{token}"))["payment_intent"] == paid["id"]
        again = await links.post("payment_intents", of_token | {"metadata[order]": payment(2)})
        assert (again.status, "already been used" in again.error["message"]) == (400, True)
        other = await links.post("payment_intents", asked | kept | {"metadata[order]": payment(3)})
        assert other["status"] == "succeeded"

    booked = on_stripe(scenario).booked()
    assert [kind for kind, _, _ in booked].count("captured") == 2


async def paid_with(links: StripeLinks, token: str, order: str) -> Shown:
    """An intent that is confirmed at once, with a confirmation token."""
    asked = {"amount": 1000, "currency": "eur", "confirm": "true", "confirmation_token": token}
    return await links.post("payment_intents", asked | {"metadata[order]": order})


async def declined_of(links: StripeLinks, token: str) -> Shown:
    """What a confirmation with a token shows when its card is declined."""
    links.inject("decline", code="51")
    declined = await paid_with(links, token, payment(1))
    links.heal("decline")
    return declined


@pytest.mark.parametrize("is_updated", [True, False], ids=["updated", "confirmed"])
def test_an_intent_with_another_card_has_nothing_to_do_with_its_token(is_updated: bool) -> None:
    async def scenario(links: StripeLinks) -> None:
        token = (await links.post("test_helpers/confirmation_tokens", {}))["id"]
        declined = await declined_of(links, token)
        path = f"payment_intents/{declined.error['payment_intent']['id']}"
        paid = await paid_with(links, token, payment(2))
        other = {
            "payment_method_data[type]": "card",
            "payment_method_data[card][token]": "tok_visa",
        }
        if is_updated:
            await links.post(path, other)
        again = await links.post(f"{path}/confirm", {} if is_updated else other)
        assert (again.status, again["status"]) == (200, "succeeded")
        assert (await links.get(f"confirmation_tokens/{token}"))["payment_intent"] == paid["id"]

    on_stripe(scenario)


def test_a_token_whose_card_is_declined_is_not_used() -> None:
    async def scenario(links: StripeLinks) -> None:
        token = (await links.post("test_helpers/confirmation_tokens", {}))["id"]
        declined = await declined_of(links, token)
        assert declined.status == 402
        assert (await links.get(f"confirmation_tokens/{token}"))["payment_intent"] is None
        paid = await paid_with(links, token, payment(2))
        assert paid["status"] == "succeeded"

    on_stripe(scenario)


def test_an_intent_is_confirmed_with_what_a_front_end_has_collected() -> None:
    async def scenario(links: StripeLinks) -> None:
        asked = {"amount": 1000, "currency": "eur", "confirm": "true"}
        helper = "test_helpers/confirmation_tokens"
        collected = {"payment_method": "pm_card_mastercard", "return_url": "https://shop.example"}
        token = await links.post(helper, collected)
        assert token["payment_method_preview"]["card"]["brand"] == "mastercard"
        assert (await links.get(f"confirmation_tokens/{token['id']}")).body == token.body
        assert token["shipping"] is None
        shipping = {"shipping[name]": "Ada", "shipping[address][city]": "Wien"}
        sent = (await links.post(helper, {**collected, **shipping}))["shipping"]
        assert (sent["name"], sent["phone"], sent["address"]["city"]) == ("Ada", None, "Wien")
        order = {"metadata[order]": payment(1), "confirmation_token": token["id"]}
        paid = await links.post("payment_intents", {**asked, **order})
        assert (paid["status"], paid["latest_charge"] is None) == ("succeeded", False)
        used = await links.get(f"confirmation_tokens/{token['id']}")
        assert used["payment_intent"] == paid["id"]
        again = await links.post("payment_intents", {**asked, **order})
        assert (again.status, "may not be used again" in again.error["message"]) == (400, True)
        # In place of a front end's own: a customer's card.
        later = {"amount": 500, "currency": "eur", "metadata[order]": payment(2)}
        made = await links.post("payment_intents", later)
        confirm = f"payment_intents/{made['id']}/confirm"
        unknown = await links.post(confirm, {"confirmation_token": "ctoken_unknown"})
        assert unknown.error["param"] == "confirmation_token"
        both = {"confirmation_token": "tok_visa_4242", "payment_method": "pm_card_visa"}
        assert (await links.post(confirm, both)).status == 400
        done = await links.post(confirm, {"confirmation_token": "tok_visa_4242"})
        assert done["status"] == "succeeded"

    booked = on_stripe(scenario).booked()
    assert [minor for kind, _, minor in booked if kind == "captured"] == [1000, 500]
