"""Braintree's Python SDK meets the mock."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest

from tests.support import sdk_results
from tests.support.braintree_shop import Shop, braintree, code_of
from tests.support.sdk_results import FAILED, PASSED, Cell, Column, keep
from tests.support.vendor_links import VendorLinks, vendor_links
from tests.support.vendor_shop import Scenarios

nonces = pytest.importorskip("braintree.test.nonces")
requests = pytest.importorskip("requests")
ERRORS = braintree.exceptions
CODES = braintree.ErrorCodes.Transaction


SCENARIOS = Scenarios()


@SCENARIOS.add("authorise")
def authorise(shop: Shop) -> str:
    held = shop.paid()
    assert (held.status, held.type) == ("authorized", "sale")
    assert (held.processor_response_code, held.processor_response_type) == ("1000", "approved")
    assert held.credit_card_details.last_4 == "4242"
    assert held.created_at.year >= 2026
    token = shop.paid("7.00", submit=True, payment_method_nonce="tok_mastercard_4444")
    assert token.status == "submitted_for_settlement"
    assert token.credit_card_details.card_type == "MasterCard"
    card = {"number": "4111111111111111", "expiration_date": "03/2030"}
    numbered = shop.transaction.sale(
        {"amount": "5.00", "credit_card": card, "order_id": shop.order}
    ).transaction
    assert numbered.credit_card_details.masked_number == "411111******1111"
    assert numbered.credit_card_details.expiration_date == "03/2030"
    assert shop.booked("authorised") == [1000, 700, 500]
    assert shop.booked("captured") == [700]
    return "authorized; submitted_for_settlement where the sale asks for it"


@SCENARIOS.add("decline")
def decline(shop: Shop) -> str:
    for amount, more, status, code, kind, text in (
        ("2000.00", {}, "processor_declined", "2000", "soft_declined", "Do Not Honor"),
        ("2015.00", {}, "processor_declined", "2015", "hard_declined", "Transaction Not Allowed"),
        (
            "3000.00",
            {},
            "failed",
            "3000",
            "soft_declined",
            "Processor Network Unavailable – Try Again",
        ),
        (
            "10.00",
            {"payment_method_nonce": "fake-processor-declined-visa-nonce"},
            "processor_declined",
            "2000",
            "soft_declined",
            "Do Not Honor",
        ),
    ):
        result = shop.pay(amount, **more)
        assert (result.is_success, result.message) == (False, text)
        refused = result.transaction
        assert (refused.status, refused.processor_response_code) == (status, code)
        assert refused.processor_response_type == kind
        assert shop.transaction.find(refused.id).status == status
    fraud = shop.pay(payment_method_nonce="fake-gateway-rejected-fraud-nonce").transaction
    assert (fraud.status, fraud.gateway_rejection_reason) == ("gateway_rejected", "fraud")
    consumed = shop.pay(payment_method_nonce="fake-consumed-nonce")
    assert code_of(consumed) == CODES.PaymentMethodNonceConsumed
    assert shop.booked("authorised") == []
    return "ErrorResult with the transaction: processor_declined, failed or gateway_rejected"


@SCENARIOS.add("authentication")
def authentication(shop: Shop) -> str:
    required = {"submit_for_settlement": False, "three_d_secure": {"required": True}}
    refused = shop.pay(options=required).transaction
    assert (refused.status, refused.gateway_rejection_reason) == (
        "gateway_rejected",
        "three_d_secure",
    )
    nonce = nonces.Nonces.ThreeDSecureVisaFullAuthentication
    assert shop.paid(options=required, payment_method_nonce=nonce).status == "authorized"
    passed = {"eci_flag": "05", "cavv": "a", "xid": "b"}
    assert shop.paid(options=required, three_d_secure_pass_thru=passed).status == "authorized"
    assert shop.booked("authorised") == [1000, 1000]
    return "gateway_rejected three_d_secure; with an authenticated nonce or pass-through authorized"


@SCENARIOS.add("capture in parts")
def capture_in_parts(shop: Shop) -> str:
    parent = shop.paid()
    parts = [
        shop.transaction.submit_for_partial_settlement(parent.id, amount).transaction
        for amount in ("4.00", "3.00")
    ]
    assert [(str(part.amount), part.status) for part in parts] == [
        ("4.00", "submitted_for_settlement"),
        ("3.00", "submitted_for_settlement"),
    ]
    assert {part.authorized_transaction_id for part in parts} == {parent.id}
    parent = shop.transaction.find(parent.id)
    assert parent.status == "settlement_pending"
    assert parent.partial_settlement_transaction_ids == [part.id for part in parts]
    more = shop.transaction.submit_for_partial_settlement(parent.id, "3.01")
    assert code_of(more) == CODES.SettlementAmountIsTooLarge
    less = shop.paid("9.00")
    assert str(shop.transaction.submit_for_settlement(less.id, "5.00").transaction.amount) == "5.00"
    again = shop.transaction.submit_for_settlement(less.id)
    assert code_of(again) == CODES.CannotSubmitForSettlement
    assert shop.booked("captured") == [400, 300, 500]
    assert shop.booked("voided") == [400]
    return "submit_for_partial_settlement per part; submit_for_settlement of less releases the rest"


@SCENARIOS.add("void")
def void(shop: Shop) -> str:
    held = shop.paid()
    assert shop.transaction.void(held.id).transaction.status == "voided"
    assert code_of(shop.transaction.void(held.id)) == CODES.CannotBeVoided
    late = shop.transaction.submit_for_settlement(held.id)
    assert code_of(late) == CODES.CannotSubmitForSettlement
    submitted = shop.paid("7.00", submit=True)
    assert shop.transaction.void(submitted.id).transaction.status == "voided"
    assert shop.booked("voided") == [1000]
    assert shop.booked("refunded") == [700]
    with pytest.raises(ERRORS.NotFoundError):
        shop.transaction.void("nothing")
    return "voided, what is submitted and not settled too (its capture is reversed)"


@SCENARIOS.add("refund")
def refund(shop: Shop) -> str:
    submitted = shop.paid(submit=True)
    early = shop.transaction.refund(submitted.id)
    assert code_of(early) == CODES.CannotRefundUnlessSettled
    sale = shop.settled()
    assert sale.status == "settled"
    back = shop.transaction.refund(sale.id, "3.00").transaction
    assert (back.type, str(back.amount), back.refunded_transaction_id) == (
        "credit",
        "3.00",
        sale.id,
    )
    more = shop.transaction.refund(sale.id, "7.01")
    assert code_of(more) == CODES.RefundAmountIsTooLarge
    rest = shop.transaction.reverse(sale.id).transaction
    assert str(rest.amount) == "7.00"
    assert shop.transaction.find(sale.id).refund_ids == [back.id, rest.id]
    assert code_of(shop.transaction.refund(sale.id)) == CODES.HasAlreadyBeenRefunded
    held = shop.paid("2.00")
    assert shop.transaction.reverse(held.id).transaction.status == "voided"
    assert shop.booked("refunded") == [300, 700]
    assert shop.booked("voided") == [200]
    return "a credit per part, after it is settled; reverse voids or refunds what is left"


@SCENARIOS.add("query")
def query(shop: Shop) -> str:
    sale = shop.paid(submit=True)
    held = shop.paid("2.00")
    search = braintree.TransactionSearch
    found = shop.transaction.search(search.order_id == shop.order)
    assert [each.id for each in found.items] == [held.id, sale.id]
    authorized = shop.transaction.search(
        [search.order_id == shop.order, search.status == "authorized"]
    )
    assert authorized.ids == [held.id]
    dear = shop.transaction.search([search.order_id == shop.order, search.amount >= "5.00"])
    assert dear.ids == [sale.id]
    assert shop.transaction.search(search.order_id == "nobody's").maximum_size == 0
    assert shop.transaction.find(sale.id).order_id == shop.order
    return "find by id; search by order id, which finds what has no answer"


@SCENARIOS.add("repeat")
def repeat(shop: Shop) -> str:
    first = shop.paid(submit=True, api_request_key=shop.order)
    assert shop.paid(submit=True, api_request_key=shop.order).id == first.id
    shop.gateway.testing.settle_transaction(first.id)
    # The current state, not the answer of that time.
    assert shop.paid(submit=True, api_request_key=shop.order).status == "settled"
    part = {"amount": "3.00", "api_request_key": f"{shop.order}-r"}
    back = shop.transaction.refund(first.id, dict(part)).transaction
    assert shop.transaction.refund(first.id, dict(part)).transaction.id == back.id
    assert shop.booked("captured") == [1000]
    assert shop.booked("refunded") == [300]
    return "the same transaction in its current state"


@SCENARIOS.add("mismatch")
def mismatch(shop: Shop) -> str:
    shop.paid(api_request_key=shop.order)
    other = shop.pay("9.99", api_request_key=shop.order)
    assert code_of(other) == CODES.ApiRequestKeyCanBeReusedOnlyWithTheSameRequest
    failed = shop.pay("0.00", api_request_key=f"{shop.order}-f")
    assert code_of(failed) == CODES.AmountMustBeGreaterThanZero
    again = shop.pay(api_request_key=f"{shop.order}-f")
    assert code_of(again) == CODES.ApiRequestKeyWithFailedRequest
    long = shop.pay(api_request_key="k" * 256)
    assert code_of(long) == CODES.ApiRequestKeyTooLong
    assert shop.booked("authorised") == [1000]
    return "ErrorResult 915232; 915234 after a refused request, 915230 when it is too long"


@SCENARIOS.add("in flight")
def in_flight(shop: Shop) -> str:
    shop.links.inject("slow_answer", link="issuer", delay="400ms")
    first = threading.Thread(target=shop.pay, kwargs={"api_request_key": shop.order})
    first.start()
    time.sleep(0.2)
    second = shop.pay(api_request_key=shop.order)
    first.join()
    assert code_of(second) == CODES.ApiRequestKeyIsInFlight
    assert shop.booked("authorised") == [1000]
    return "ErrorResult 915233"


@SCENARIOS.add("http 503")
def http_503(shop: Shop) -> str:
    shop.links.inject("http_error", status=503)
    with pytest.raises(ERRORS.ServiceUnavailableError):
        shop.pay()
    assert shop.requests() == 1
    shop.links.heal("http_error")
    for status, error in ((500, ERRORS.ServerError), (504, ERRORS.GatewayTimeoutError)):
        shop.links.inject("http_error", status=status, after_work=True)
        with pytest.raises(error):
            shop.pay(api_request_key=f"{shop.order}-{status}")
        shop.links.heal("http_error")
        # The same key shows what became of it.
        assert shop.paid(api_request_key=f"{shop.order}-{status}").status == "authorized"
    assert shop.booked("authorised") == [1000, 1000]
    return "ServiceUnavailableError, tries once; after a ServerError the key shows what was done"


@SCENARIOS.add("rate limit")
def rate_limit(shop: Shop) -> str:
    shop.links.inject("rate_limit", rate="6/min")
    with pytest.raises(ERRORS.TooManyRequestsError):
        for _ in range(4):
            shop.pay()
    return "TooManyRequestsError"


@SCENARIOS.add("cut connection")
def cut_connection(shop: Shop) -> str:
    shop.links.cut_next()
    with pytest.raises(requests.exceptions.ConnectionError):
        shop.pay(api_request_key=shop.order)
    assert shop.requests() == 1
    found = shop.transaction.search(braintree.TransactionSearch.order_id == shop.order)
    assert [each.status for each in found.items] == ["authorized"]
    assert shop.paid(api_request_key=shop.order).id == found.ids[0]
    shop.links.cut_next()
    wrapped = Shop(shop.links, wrap_http_exceptions=True)
    with pytest.raises(ERRORS.http.ConnectionError):
        wrapped.pay()
    assert shop.booked("authorised") == [1000]
    return "requests' ConnectionError, not retried; a search or the same key finds the transaction"


@SCENARIOS.add("unknown parameter")
def unknown_parameter(shop: Shop) -> str:
    with pytest.raises(KeyError, match="colour"):
        shop.pay(colour="red")
    assert shop.requests() == 0
    assert code_of(shop.pay("ten")) == CODES.AmountFormatIsInvalid
    bad = shop.pay(payment_method_nonce="nobody's")
    assert code_of(bad) == CODES.PaymentMethodNonceUnknown
    card = {"number": "4539578763621486", "expiration_date": "03/2030"}
    real = shop.transaction.sale({"amount": "10.00", "credit_card": card, "order_id": shop.order})
    assert code_of(real) == braintree.ErrorCodes.CreditCard.NumberMustBeTestNumber
    assert shop.paid(tax_amount="1.00").status == "authorized"
    ignored = {each.detail for each in shop.links.decisions() if each.kind == "parameter_ignored"}
    assert "tax_amount" in ignored
    return "KeyError of the SDK, nothing is sent; validation errors 81503, 91565, 81717"


@SCENARIOS.add("webhook")
def webhook(shop: Shop) -> str:
    sale = shop.settled()
    form = _form_about(shop, sale.id)
    found = shop.gateway.webhook_notification.parse(form["bt_signature"], form["bt_payload"])
    assert (found.kind, found.transaction.id) == ("transaction_settled", sale.id)
    assert (found.transaction.order_id, found.source_merchant_id) == (shop.order, "m")
    sample = shop.gateway.webhook_testing.sample_notification("transaction_settled", "x")
    forged = sample["bt_payload"].decode()
    with pytest.raises(ERRORS.InvalidSignatureError, match="does not match"):
        shop.gateway.webhook_notification.parse(form["bt_signature"], forged)
    other = re.sub(r"\|.*", "|" + "0" * 40, form["bt_signature"])
    with pytest.raises(ERRORS.InvalidSignatureError):
        shop.gateway.webhook_notification.parse(other, form["bt_payload"])
    return "webhook_notification.parse; InvalidSignatureError for another payload or signature"


def _form_about(shop: Shop, name: str) -> dict[str, str]:
    until_s = time.monotonic() + 10.0
    while time.monotonic() < until_s:
        for http in shop.links.received:
            form = {key: value[0] for key, value in parse_qs(http.body.decode()).items()}
            read = shop.gateway.webhook_notification.parse(form["bt_signature"], form["bt_payload"])
            if read.transaction.id == name:
                return form
        time.sleep(0.005)
    raise AssertionError(f"no webhook about {name}")


@pytest.fixture(scope="module")
def links() -> Iterator[VendorLinks]:
    with vendor_links("{braintree: {test_amounts: simulate}}") as running:
        yield running


@pytest.mark.parametrize("name", sdk_results.SCENARIOS)
def test_the_python_sdk_of_braintree(name: str, links: VendorLinks) -> None:
    cell = Cell(scenario=name, result=FAILED)
    sdk = f"braintree {braintree.version.Version}"
    try:
        cell.detail = SCENARIOS[name](Shop(links))
        cell.result = PASSED
    finally:
        keep(Column(vendor="braintree", language="python", sdk=sdk, cells=[cell]))
        for kind in ("http_error", "slow_answer", "rate_limit"):
            links.heal(kind)
        links.cut_next(0)
