"""A PayPal order of several units: charged as one, each captured and refunded by itself."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
from msgspec.structs import replace

from paychain.payments.cards import TEST_CARDS
from paychain.protocol.dialects.paypal.records import CaptureOrRefund, Charge
from paychain.protocol.message import PaymentRequest
from tests.support.vendor_links import payment
from tests.unit.protocol.paypal.test_paypal import CARD, Answered, PayPalLinks, on_paypal
from tests.unit.protocol.paypal.test_paypal_patching import eur, replaced


def unit(name: str, value: str, **more: Any) -> dict[str, Any]:
    given = {"reference_id": name, "amount": eur(value), "custom_id": f"{payment(1)} {name}"}
    return {**given, **more}


TWO = [unit("hat", "10.00"), unit("bag", "5.50", payee={"merchant_id": "OTHER"})]
WALLET: dict[str, Any] = {"paypal": {}}


def captures(shown: Answered) -> list[tuple[str, str, str, str]]:
    """Of each unit: its reference id, and its capture's status, amount and text."""
    return [
        (
            each["reference_id"],
            capture["status"],
            capture["amount"]["value"],
            capture.get("custom_id", ""),
        )
        for each in shown.body["purchase_units"]
        for capture in each["payments"]["captures"]
    ]


def test_each_unit_has_a_capture_of_its_own_and_the_payer_is_charged_once() -> None:
    async def scenario(links: PayPalLinks) -> None:
        made = await links.order(purchase_units=TWO, payment_source=WALLET)
        at = f"/v2/checkout/orders/{made.body['id']}"
        paid = await links.send(f"{at}/capture", {}, "capture")
        assert (paid.status, paid.body["status"]) == (201, "COMPLETED")
        assert captures(paid) == [
            ("hat", "COMPLETED", "10.00", f"{payment(1)} hat"),
            ("bag", "COMPLETED", "5.50", f"{payment(1)} bag"),
        ]
        payees = [each["payee"]["merchant_id"] for each in paid.body["purchase_units"]]
        assert payees == ["PAYCHAIN", "OTHER"]
        again = await links.send(f"{at}/capture", {}, "capture")
        assert (again.status, captures(again)) == (200, captures(paid))
        late = await links.send(f"{at}/capture", {}, "another")
        assert (late.status, late.issue) == (422, "ORDER_ALREADY_CAPTURED")

    links = on_paypal(scenario)
    assert links.booked() == [("authorised", 1550), ("captured", 1550)]
    reported = [
        (event["event_type"], event["resource"]["amount"]["value"], event["resource"]["custom_id"])
        for event in map(msgspec.json.decode, (http.body for http in links.webhooks))
        if event["resource_type"] == "capture"
    ]
    assert sorted(reported) == [
        ("PAYMENT.CAPTURE.COMPLETED", "10.00", f"{payment(1)} hat"),
        ("PAYMENT.CAPTURE.COMPLETED", "5.50", f"{payment(1)} bag"),
    ]
    assert len({msgspec.json.decode(http.body)["id"] for http in links.webhooks}) == 3


def test_each_unit_is_refunded_and_shipped_by_itself() -> None:
    async def scenario(links: PayPalLinks) -> None:
        paid = await links.order(purchase_units=TWO)
        hat, bag = (each["payments"]["captures"][0] for each in paid.body["purchase_units"])
        part = {"amount": eur("2.50")}
        assert (await links.send(f"/v2/payments/captures/{bag['id']}/refund", part)).status == 201
        more = await links.send(
            f"/v2/payments/captures/{bag['id']}/refund", {"amount": eur("3.01")}
        )
        assert more.issue == "REFUND_AMOUNT_EXCEEDED"
        assert (await links.send(f"/v2/payments/captures/{hat['id']}/refund", {})).status == 201
        at = f"/v2/checkout/orders/{paid.body['id']}"
        shipped = {"capture_id": bag["id"], "tracking_number": "1Z"}
        await links.send(f"{at}/track", shipped)
        seen = await links.get(at)
        assert [status for _, status, _, _ in captures(seen)] == ["REFUNDED", "PARTIALLY_REFUNDED"]
        units = seen.body["purchase_units"]
        refunds = [
            (refund["amount"]["value"], refund["custom_id"])
            for each in units
            for refund in each["payments"]["refunds"]
        ]
        assert refunds == [("10.00", f"{payment(1)} hat"), ("2.50", f"{payment(1)} bag")]
        assert ["shipping" in each for each in units] == [False, True]

    assert on_paypal(scenario).booked() == [
        ("authorised", 1550),
        ("captured", 1550),
        ("refunded", 250),
        ("refunded", 1000),
    ]


