"""What a mock ignores of a request is named, however deep it is."""

from __future__ import annotations

from typing import Any

import pytest

from paychain.payments.journal import Decision, DecisionKind
from paychain.protocol.vendor_ignored import Ignored, within
from tests.support.json_links import JsonLinks, on_vendor


class Call:
    """Notes what is ignored."""

    def __init__(self) -> None:
        self.named: list[str] = []

    def ignored(self, parameter: str) -> None:
        self.named.append(parameter)


def noted(given: dict[str, Any], used: frozenset[str], at: str = "") -> list[str]:
    call, ignored = Call(), Ignored()
    for _ in range(2):  # each once
        ignored.note(call, given, used, at)  # type: ignore[arg-type]  # a stand-in
    return call.named


def test_of_an_object_only_what_is_named_is_used() -> None:
    used = frozenset({"amount", *within("source", "id"), *within("source.owner", "name")})
    given = {
        "amount": {"value": 1},
        "source": {"id": "x", "owner": {"name": "Ada", "age": 36}, "colour": "red", "note": ""},
        "extra": 1,
    }
    assert noted(given, used) == ["source.owner.age", "source.colour", "extra"]
    assert noted({"age": 36}, frozenset({"name"}), "owner.") == ["owner.age"]
    assert noted({"source": "text"}, used) == []  # refused or read elsewhere


MONEY = {"currency_code": "EUR", "value": "10.00"}
CASES: list[tuple[str, str, dict[str, Any], list[str]]] = [
    (
        "paypal",
        "/v2/checkout/orders",
        {
            "intent": "CAPTURE",
            "purchase_units": [
                {"amount": MONEY, "payment_instruction": {"disbursement_mode": "X"}}
            ],
            "payment_source": {"paypal": {"experience_context": {"user_action": "PAY_NOW"}}},
            "application_context": {"brand_name": "Shop", "return_url": "https://shop.example"},
        },
        [
            "application_context.brand_name",
            "payment_source.paypal.experience_context.user_action",
            "purchase_units.payment_instruction",
        ],
    ),
    (
        "adyen",
        "/v72/payments",
        {
            "merchantAccount": "ShopEU",
            "reference": "1",
            "amount": {"value": 1000, "currency": "EUR"},
            "returnUrl": "https://shop.example",
            "paymentMethod": {"type": "scheme", "number": "4111111111111111", "sdkData": "x"},
            "additionalData": {"manualCapture": "true", "riskdata.skipRisk": "true"},
        },
        ["paymentMethod.sdkData", "additionalData.riskdata.skipRisk"],
    ),
    (
        "checkout",
        "/payments",
        {
            "amount": 1000,
            "currency": "EUR",
            "source": {"type": "token", "token": "tok_visa_4242", "store_for_future_use": True},
            "3ds": {"enabled": False, "challenge_indicator": "no_preference"},
        },
        ["source.store_for_future_use", "3ds.challenge_indicator"],
    ),
    (
        "square",
        "/v2/orders",
        {
            "idempotency_key": "k",
            "order": {
                "location_id": "LPAYCHAIN0001",
                "line_items": [
                    {
                        "quantity": "1",
                        "base_price_money": {"amount": 1000, "currency": "EUR"},
                        "quantity_unit": {"precision": 1},
                    }
                ],
            },
        },
        ["order.line_items.quantity_unit"],
    ),
    (
        "braintree",
        "/merchants/m/transactions",
        {
            "transaction": {
                "type": "sale",
                "amount": "10.00",
                "payment_method_nonce": "fake-valid-nonce",
                "options": {"three_d_secure": {"required": False}, "skip_cvv": True},
                "customer": {"email": "a@shop.example", "device_id": "x"},
                "billing": {"locality": "Cork", "international_phone": {"country_code": "353"}},
                "line_items": 5,
            }
        },
        ["customer.device_id", "billing.international_phone", "options.skip_cvv"],
    ),
]


@pytest.mark.parametrize(("vendor", "path", "body", "ignored"), CASES)
def test_what_a_mock_ignores_inside_an_object_is_in_the_report(
    vendor: str, path: str, body: dict[str, Any], ignored: list[str]
) -> None:
    async def scenario(links: JsonLinks) -> None:
        headers = {"x-api-key": "test"} if vendor == "adyen" else {}
        assert (await links.post(path, body, **headers)).status < 300

    links = on_vendor(JsonLinks(vendor), scenario)
    named = [each for each in links.journal if isinstance(each, Decision)]
    kind = DecisionKind.PARAMETER_IGNORED
    assert [each.detail for each in named if each.kind is kind] == ignored
