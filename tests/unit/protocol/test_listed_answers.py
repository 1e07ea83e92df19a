"""What each vendor's API answers to one request: the status, and what is in the body.

A row is one thing that a shop's code reads; what takes several requests is in the vendor's own
tests, and what an SDK makes of it in tests/conformance/sdk.
"""

from __future__ import annotations

from typing import Any

import pytest

from paychain.protocol.pays.json_path import find, parse_path
from tests.support.json_links import JsonLinks, on_vendor
from tests.support.stripe_links import Shown, StripeLinks, on_stripe
from tests.support.vendor_links import payment

Fields = dict[str, Any]
INTENT = "payment_intent"
DECLINED, BAD = "card_error", "invalid_request_error"


def has(shown: Shown, status: int, fields: Fields) -> None:
    found = {path: find(shown.body, parse_path(path)) for path in fields}
    assert (shown.status, found) == (status, fields)


def refusal(code: str, decline_code: str | None = None) -> Fields:
    return {
        "error.type": DECLINED,
        "error.code": code,
        "error.decline_code": decline_code,
        "error.payment_intent.status": "requires_payment_method",
    }


@pytest.mark.parametrize(
    ("method", "status", "fields"),
    [
        ("pm_card_visa", 200, {"status": "succeeded", "amount_received": 1000}),
        ("pm_card_mastercard", 200, {"status": "succeeded"}),
        ("tok_visa", 200, {"status": "succeeded"}),
        ("pm_card_authenticationRequired", 200, {"status": "requires_action"}),
        ("pm_card_chargeDeclined", 402, refusal("card_declined", "generic_decline")),
        ("pm_card_visa_chargeDeclined", 402, refusal("card_declined", "generic_decline")),
        (
            "pm_card_visa_chargeDeclinedInsufficientFunds",
            402,
            refusal("card_declined", "insufficient_funds"),
        ),
        ("pm_card_visa_chargeDeclinedLostCard", 402, refusal("card_declined", "lost_card")),
        ("pm_card_chargeDeclinedExpiredCard", 402, refusal("expired_card")),
        ("pm_card_chargeDeclinedIncorrectCvc", 402, refusal("incorrect_cvc")),
        ("pm_card_chargeDeclinedProcessingError", 402, refusal("processing_error")),
        ("pm_none", 400, {"error.type": BAD, "error.code": "resource_missing"}),
    ],
)
def test_stripes_cards(method: str, status: int, fields: Fields) -> None:
    async def scenario(links: StripeLinks) -> None:
        has(await links.pay(payment_method=method), status, fields)

    on_stripe(scenario)


@pytest.mark.parametrize(
    ("path", "body", "status", "fields"),
    [
        (
            "payment_intents",
            {"amount": 500},
            400,
            {"error.code": "parameter_missing", "error.param": "currency"},
        ),
        (
            "payment_intents",
            {"amount": 0, "currency": "eur"},
            400,
            {"error.code": "parameter_invalid_integer"},
        ),
        (
            "payment_intents",
            {"amount": 500, "currency": "eur", "colour": 1},
            400,
            {"error.code": "parameter_unknown", "error.param": "colour"},
        ),
        (
            "payment_intents",
            {"amount": 500, "currency": "eur"},
            200,
            {"object": INTENT, "status": "requires_payment_method", "livemode": False},
        ),
        (
            "payment_intents",
            {"amount": 500, "currency": "eur", "payment_method": "pm_card_visa"},
            200,
            {"status": "requires_confirmation"},
        ),
        ("payment_intents/pi_none/capture", {}, 404, {"error.code": "resource_missing"}),
        ("refunds", {}, 400, {"error.type": BAD, "error.code": "parameter_missing"}),
        ("customers", {"email": "ada@example.com"}, 200, {"object": "customer"}),
        ("charges", {}, 404, {"error.type": BAD}),
    ],
)
def test_stripes_requests(path: str, body: Fields, status: int, fields: Fields) -> None:
    async def scenario(links: StripeLinks) -> None:
        has(await links.post(path, body), status, fields)

    on_stripe(scenario)


def adyen(**more: Any) -> Fields:
    method = {"type": "scheme", "encryptedCardNumber": "test_4111111111111111"}
    body = {
        "amount": {"value": 1000, "currency": "EUR"},
        "merchantAccount": "ShopEU",
        "reference": payment(1),
        "returnUrl": "https://shop.example/r",
        "paymentMethod": method | more.pop("method", {}),
        **more,
    }
    return {name: value for name, value in body.items() if value is not None}


def held_by(name: str) -> Fields:
    return adyen(method={"holderName": name})


def refused(reason: str, code: str) -> Fields:
    return {"resultCode": "Refused", "refusalReason": reason, "refusalReasonCode": code}


def wrong(code: str, kind: str = "validation") -> Fields:
    return {"errorCode": code, "errorType": kind}


AMOUNT = {"amount": {"value": 100, "currency": "EUR"}, "merchantAccount": "ShopEU"}


