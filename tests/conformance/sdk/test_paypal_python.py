"""PayPal's Python SDK meets the mock."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest

from tests.support import sdk_results
from tests.support.paypal_shop import (
    CARD,
    WHOLE,
    ErrorException,
    Shop,
    issue_of,
    money,
    paid,
    paypal_links,
)
from tests.support.sdk_results import FAILED, PASSED, Cell, Column, keep
from tests.support.vendor_links import VendorLinks
from tests.support.vendor_shop import Scenarios

OTHER = pytest.importorskip("paypalserversdk.exceptions.api_exception").ApiException
requests = pytest.importorskip("requests")
SCENARIOS = Scenarios()


@SCENARIOS.add("authorise")
def authorise(shop: Shop) -> str:
    response = shop.create(source={"card": CARD})
    order = response.body
    assert (response.status_code, order.status) == (201, "COMPLETED")
    assert order.payment_source.card.last_digits == "1881"
    capture = paid(order).captures[0]
    assert (capture.status, capture.amount.value) == ("COMPLETED", "10.00")
    assert (capture.final_capture, capture.custom_id) == (True, shop.order)
    held = shop.authorised("7.00")
    assert (held.status, held.amount.value) == ("CREATED", "7.00")
    wallet = shop.create("AUTHORIZE", "5.00").body
    assert wallet.status == "CREATED"
    assert "approve" in {link.rel for link in wallet.links}
    asked = {"id": wallet.id, "paypal_request_id": shop.key(), "prefer": WHOLE}
    done = shop.orders.authorize_order(asked).body
    assert (done.status, paid(done).authorizations[0].status) == ("COMPLETED", "CREATED")
    token = shop.create(source={"card": {"vault_id": "tok_mastercard_4444"}}, value="3.00").body
    assert token.payment_source.card.brand == "MASTERCARD"
    assert shop.booked("authorised") == [1000, 700, 500, 300]
    assert shop.booked("captured") == [1000, 300]
    return "COMPLETED with a card; CREATED, approved at once and then authorized with a wallet"


@SCENARIOS.add("decline")
def decline(shop: Shop) -> str:
    for name, code in (
        ("CCREJECT-REFUSED", "0500"),
        ("CCREJECT-IF", "5120"),
        ("CCREJECT-EC", "5400"),
    ):
        order = shop.create(source={"card": {**CARD, "name": name}}).body
        capture = paid(order).captures[0]
        assert (order.status, capture.status) == ("COMPLETED", "DECLINED")
        assert capture.processor_response.response_code == code
    held = shop.create("AUTHORIZE", source={"card": {**CARD, "name": "CCREJECT-SF"}}).body
    assert paid(held).authorizations[0].status == "DENIED"
    wallet = shop.create().body
    mock = json.dumps({"mock_application_codes": "INSTRUMENT_DECLINED"})
    asked = {"id": wallet.id, "paypal_request_id": shop.key(), "prefer": WHOLE}
    assert issue_of(lambda: shop.orders.capture_order({**asked, "paypal_mock_response": mock})) == (
        "INSTRUMENT_DECLINED"
    )
    assert shop.orders.capture_order(asked).body.status == "COMPLETED"
    assert shop.booked("authorised") == [1000]
    return "201, COMPLETED with a payment that is DECLINED; 422 INSTRUMENT_DECLINED of a wallet"


@SCENARIOS.add("authentication")
def authentication(shop: Shop) -> str:
    card = {**CARD, "attributes": {"verification": {"method": "SCA_ALWAYS"}}}
    order = shop.create(source={"card": card}).body
    assert order.status == "PAYER_ACTION_REQUIRED"
    assert "payer-action" in {link.rel for link in order.links}
    assert shop.booked("authorised") == []
    assert shop.orders.get_order({"id": order.id}).body.status == "APPROVED"
    done = shop.orders.capture_order({"id": order.id, "paypal_request_id": shop.key()}).body
    assert paid(done).captures[0].status == "COMPLETED"
    assert shop.booked("captured") == [1000]
    return "PAYER_ACTION_REQUIRED, APPROVED, COMPLETED"


@SCENARIOS.add("capture in parts")
def capture_in_parts(shop: Shop) -> str:
    held = shop.authorised()
    assert shop.capture(held.id, "4.00").status == "COMPLETED"
    found = shop.payments.get_authorized_payment({"authorization_id": held.id}).body
    assert found.status == "PARTIALLY_CAPTURED"
    more = issue_of(lambda: shop.capture(held.id, "6.01"))
    assert more == "MAX_CAPTURE_AMOUNT_EXCEEDED"
    assert shop.capture(held.id, "3.00", final_capture=True).final_capture is True
    over = issue_of(lambda: shop.capture(held.id, "1.00"))
    assert over == "AUTHORIZATION_ALREADY_CAPTURED"
    assert shop.booked("captured") == [400, 300]
    assert shop.booked("voided") == [300]
    return "PARTIALLY_CAPTURED per part; final_capture releases the rest"


@SCENARIOS.add("void")
def void(shop: Shop) -> str:
    held = shop.authorised()
    asked = {"authorization_id": held.id, "paypal_request_id": shop.key()}
    assert shop.payments.void_payment(asked).status_code == 204
    assert issue_of(lambda: shop.capture(held.id, "1.00")) == "AUTHORIZATION_VOIDED"
    other = {"authorization_id": held.id, "prefer": WHOLE, "paypal_request_id": shop.key()}
    assert issue_of(lambda: shop.payments.void_payment(other)) == "PREVIOUSLY_VOIDED"
    second = shop.authorised("2.00")
    shown = shop.payments.void_payment(
        {"authorization_id": second.id, "prefer": WHOLE, "paypal_request_id": shop.key()}
    )
    assert (shown.status_code, shown.body.status) == (200, "VOIDED")
    assert shop.booked("voided") == [1000, 200]
    missing = {"authorization_id": "5O190127TN364715T", "paypal_request_id": shop.key()}
    assert issue_of(lambda: shop.payments.void_payment(missing), 404) == "INVALID_RESOURCE_ID"
    return "204, or 200 VOIDED with Prefer; no capture afterwards"


@SCENARIOS.add("refund")
def refund(shop: Shop) -> str:
    capture = shop.captured()
    back = shop.refund(capture.id, "3.00")
    assert (back.status_code, back.body.status) == (201, "COMPLETED")
    assert issue_of(lambda: shop.refund(capture.id, "7.01")) == "REFUND_AMOUNT_EXCEEDED"
    assert shop.refund(capture.id).body.amount.value == "7.00"
    assert issue_of(lambda: shop.refund(capture.id)) == "CAPTURE_FULLY_REFUNDED"
    found = shop.payments.get_captured_payment({"capture_id": capture.id}).body
    assert found.status == "REFUNDED"
    assert shop.payments.get_refund({"refund_id": back.body.id}).body.amount.value == "3.00"
    assert shop.booked("refunded") == [300, 700]
    return "COMPLETED per part; CAPTURE_FULLY_REFUNDED"


@SCENARIOS.add("query")
def query(shop: Shop) -> str:
    order = shop.charge()
    found = shop.orders.get_order({"id": order.id}).body
    assert (found.status, found.purchase_units[0].custom_id) == ("COMPLETED", shop.order)
    capture = shop.payments.get_captured_payment({"capture_id": paid(found).captures[0].id}).body
    assert (capture.status, capture.invoice_id) == ("COMPLETED", f"inv-{shop.order}")
    held = shop.authorised("7.00").id
    shown = shop.payments.get_authorized_payment({"authorization_id": held}).body
    assert (shown.id, shown.status) == (held, "CREATED")
    refund_id = shop.refund(capture.id, "3.00").body.id
    back = shop.payments.get_refund({"refund_id": refund_id}).body
    assert (back.id, back.amount.value) == (refund_id, "3.00")
    unknown = {"id": "5O190127TN364715T"}
    assert issue_of(lambda: shop.orders.get_order(unknown), 404) == "INVALID_RESOURCE_ID"
    return "orders, authorizations, captures and refunds by id; none by the merchant's reference"


@SCENARIOS.add("repeat")
def repeat(shop: Shop) -> str:
    key = shop.key()
    first = shop.create(source={"card": CARD}, paypal_request_id=key)
    again = shop.create(source={"card": CARD}, paypal_request_id=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.body.id == again.body.id
    capture = paid(first.body).captures[0]
    key = shop.key()
    refunds = [shop.refund(capture.id, "3.00", key) for _ in range(2)]
    assert [each.status_code for each in refunds] == [201, 200]
    assert refunds[0].body.id == refunds[1].body.id
    # The current state, not the answer of that time.
    latest = shop.create(source={"card": CARD}, paypal_request_id=f"{shop.order}-1").body
    assert paid(latest).captures[0].status == "PARTIALLY_REFUNDED"
    assert shop.booked("captured") == [1000]
    assert shop.booked("refunded") == [300]
    return "200 in place of 201, the same object in its current state"


@SCENARIOS.add("mismatch")
def mismatch(shop: Shop) -> str:
    key = shop.key()
    first = shop.charge(paypal_request_id=key)
    assert shop.charge(value="9.99", paypal_request_id=key).id == first.id
    assert shop.booked("authorised") == [1000]
    return "another body brings the first object: PayPal documents no comparison"


@SCENARIOS.add("in flight")
def in_flight(shop: Shop) -> str:
    shop.links.inject("slow_answer", link="issuer", delay="400ms")
    key = shop.key()
    first = threading.Thread(target=shop.charge, kwargs={"paypal_request_id": key})
    first.start()
    time.sleep(0.25)
    second = Shop(shop.links)
    second.order = shop.order
    issue = issue_of(lambda: second.charge(paypal_request_id=key))
    first.join()
    assert issue == "PREVIOUS_REQUEST_IN_PROGRESS"
    assert shop.booked("authorised") == [1000]
    return "422 PREVIOUS_REQUEST_IN_PROGRESS"


@SCENARIOS.add("http 503")
def http_503(shop: Shop) -> str:
    shop.authorised("1.00")  # the SDK has its token now
    before = shop.requests()
    shop.links.inject("http_error", status=503)
    with pytest.raises(ErrorException) as caught:
        shop.charge()
    assert (caught.value.response_code, caught.value.name) == (503, "SERVICE_UNAVAILABLE")
    assert shop.requests() == before + 1
    shop.links.heal("http_error")
    shop.links.inject("http_error", status=500, after_work=True)
    key = shop.key()
    with pytest.raises(ErrorException) as internal:
        shop.charge(paypal_request_id=key)
    assert (internal.value.response_code, internal.value.name) == (500, "INTERNAL_SERVER_ERROR")
    shop.links.heal("http_error")
    assert paid(shop.charge(paypal_request_id=key)).captures[0].status == "COMPLETED"
    assert shop.booked("captured") == [1000]
    return "ErrorException, tries once; after a 500 the key shows what was done"


@SCENARIOS.add("rate limit")
def rate_limit(shop: Shop) -> str:
    shop.authorised("1.00")
    shop.links.inject("rate_limit", rate="6/min")
    with pytest.raises(ErrorException) as caught:
        for _ in range(4):
            shop.charge()
    assert (caught.value.response_code, caught.value.name) == (429, "RATE_LIMIT_REACHED")
    return "ErrorException 429 RATE_LIMIT_REACHED"


@SCENARIOS.add("cut connection")
def cut_connection(shop: Shop) -> str:
    shop.authorised("1.00")
    before, key = shop.requests(), shop.key()
    shop.links.cut_next()
    with pytest.raises(requests.exceptions.ConnectionError):
        shop.charge(paypal_request_id=key)
    assert shop.requests() == before + 1
    found = shop.create(source={"card": CARD}, paypal_request_id=key)
    assert (found.status_code, paid(found.body).captures[0].status) == (200, "COMPLETED")
    assert shop.booked("captured") == [1000]
    return "requests' ConnectionError, not retried; the same key brings the order"


@SCENARIOS.add("unknown parameter")
def unknown_parameter(shop: Shop) -> str:
    assert issue_of(lambda: shop.create("SAVE"), 400) == "INVALID_PARAMETER_VALUE"
    assert issue_of(lambda: shop.create(value="1.001")) == "DECIMAL_PRECISION"
    missing = issue_of(lambda: shop.create(value=""), 400)
    assert missing == "MISSING_REQUIRED_PARAMETER"
    no_key = issue_of(lambda: shop.create(source={"card": CARD}, paypal_request_id=None), 400)
    assert no_key == "PAYPAL_REQUEST_ID_REQUIRED"
    real = {**CARD, "number": "4539578763621486"}
    assert issue_of(lambda: shop.create(source={"card": real})) == "CARD_NUMBER_INVALID"
    body = {
        "intent": "CAPTURE",
        "purchase_units": [
            {"amount": money("1.00"), "payment_instruction": {"disbursement_mode": "DELAYED"}}
        ],
    }
    shop.orders.create_order({"body": body})
    ignored = {each.detail for each in shop.links.decisions() if each.kind == "parameter_ignored"}
    assert "purchase_units.payment_instruction" in ignored
    return "ErrorException 400 or 422 with the issue; unknown fields are ignored"


@SCENARIOS.add("webhook")
def webhook(shop: Shop) -> str:
    capture = shop.captured()
    headers, event = _about(shop, capture.id)
    assert event["event_type"] == "PAYMENT.CAPTURE.COMPLETED"
    assert event["resource"]["custom_id"] == shop.order
    asked = {
        "auth_algo": headers["paypal-auth-algo"],
        "cert_url": headers["paypal-cert-url"],
        "transmission_id": headers["paypal-transmission-id"],
        "transmission_sig": headers["paypal-transmission-sig"],
        "transmission_time": headers["paypal-transmission-time"],
        "webhook_id": shop.links.secret(),
        "webhook_event": event,
    }
    assert _verified(shop, asked) == "SUCCESS"
    forged = {**event, "resource": {**event["resource"], "amount": money("0.01")}}
    assert _verified(shop, {**asked, "webhook_event": forged}) == "FAILURE"
    assert _verified(shop, {**asked, "webhook_id": "0" * 17}) == "FAILURE"
    assert _verified(shop, {**asked, "transmission_time": "2020-01-01T00:00:00Z"}) == "FAILURE"
    return "no SDK verifies them: POST /v1/notifications/verify-webhook-signature on the mock does"


def _about(shop: Shop, name: str) -> tuple[dict[str, str], dict[str, Any]]:
    until_s = time.monotonic() + 10.0
    while time.monotonic() < until_s:
        for http in shop.links.received:
            event = json.loads(http.body)
            if event["resource"]["id"] == name:
                return http.headers, event
        time.sleep(0.005)
    raise AssertionError(f"no webhook about {name}")


def _verified(shop: Shop, asked: dict[str, Any]) -> str:
    request = urllib.request.Request(
        f"{shop.links.url}/v1/notifications/verify-webhook-signature",
        json.dumps(asked).encode(),
        {"content-type": "application/json", "authorization": "Bearer A21AA"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        status: str = json.load(answer)["verification_status"]
    return status


@pytest.fixture(scope="module")
def links() -> Iterator[VendorLinks]:
    with paypal_links() as running:
        yield running


@pytest.mark.parametrize("name", sdk_results.SCENARIOS)
def test_the_python_sdk_of_paypal(name: str, links: VendorLinks) -> None:
    cell = Cell(scenario=name, result=FAILED)
    library = f"paypal-server-sdk {version('paypal-server-sdk')}"
    try:
        cell.detail = SCENARIOS[name](Shop(links))
        cell.result = PASSED
    finally:
        keep(Column(vendor="paypal", language="python", sdk=library, cells=[cell]))
        for kind in ("http_error", "slow_answer", "rate_limit"):
            links.heal(kind)
        links.cut_next(0)
