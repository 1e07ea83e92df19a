"""What a shop changes of a PayPal order before it is paid, and reports of it afterwards."""

from __future__ import annotations

from typing import Any

import msgspec

from paychain.payments.journal import Decision, DecisionKind
from paychain.protocol.dialects.paypal.account import Account
from tests.unit.protocol.paypal.test_paypal import PayPalLinks, on_paypal

UNIT = "/purchase_units/@reference_id=='default'"
ON_PAGE = "{paypal: {approval: on_page}}"


def replaced(path: str, value: Any, op: str = "replace") -> list[dict[str, Any]]:
    return [{"op": op, "path": path, "value": value}]


def eur(value: str) -> dict[str, str]:
    return {"currency_code": "EUR", "value": value}


def test_a_patched_amount_is_what_the_payer_is_charged() -> None:
    async def scenario(links: PayPalLinks) -> None:
        made = await links.order(payment_source={"paypal": {}})
        at = f"/v2/checkout/orders/{made.body['id']}"
        steps = [
            *replaced(f"{UNIT}/amount", eur("12.50")),
            *replaced(f"{UNIT}/shipping/address", {"country_code": "DE"}, "add"),
            *replaced("/purchase_units/@reference_id=='default'/description", "caps", "add"),
        ]
        done = await links.send(at, steps, method="PATCH")
        assert (done.status, done.body) == (204, {})
        (unit,) = (await links.get(at)).body["purchase_units"]
        assert (unit["amount"]["value"], unit["description"]) == ("12.50", "caps")
        assert unit["shipping"]["address"] == {"country_code": "DE"}
        assert (await links.send(f"{at}/capture", {}, "k")).body["status"] == "COMPLETED"
        late = await links.send(at, steps, method="PATCH")
        assert (late.status, late.issue) == (422, "ORDER_COMPLETED_OR_VOIDED")

    assert on_paypal(scenario).booked() == [("authorised", 1250), ("captured", 1250)]


def test_a_patch_that_cannot_be_made_changes_nothing() -> None:
    async def scenario(links: PayPalLinks) -> None:
        made = await links.order(payment_source={"paypal": {}})
        at = f"/v2/checkout/orders/{made.body['id']}"
        for steps, issue in (
            (
                replaced("/purchase_units/@reference_id=='b'/amount", eur("1.00")),
                "REFERENCE_ID_NOT_FOUND",
            ),
            (replaced(f"{UNIT}/reference_id", "x"), "NOT_PATCHABLE"),
            ([{"op": "remove", "path": f"{UNIT}/amount"}], "NOT_PATCHABLE"),
            ([{"op": "remove", "path": f"{UNIT}/soft_descriptor"}], "INVALID_PATCH_OPERATION"),
            # Nothing is replaced that is not there.
            (replaced(f"{UNIT}/description", "caps"), "INVALID_PATCH_OPERATION"),
            (replaced(f"{UNIT}/shipping/name", {}), "INVALID_PATCH_OPERATION"),
            (replaced(UNIT, {"description": "caps"}), "MISSING_REQUIRED_PARAMETER"),
            (replaced(UNIT, {"amount": eur("1.00"), "reference_id": "b"}), "NOT_PATCHABLE"),
            (replaced("amount", eur("1.00")), "INVALID_JSON_POINTER_FORMAT"),
            (replaced(f"{UNIT}/amount", eur("0.00")), "CANNOT_BE_ZERO_OR_NEGATIVE"),
            (
                [
                    *replaced(f"{UNIT}/shipping", "by mail", "add"),
                    *replaced(f"{UNIT}/shipping/name", {"full_name": "Ada"}, "add"),
                ],
                "INVALID_PATCH_OPERATION",
            ),
            ([{"op": "move", "path": "/intent"}], "INVALID_PARAMETER_VALUE"),
            ({"op": "replace"}, "MALFORMED_REQUEST_JSON"),
        ):
            refused = await links.send(at, steps, method="PATCH")
            assert refused.issue == issue
        assert (await links.get(at)).body["purchase_units"] == made.body["purchase_units"]

    on_paypal(scenario, ON_PAGE)