@pytest.mark.parametrize(
    ("path", "body", "status", "fields"),
    [
        ("payments", adyen(), 200, {"resultCode": "Authorised", "merchantReference": payment(1)}),
        ("payments", held_by("DECLINED"), 200, refused("Refused", "2")),
        ("payments", held_by("CARD_EXPIRED"), 200, refused("Expired Card", "6")),
        ("payments", held_by("NOT_ENOUGH_BALANCE"), 200, refused("Not enough balance", "12")),
        ("payments", held_by("CVC_DECLINED"), 200, refused("CVC Declined", "24")),
        ("payments", held_by("ERROR"), 200, {"resultCode": "Error", "refusalReasonCode": "4"}),
        ("payments", adyen(amount=None), 422, wrong("100")),
        ("payments", adyen(reference=None), 422, wrong("130")),
        ("payments", adyen(merchantAccount=None), 422, wrong("130")),
        ("payments", adyen(returnUrl=None), 422, wrong("14_030")),
        ("payments", adyen(paymentMethod=None), 422, wrong("14_006")),
        ("payments", b"{", 400, wrong("702")),
        ("payments", adyen(merchantAccount="Other"), 403, wrong("901", "security")),
        ("payments/details", {}, 422, wrong("14_006")),
        ("payments/NONE/captures", AMOUNT, 422, wrong("167")),
        ("cancels", {"merchantAccount": "ShopEU"}, 422, wrong("130")),
        (
            "cancels",
            {"merchantAccount": "ShopEU", "paymentReference": "nobody's"},
            201,
            {"status": "received"},
        ),
    ],
)
def test_adyens_requests(path: str, body: Any, status: int, fields: Fields) -> None:
    async def scenario(links: JsonLinks) -> None:
        has(await links.post(f"/v72/{path}", body), status, fields)

    on_vendor(JsonLinks("{adyen: {merchant: ShopEU}}"), scenario)


def checkout(**more: Any) -> Fields:
    card = {"type": "card", "number": "4242424242424242", "expiry_month": 12, "expiry_year": 2030}
    return {"amount": 1000, "currency": "EUR", "reference": payment(1), "source": card, **more}


def square(source: str = "cnon:card-nonce-ok", **more: Any) -> Fields:
    money = {"amount": 1000, "currency": "EUR"}
    body = {"source_id": source, "idempotency_key": "k", "amount_money": money}
    return {**body, "reference_id": payment(1), **more}


def paypal(intent: str) -> Fields:
    unit = {"custom_id": payment(1), "amount": {"currency_code": "EUR", "value": "10.00"}}
    return {"intent": intent, "purchase_units": [unit]}


@pytest.mark.parametrize(
    ("dialect", "path", "body", "status", "fields"),
    [
        (
            "checkout",
            "payments",
            checkout(capture=False),
            201,
            {"approved": True, "status": "Authorized", "response_code": "10000"},
        ),
        (
            "checkout",
            "payments",
            checkout(**{"3ds": {"enabled": True}}),
            202,
            {"status": "Pending"},
        ),
        (
            "checkout",
            "payments",
            {"amount": 5},
            422,
            {"error_type": "request_invalid", "error_codes[0]": "currency_required"},
        ),
        ("checkout", "payments/pay_none/captures", {}, 404, {}),
        ("square", "v2/payments", square(), 200, {"payment.status": "COMPLETED"}),
        ("square", "v2/payments", square(autocomplete=False), 200, {"payment.status": "APPROVED"}),
        (
            "square",
            "v2/payments",
            square("cnon:card-nonce-declined"),
            402,
            {"payment.status": "FAILED", "errors[0].code": "GENERIC_DECLINE"},
        ),
        (
            "square",
            "v2/payments",
            square(idempotency_key="k" * 46),
            400,
            {"errors[0].code": "VALUE_TOO_LONG"},
        ),
        ("square", "v2/payments/cancel", {"idempotency_key": "nobody's"}, 200, {"errors": None}),
        ("square", "v2/payments/none/complete", {}, 404, {"errors[0].code": "NOT_FOUND"}),
        ("paypal", "v2/checkout/orders", paypal("AUTHORIZE"), 201, {"status": "CREATED"}),
        (
            "paypal",
            "v2/checkout/orders",
            paypal("SELL"),
            400,
            {"name": "INVALID_REQUEST", "details[0].issue": "INVALID_PARAMETER_VALUE"},
        ),
        (
            "paypal",
            "v2/payments/authorizations/NONE/void",
            {},
            404,
            {"name": "RESOURCE_NOT_FOUND", "details[0].issue": "INVALID_RESOURCE_ID"},
        ),
    ],
)
def test_the_others_requests(
    dialect: str, path: str, body: Fields, status: int, fields: Fields
) -> None:
    async def scenario(links: JsonLinks) -> None:
        sent = {"authorization": f"Bearer sk_sbox_{'a' * 26}"} if dialect == "checkout" else {}
        has(await links.post(f"/{path}", body, **sent), status, fields)

    on_vendor(JsonLinks(dialect), scenario)
