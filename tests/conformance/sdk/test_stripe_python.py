"""Stripe's Python SDK meets the mock: its own exceptions and checks are the assertions."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.support import sdk_results
from tests.support.sdk_results import FAILED, PASSED, Cell, Column, keep
from tests.support.stripe_shop import Shop, stripe
from tests.support.vendor_links import VendorLinks, vendor_links
from tests.support.vendor_shop import Scenarios, redirected

SCENARIOS = Scenarios()


@pytest.fixture(autouse=True)
def hurries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK waits less between its tries."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(stripe.HTTPClient, "MAX_DELAY", 0.02)


@pytest.fixture(scope="module")
def links() -> Iterator[VendorLinks]:
    with vendor_links("stripe") as running:
        yield running


@pytest.fixture
def shop(links: VendorLinks) -> Iterator[Shop]:
    yield Shop(links)
    for kind in ("http_error", "lost_answer", "slow_answer", "rate_limit"):
        links.heal(kind)
    links.cut_next(0)


@SCENARIOS.add("authorise")
def authorise(shop: Shop) -> str:
    sale = shop.pay(method="tok_mastercard_4444", expand=["latest_charge"])
    assert (sale.status, sale.amount_received) == ("succeeded", 1000)
    assert sale.latest_charge.captured
    assert sale.latest_charge.payment_method_details.card.brand == "mastercard"
    held = shop.pay(capture_method="manual")
    assert (held.status, held.amount_capturable) == ("requires_capture", 1000)
    later = shop.intents.create({"amount": 700, "currency": "eur"})
    assert later.status == "requires_payment_method"
    assert shop.intents.confirm(later.id, {"payment_method": "pm_card_visa"}).status == "succeeded"
    assert shop.booked("authorised") == [1000, 1000]
    assert shop.booked("captured") == [1000]
    return "succeeded; requires_capture; created, then confirmed"


@SCENARIOS.add("decline")
def decline(shop: Shop) -> str:
    for method, code, decline_code in (
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
    ):
        with pytest.raises(stripe.CardError) as caught:
            shop.pay(method=method)
        error = caught.value
        assert (error.http_status, error.code) == (402, code)
        assert error.error.decline_code == decline_code
        assert error.error.payment_intent.status == "requires_payment_method"
        assert error.error.payment_intent.last_payment_error.code == code
    intent = error.error.payment_intent
    assert shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"
    assert shop.booked("authorised") == [1000]
    return "CardError 402 with decline_code; another card completes the intent"


@SCENARIOS.add("authentication")
def authentication(shop: Shop) -> str:
    back = "https://shop.example/return"
    waits = shop.pay(method="pm_card_authenticationRequired", return_url=back)
    assert (waits.status, waits.next_action.type) == ("requires_action", "redirect_to_url")
    page = waits.next_action.redirect_to_url.url
    assert f"intent={waits.id}" in redirected(page)
    assert shop.intents.retrieve(waits.id).status == "succeeded"
    fails = shop.pay(method="pm_card_authenticationRequired", return_url=back)
    page = fails.next_action.redirect_to_url.url
    assert "redirect_status=failed" in redirected(f"{page}?result=failed")
    failed = shop.intents.retrieve(fails.id)
    assert failed.last_payment_error.code == "payment_intent_authentication_failure"
    with pytest.raises(stripe.CardError) as caught:
        shop.pay(method="pm_card_authenticationRequired", off_session=True)
    assert caught.value.code == "authentication_required"
    assert shop.booked("captured") == [1000]
    return "requires_action; redirect_to_url completes it; off_session is a CardError"


@SCENARIOS.add("capture in parts")
def capture_in_parts(shop: Shop) -> str:
    held = shop.pay(capture_method="manual")
    part = shop.intents.capture(held.id, {"amount_to_capture": 300, "final_capture": False})
    assert (part.status, part.amount_capturable, part.amount_received) == (
        "requires_capture",
        700,
        300,
    )
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.capture(held.id, {"amount_to_capture": 701})
    assert caught.value.code == "amount_too_large"
    done = shop.intents.capture(held.id, {"amount_to_capture": 400})
    assert (done.status, done.amount_capturable, done.amount_received) == ("succeeded", 0, 700)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.capture(held.id)
    assert caught.value.code == "payment_intent_unexpected_state"
    assert caught.value.error.payment_intent.id == held.id
    assert shop.booked("captured") == [300, 400]
    assert shop.booked("voided") == [300]
    return "final_capture false and true; the rest is released"


@SCENARIOS.add("void")
def void(shop: Shop) -> str:
    held = shop.pay(capture_method="manual")
    canceled = shop.intents.cancel(held.id, {"cancellation_reason": "requested_by_customer"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "requested_by_customer")
    for refused in (shop.intents.capture, shop.intents.cancel):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            refused(held.id)
        assert caught.value.code == "payment_intent_unexpected_state"
    assert shop.booked("voided") == [1000]
    return "canceled; no capture afterwards"


@SCENARIOS.add("refund")
def refund(shop: Shop) -> str:
    sale = shop.pay()
    first = shop.refunds.create({"payment_intent": sale.id, "amount": 300})
    assert (first.status, first.amount, first.charge) == ("succeeded", 300, sale.latest_charge)
    rest = shop.refunds.create({"charge": sale.latest_charge})
    assert rest.amount == 700
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.refunds.create({"payment_intent": sale.id})
    assert caught.value.code == "charge_already_refunded"
    charge = shop.client.v1.charges.retrieve(sale.latest_charge)
    assert (charge.refunded, charge.amount_refunded) == (True, 1000)
    listed = shop.refunds.list({"payment_intent": sale.id})
    assert [each.id for each in listed.data] == [rest.id, first.id]
    assert shop.refunds.retrieve(first.id).amount == 300
    assert shop.booked("refunded") == [300, 700]
    return "two refunds; the third is refused"


@SCENARIOS.add("query")
def query(shop: Shop) -> str:
    sale = shop.pay()
    seen = shop.intents.retrieve(sale.id, {"expand": ["latest_charge.balance_transaction"]})
    assert seen.latest_charge.balance_transaction.amount == 1000
    assert shop.intents.list({"limit": 1}).data[0].id == sale.id
    changed = shop.intents.update(sale.id, {"metadata": {"note": "x"}})
    assert changed.metadata.to_dict() == {"order": shop.order, "note": "x"}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.retrieve("pi_unknown")
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
    kinds = [event.type for event in shop.client.v1.events.list({"limit": 3}).data]
    assert "payment_intent.succeeded" in kinds
    return "retrieve, expand, list, events; 404 resource_missing"


@SCENARIOS.add("repeat")
def repeat(shop: Shop) -> str:
    first, again = shop.pay(key=shop.order), shop.pay(key=shop.order)
    assert first.id == again.id
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert again.last_response.headers["original-request"] == first.last_response.request_id
    refunds = [
        shop.refunds.create(
            {"payment_intent": first.id, "amount": 100}, {"idempotency_key": f"{shop.order}-r"}
        )
        for _ in range(2)
    ]
    assert refunds[0].id == refunds[1].id
    for _ in range(2):
        with pytest.raises(stripe.CardError) as caught:
            shop.pay(method="pm_card_chargeDeclined", key=f"{shop.order}-declined")
    assert caught.value.headers["idempotent-replayed"] == "true"
    customers = [
        shop.client.v1.customers.create(
            {"email": "a@b.example"}, {"idempotency_key": shop.order + "c"}
        )
        for _ in range(2)
    ]
    assert customers[0].id == customers[1].id
    assert (shop.booked("captured"), shop.booked("refunded")) == ([1000], [100])
    return "the same objects, Idempotent-Replayed and Original-Request"


@SCENARIOS.add("mismatch")
def mismatch(shop: Shop) -> str:
    sale = shop.pay(key=shop.order)
    with pytest.raises(stripe.IdempotencyError) as caught:
        shop.pay(amount=1001, key=shop.order)
    assert caught.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError):
        shop.refunds.create({"payment_intent": sale.id}, {"idempotency_key": shop.order})
    assert shop.booked("captured") == [1000]
    assert shop.booked("refunded") == []
    return "IdempotencyError 400, on another path too"


@SCENARIOS.add("in flight")
def in_flight(shop: Shop) -> str:
    shop.links.inject("slow_answer", link="issuer", delay="500ms")
    first = threading.Thread(target=shop.pay, kwargs={"key": shop.order})
    first.start()
    shop.links.wait_until_at_work(shop.order)
    with pytest.raises(stripe.APIError) as caught:
        shop.pay(key=shop.order)
    first.join()
    assert caught.value.http_status == 409
    assert caught.value.json_body["error"]["code"] == "idempotency_key_in_use"
    assert shop.booked("captured") == [1000]
    return "409 idempotency_key_in_use"


@SCENARIOS.add("http 503")
def http_503(shop: Shop) -> str:
    shop.links.inject("http_error", status=503)
    with pytest.raises(stripe.APIError) as caught:
        shop.pay()
    assert caught.value.http_status == 503
    assert caught.value.json_body["error"]["type"] == "api_error"
    assert shop.requests() == 1
    retrying = Shop(shop.links, retries=2)
    with pytest.raises(stripe.APIError):
        retrying.pay()
    assert retrying.requests() == 3
    return "APIError; StripeClient tries once, with max_network_retries 2 three times"


@SCENARIOS.add("rate limit")
def rate_limit(shop: Shop) -> str:
    shop.links.inject("rate_limit", rate="1/s")
    with pytest.raises(stripe.RateLimitError) as caught:
        for _ in range(4):
            shop.pay()
    assert caught.value.json_body["error"]["code"] == "rate_limit"
    return "RateLimitError"


@SCENARIOS.add("cut connection")
def cut_connection(shop: Shop) -> str:
    shop.links.cut_next()
    with pytest.raises(stripe.APIConnectionError):
        shop.pay()
    assert shop.booked("captured") == [1000]
    retrying = Shop(shop.links, retries=2)
    shop.links.cut_next()
    assert retrying.pay().last_response.headers["idempotent-replayed"] == "true"
    assert retrying.booked("captured") == [1000]
    return "APIConnectionError; with retries the same key brings the stored answer"


@SCENARIOS.add("unknown parameter")
def unknown_parameter(shop: Shop) -> str:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.pay(colour="red")
    assert (caught.value.code, caught.value.param) == ("parameter_unknown", "colour")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.create({"currency": "eur"})
    assert (caught.value.code, caught.value.param) == ("parameter_missing", "amount")
    with pytest.raises(stripe.AuthenticationError):
        stripe.StripeClient("nonsense", base_addresses={"api": shop.links.url}).v1.customers.list()
    assert shop.pay(radar_options={"session": "x"}).status == "succeeded"
    ignored = {each.detail for each in shop.links.decisions() if each.kind == "parameter_ignored"}
    assert "radar_options" in ignored
    return "parameter_unknown, parameter_missing, AuthenticationError"


@SCENARIOS.add("webhook")
def webhook(shop: Shop) -> str:
    before = len(shop.links.received)
    sale = shop.pay()
    arrived = shop.links.wait_for_webhooks(before + 3)[before:]
    secret = shop.links.secret()
    events = {}
    for http in arrived:
        signature = http.headers["stripe-signature"]
        event = stripe.Webhook.construct_event(http.body, signature, secret)
        events[event.type] = event
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(http.body + b" ", signature, secret)
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(http.body, signature, secret + "x")
    assert set(events) == {"payment_intent.created", "payment_intent.succeeded", "charge.succeeded"}
    assert events["payment_intent.succeeded"].data.object.id == sale.id
    listed = shop.client.v1.events.list({"type": "payment_intent.succeeded", "limit": 1}).data[0]
    assert listed.id == events["payment_intent.succeeded"].id
    return "construct_event; another body or secret is refused"


@pytest.mark.parametrize("name", sdk_results.SCENARIOS)
def test_the_sdk_of_python(name: str, shop: Shop) -> None:
    cell = Cell(scenario=name, result=FAILED)
    sdk = f"stripe {stripe.VERSION}"
    column = Column(vendor="stripe", language="python", sdk=sdk, cells=[cell])
    try:
        cell.detail = SCENARIOS[name](shop)
        cell.result = PASSED
    finally:
        keep(column)