def test_all_units_are_declined_or_none() -> None:
    async def scenario(links: PayPalLinks) -> None:
        card = {**CARD, "name": "CCREJECT-REFUSED"}
        declined = await links.order(purchase_units=TWO, payment_source={"card": card})
        assert [each[1] for each in captures(declined)] == ["DECLINED"] * 2

    links = on_paypal(scenario)
    assert links.booked() == []
    kinds = [msgspec.json.decode(http.body)["event_type"] for http in links.webhooks]
    assert kinds == ["PAYMENT.CAPTURE.DECLINED"] * 2


def test_what_is_approved_in_part_pays_the_units_in_their_order() -> None:
    asked = PaymentRequest("p1", 2_000, "EUR", TEST_CARDS[0], is_sale=True)
    parts = [
        CaptureOrRefund(item=f"c{number}", amount_minor=minor, created_s=0)
        for number, minor in enumerate((1_000, 550, 450), start=1)
    ]
    charge = Charge(request=asked, created_s=0, is_card=True, captures=parts)
    entry = Mock(request=replace(asked, amount_minor=1_400), captured_minor=1_400)
    for _ in range(2):
        charge.captured(entry)
        assert [part.amount_minor for part in parts] == [1_000, 400, 0]


def test_a_unit_is_changed_and_added_before_the_order_is_paid() -> None:
    async def scenario(links: PayPalLinks) -> None:
        made = await links.order(purchase_units=TWO, payment_source=WALLET)
        at = f"/v2/checkout/orders/{made.body['id']}"
        of = "/purchase_units/@reference_id=='{}'"
        steps = [
            *replaced(f"{of.format('bag')}/amount", eur("6.00")),
            *replaced(of.format("cap"), {"amount": eur("1.25")}, "add"),
        ]
        assert (await links.send(at, steps, method="PATCH")).status == 204
        for refused, issue in (
            (replaced(f"{of.format('nut')}/amount", eur("1.00")), "REFERENCE_ID_NOT_FOUND"),
            (replaced("/purchase_units/3/amount", eur("1.00")), "REFERENCE_ID_NOT_FOUND"),
            (
                replaced(f"{of.format('bag')}/amount", {**eur("1.00"), "currency_code": "USD"}),
                "MULTI_CURRENCY_ORDER",
            ),
            (replaced("/intent", "AUTHORIZE"), "UNSUPPORTED_INTENT"),
        ):
            assert (await links.send(at, refused, method="PATCH")).issue == issue
        paid = await links.send(f"{at}/capture", {}, "capture")
        assert [each[::2] for each in captures(paid)[:2]] == [("hat", "10.00"), ("bag", "6.00")]
        assert paid.body["purchase_units"][2]["reference_id"] == "cap"

    assert on_paypal(scenario).booked() == [("authorised", 1725), ("captured", 1725)]


def test_a_unit_is_added_to_one_that_has_no_reference_id_of_its_own() -> None:
    """PayPal gives the only unit of an order the reference id `default`."""

    async def scenario(links: PayPalLinks) -> None:
        only = {"amount": eur("10.00"), "custom_id": payment(1)}
        made = await links.order(purchase_units=[only], payment_source=WALLET)
        at = f"/v2/checkout/orders/{made.body['id']}"
        path = "/purchase_units/@reference_id=='cap'"
        added = replaced(path, {"amount": eur("1.25")}, "add")
        assert (await links.send(at, added, method="PATCH")).status == 204
        paid = await links.send(f"{at}/capture", {}, "capture")
        assert [each[0] for each in captures(paid)[:1]] == ["default"]

    assert on_paypal(scenario).booked() == [("authorised", 1125), ("captured", 1125)]


@pytest.mark.parametrize(
    ("units", "intent", "status", "issue"),
    [
        ([unit("a", "1.00"), {"amount": eur("1.00")}], "CAPTURE", 422, "REFERENCE_ID_REQUIRED"),
        ([unit("a", "1.00")] * 2, "CAPTURE", 422, "DUPLICATE_REFERENCE_ID"),
        (
            [unit(f"u{number}", "1.00") for number in range(11)],
            "CAPTURE",
            400,
            "INVALID_ARRAY_MAX_ITEMS",
        ),
        ([unit("a", "1.00"), unit("b", "-1.00")], "CAPTURE", 422, "CANNOT_BE_ZERO_OR_NEGATIVE"),
        ([unit("a", "1.00"), 7], "CAPTURE", 400, "MALFORMED_REQUEST_JSON"),
        ([unit("a", "1.00"), unit("b", "1.00")], "AUTHORIZE", 422, "UNSUPPORTED_INTENT"),
    ],
)
def test_units_that_paypal_refuses(units: list[Any], intent: str, status: int, issue: str) -> None:
    async def scenario(links: PayPalLinks) -> None:
        refused = await links.order(purchase_units=units, intent=intent)
        assert (refused.status, refused.issue) == (status, issue)

    assert on_paypal(scenario).booked() == []