def test_a_unit_in_place_of_another_keeps_what_an_order_keeps_of_a_new_one() -> None:
    async def scenario(links: PayPalLinks) -> None:
        made = await links.order(payment_source={"paypal": {}})
        at = f"/v2/checkout/orders/{made.body['id']}"
        unit = {"amount": eur("12.50"), "description": "caps", "colour": "red"}
        done = await links.send(at, replaced(UNIT, unit), method="PATCH")
        assert done.status == 204
        (seen,) = (await links.get(at)).body["purchase_units"]
        assert (seen["amount"], seen["description"]) == (eur("12.50"), "caps")
        assert (seen["reference_id"], "colour" in seen) == ("default", False)

    ignored = {
        record.detail
        for record in on_paypal(scenario, ON_PAGE).journal
        if isinstance(record, Decision) and record.kind is DecisionKind.PARAMETER_IGNORED
    }
    assert ignored == {"purchase_units.colour"}


def test_a_shipment_is_shown_with_its_order_and_can_be_cancelled() -> None:
    async def scenario(links: PayPalLinks) -> None:
        made = await links.order()
        at, capture = f"/v2/checkout/orders/{made.body['id']}", made.paid["captures"][0]["id"]
        unknown = await links.send(f"{at}/track", {"capture_id": "X"})
        assert unknown.issue == "CAPTURE_ID_NOT_FOUND"
        wanted = {"capture_id": capture, "tracking_number": "1Z", "carrier": "UPS"}
        for _ in range(2):  # reported twice
            shipped = await links.send(f"{at}/track", wanted)
        assert shipped.status == 201
        (tracker,) = shipped.body["purchase_units"][0]["shipping"]["trackers"]
        assert (tracker["id"], tracker["status"]) == (f"{capture}-1Z", "SHIPPED")
        update = next(each["href"] for each in tracker["links"] if each["rel"] == "update")
        path = "/" + update.partition("://")[2].partition("/")[2]
        wrong = await links.send(path, replaced("/status", "LOST"), method="PATCH")
        assert wrong.issue == "INVALID_PARAMETER_VALUE"
        done = await links.send(path, replaced("/status", "CANCELLED"), method="PATCH")
        assert done.status == 204
        (seen,) = (await links.get(at)).body["purchase_units"][0]["shipping"]["trackers"]
        assert seen["status"] == "CANCELLED"

    on_paypal(scenario)


def test_the_payers_approval_is_reported_once_and_the_order_can_be_captured_by_that_alone() -> None:
    async def scenario(links: PayPalLinks) -> None:
        made = await links.order(payment_source={"paypal": {}})
        page = next(each["href"] for each in made.body["links"] if each["rel"] == "payer-action")
        path = "/" + page.partition("://")[2].partition("/")[2]
        for _ in range(2):
            await links.ask("GET", path, b"", {}, 2.0)

    links = on_paypal(scenario, ON_PAGE)
    events = [msgspec.json.decode(http.body) for http in links.webhooks]
    (approved,) = [each for each in events if each["event_type"] == "CHECKOUT.ORDER.APPROVED"]
    assert approved["resource_type"] == "checkout-order"
    resource = approved["resource"]
    assert resource["status"] == "APPROVED"
    assert {"capture", "self"} <= {each["rel"] for each in resource["links"]}


def test_an_approval_outlasts_a_capture_that_failed_and_is_reported_once() -> None:
    async def scenario(links: PayPalLinks) -> None:
        made = await links.order(payment_source=None)
        capture = f"/v2/checkout/orders/{made.body['id']}/capture"
        links.inject("http_error", status=503)
        assert (await links.send(capture, {}, "a")).status == 503
        links.heal("http_error")
        assert (await links.send(capture, {}, "b")).status == 201

    events = [msgspec.json.decode(http.body) for http in on_paypal(scenario).webhooks]
    kinds = [each["event_type"] for each in events]
    assert kinds == ["CHECKOUT.ORDER.APPROVED", "PAYMENT.CAPTURE.COMPLETED"]


def test_links_lead_to_where_the_api_was_asked() -> None:
    async def scenario(links: PayPalLinks) -> None:
        near = await links.order(payment_source={"paypal": {}})
        hrefs = {each["rel"]: each["href"] for each in near.body["links"]}
        host = hrefs["self"].partition("://")[2].partition("/")[0]
        assert ":" in host
        assert hrefs["self"] == f"http://{host}/v2/checkout/orders/{near.body['id']}"
        assert hrefs["payer-action"].startswith(f"http://{host}/checkoutnow?")

    on_paypal(scenario, ON_PAGE)


def test_at_paypals_own_host_the_payers_page_is_on_another_one() -> None:
    account = Account(backend=None, approval=ON_PAGE)  # type: ignore[arg-type]  # asked nothing
    real = account.at("https://api-m.sandbox.paypal.com")
    assert real.pages == "https://www.sandbox.paypal.com"
    for ours in ("https://127.0.0.1:9101", "http://paypal"):
        assert account.at(ours).pages == ours
