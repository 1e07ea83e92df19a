"""What PayPal's Python SDK does beyond a payment, and what it does on its own."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest

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
from tests.support.sdk_results import FAILED, OFFERED, PASSED, Cell, Column, keep
from tests.support.vendor_links import VendorLinks
from tests.support.vendor_shop import Scenarios

ApiException = pytest.importorskip("paypalserversdk.exceptions.api_exception").ApiException
Unauthenticated = pytest.importorskip(
    "apimatic_core.exceptions.auth_validation_exception"
).AuthValidationException
SCENARIOS = Scenarios()


@SCENARIOS.add("stored card")
def stored_card(shop: Shop) -> str:
    vault, customer = shop.client.vault, {"id": f"c{shop.order[-7:]}"}
    asked = {"payment_source": {"card": CARD}, "customer": customer}
    setup = vault.create_setup_token({"body": asked, "paypal_request_id": shop.key()}).body
    assert vault.get_setup_token(setup.id).body.status == "APPROVED"
    source = {"payment_source": {"token": {"id": setup.id, "type": "SETUP_TOKEN"}}}
    kept = vault.create_payment_token({"body": source, "paypal_request_id": shop.key()}).body
    assert kept.customer.id == customer["id"]
    keeps = {"vault": {"store_in_vault": "ON_SUCCESS"}, "customer": customer}
    order = shop.create(source={"card": {**CARD, "attributes": keeps}}).body
    stored = order.payment_source.card.attributes.vault
    assert (stored.status, stored.customer.id) == ("VAULTED", customer["id"])
    found = vault.list_customer_payment_tokens({"customer_id": customer["id"]}).body
    assert {token.id for token in found.payment_tokens} == {kept.id, stored.id}
    by_token = {"card": {"vault_id": kept.id}}
    assert shop.create(source=by_token, value="4.00").body.status == "COMPLETED"
    assert vault.delete_payment_token(kept.id).status_code == 204
    with pytest.raises(ErrorException) as gone:
        vault.get_payment_token(kept.id)
    assert gone.value.response_code == 404
    issue = issue_of(lambda: shop.create(source=by_token), 404)
    assert shop.booked("captured") == [1000, 400]
    return f"setup token, payment token, vault_id; 404 {issue} once deleted"


@SCENARIOS.add("order")
def order(shop: Shop) -> str:
    made = shop.create().body
    path = "/purchase_units/@reference_id=='default'/amount"
    patch = [{"op": "replace", "path": path, "value": money("12.00")}]
    assert shop.orders.patch_order({"id": made.id, "body": patch}).status_code == 204
    asked = {"id": made.id, "paypal_request_id": shop.key()}
    capture = paid(shop.orders.capture_order(asked).body).captures[0]
    shipped = {"capture_id": capture.id, "tracking_number": "1Z", "carrier": "UPS"}
    shown = shop.orders.create_order_tracking({"id": made.id, "body": shipped}).body
    (tracker,) = shown.purchase_units[0].shipping.trackers
    assert tracker.status == "SHIPPED"
    change = [{"op": "replace", "path": "/status", "value": "CANCELLED"}]
    done = shop.orders.update_order_tracking(
        {"id": made.id, "tracker_id": tracker.id, "body": change}
    )
    assert done.status_code == 204
    seen = shop.orders.get_order({"id": made.id}).body
    assert seen.purchase_units[0].shipping.trackers[0].status == "CANCELLED"
    late = issue_of(lambda: shop.orders.patch_order({"id": made.id, "body": patch}))
    units = [
        {"reference_id": name, "custom_id": f"{shop.order} {name}", "amount": money(value)}
        for name, value in (("hat", "3.00"), ("bag", "4.50"))
    ]
    body = {"intent": "CAPTURE", "purchase_units": units, "payment_source": {"card": CARD}}
    several = shop.orders.create_order(
        {"body": body, "prefer": WHOLE, "paypal_request_id": shop.key()}
    ).body
    sold = {unit.reference_id: unit.payments.captures[0] for unit in several.purchase_units}
    assert (sold["hat"].amount.value, sold["bag"].amount.value) == ("3.00", "4.50")
    assert shop.refund(sold["bag"].id, "1.50").body.status == "COMPLETED"
    left = [
        unit.payments.captures[0].status
        for unit in shop.orders.get_order({"id": several.id}).body.purchase_units
    ]
    assert left == ["COMPLETED", "PARTIALLY_REFUNDED"]
    assert shop.booked("captured") == [1200, 750]
    return (
        f"its amount is patched, {late} once it is paid; tracking is added and cancelled; each of "
        "two purchase units has a capture, which is refunded by itself"
    )


@SCENARIOS.add("lists")
def lists(shop: Shop) -> str:
    vault, owner = shop.client.vault, f"l{shop.order[-7:]}"
    made = []
    for _ in range(6):
        body = {"payment_source": {"card": CARD}, "customer": {"id": owner}}
        setup = vault.create_setup_token({"body": body, "paypal_request_id": shop.key()}).body.id
        source = {"payment_source": {"token": {"id": setup, "type": "SETUP_TOKEN"}}}
        kept = vault.create_payment_token({"body": source, "paypal_request_id": shop.key()})
        made.append(kept.body.id)

    def page(**more: Any) -> Any:
        return vault.list_customer_payment_tokens({"customer_id": owner, **more}).body

    assert [each.id for each in page().payment_tokens] == made[:5]
    second = page(page_size=4, page=2, total_required=True)
    assert [each.id for each in second.payment_tokens] == made[4:]
    assert (second.total_items, second.total_pages) == (6, 2)
    assert "next" in {link.rel for link in page(page_size=4).links}
    assert page(page=3).payment_tokens == []
    return "no pager of its own: page and page_size, at most 5 tokens; links name the next page"


@SCENARIOS.add("errors")
def errors(shop: Shop) -> str:
    shop.charge()  # the SDK has its token now
    seen = []
    for status in (400, 401, 403, 404, 422, 429, 500, 503):
        shop.links.inject("http_error", status=status)
        with pytest.raises(ApiException) as caught:
            shop.charge()
        shop.links.heal("http_error")
        assert caught.value.response_code == status
        seen.append(f"{status} {type(caught.value).__name__}")
    shop.links.inject("malformed")
    with pytest.raises(Exception) as broken:  # noqa: PT011  (which one it is, is what is asked)
        shop.charge()
    return f"{', '.join(seen)}; broken JSON is {type(broken.value).__name__}"


@SCENARIOS.add("own retries")
def own_retries(shop: Shop) -> str:
    shop.charge()
    for status in (429, 500, 503):
        before = shop.requests()
        shop.links.inject("http_error", status=status)
        with pytest.raises(ErrorException):
            shop.charge()
        shop.links.heal("http_error")
        assert shop.requests() == before + 1
    keyless = issue_of(lambda: shop.charge(paypal_request_id=None), 400)
    assert keyless == "PAYPAL_REQUEST_ID_REQUIRED"
    other = Shop(shop.links)
    shop.links.inject("http_error", status=503)
    with pytest.raises(Unauthenticated):
        other.charge()
    shop.links.heal("http_error")
    assert other.charge().status == "COMPLETED"
    return (
        "none, and no key of its own; AuthValidationException without a token, then it asks again"
    )


@SCENARIOS.add("headers")
def headers(shop: Shop) -> str:
    shop.charge(paypal_request_id="once")
    sent = shop.links.exchanges[-1][0].headers
    assert sent["authorization"].startswith("Bearer ")
    assert sent["paypal-request-id"] == "once"
    return f"names itself {sent['user-agent']}"


@pytest.fixture(scope="module")
def links() -> Iterator[VendorLinks]:
    with paypal_links() as running:
        yield running


@pytest.mark.parametrize("name", OFFERED["paypal"])
def test_the_python_sdk_of_paypal_beyond_a_payment(name: str, links: VendorLinks) -> None:
    cell = Cell(scenario=name, result=FAILED)
    library = f"paypal-server-sdk {version('paypal-server-sdk')}"
    try:
        cell.detail = SCENARIOS[name](Shop(links))
        cell.result = PASSED
    finally:
        keep(Column(vendor="paypal", language="python", sdk=library, cells=[cell]))
        for kind in ("http_error", "malformed"):
            links.heal(kind)
