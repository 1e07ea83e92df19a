"""What Stripe's Python SDK does beyond a payment, and what it does on its own."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.sdk_results import FAILED, OFFERED, PASSED, Cell, Column, keep
from tests.support.stripe_shop import Shop, stripe
from tests.support.vendor_links import VendorLinks, vendor_links
from tests.support.vendor_shop import Scenarios, redirected
from tests.support.waiting import wait_until

SCENARIOS = Scenarios()


def _email(shop: Shop) -> str:
    return f"{shop.order}@shop.example"


def _customer(shop: Shop, **more: Any) -> Any:
    return shop.client.v1.customers.create({"email": _email(shop), **more})


def _set_up(shop: Shop, customer: str, card: str) -> Any:
    wanted = {
        "customer": customer,
        "payment_method": card,
        "confirm": True,
        "return_url": "https://shop.example/return",
        "expand": ["payment_method"],
    }
    return shop.client.v1.setup_intents.create(wanted)


@SCENARIOS.add("customer")
def customer(shop: Shop) -> str:
    customers = shop.client.v1.customers
    made = _customer(shop, name="Ada", metadata={"tier": "gold"})
    changed = customers.update(made.id, {"name": "Ada L.", "metadata": {"a": "b"}})
    assert changed.metadata.to_dict() == {"tier": "gold", "a": "b"}
    (listed,) = customers.list({"email": _email(shop)}).data
    assert listed.name == "Ada L."
    found = customers.search({"query": f'email:"{_email(shop)}"'}).data
    assert [each.id for each in found] == [made.id]
    assert customers.delete(made.id).deleted
    gone = customers.retrieve(made.id)
    assert (gone.deleted, "email" in gone) == (True, False)
    assert customers.list({"email": _email(shop)}).data == []
    with pytest.raises(stripe.InvalidRequestError) as caught:
        customers.update(made.id, {"name": "x"})
    assert caught.value.code == "resource_missing"
    return "list by email, search; a deleted one is read as deleted"


@SCENARIOS.add("stored card")
def stored_card(shop: Shop) -> str:
    client, owner = shop.client.v1, _customer(shop).id
    card = client.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}}).id
    setup = _set_up(shop, owner, card)
    assert (setup.status, setup.payment_method.customer) == ("succeeded", owner)
    assert [each.id for each in client.customers.payment_methods.list(owner).data] == [card]
    assert shop.pay(method=card, customer=owner, off_session=True).status == "succeeded"
    waits = _set_up(shop, owner, "pm_card_authenticationRequiredOnSetup")
    assert waits.status == "requires_action"
    redirected(waits.next_action.redirect_to_url.url)
    assert client.setup_intents.retrieve(waits.id).status == "succeeded"
    with pytest.raises(stripe.CardError) as declined:
        _set_up(shop, owner, "pm_card_chargeDeclined")
    assert declined.value.error.setup_intent.last_setup_error.code == "card_declined"
    assert client.payment_methods.detach(card).customer is None
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        shop.pay(method=card)
    assert shop.booked("captured") == [1000]
    return "a SetupIntent keeps it, off_session pays; a detached one is refused"


@SCENARIOS.add("hosted page")
def hosted_page(shop: Shop) -> str:
    sessions = shop.client.v1.checkout.sessions
    price = {"currency": "eur", "unit_amount": 500, "product_data": {"name": "Cap"}}
    session = sessions.create(
        {
            "mode": "payment",
            "success_url": "https://shop.example/done?session={CHECKOUT_SESSION_ID}",
            "line_items": [{"quantity": 2, "price_data": price}],
            "payment_intent_data": {"metadata": {"order": shop.order}},
        }
    )
    assert (session.status, session.payment_intent) == ("open", None)
    assert redirected(session.url) == f"https://shop.example/done?session={session.id}"
    paid = sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge", "line_items"]})
    assert (paid.status, paid.payment_status) == ("complete", "paid")
    assert paid.payment_intent.latest_charge.amount == 1000
    assert paid.line_items.data[0].description == "Cap"
    lines = sessions.line_items.list(session.id).auto_paging_iter()
    assert [each.quantity for each in lines] == [2]
    with pytest.raises(stripe.InvalidRequestError):
        sessions.expire(session.id)
    assert shop.booked("captured") == [1000]
    owner = _customer(shop).id
    keeps = {"mode": "setup", "currency": "eur", "customer": owner}
    setup = sessions.create({**keeps, "success_url": "https://shop.example/kept"})
    assert (setup.payment_status, setup.amount_total) == ("no_payment_required", None)
    assert redirected(setup.url) == "https://shop.example/kept"
    kept = sessions.retrieve(setup.id, {"expand": ["setup_intent"]})
    assert (kept.status, kept.setup_intent.status) == ("complete", "succeeded")
    assert shop.pay(method=kept.setup_intent.payment_method, customer=owner).status == "succeeded"
    return "a Checkout Session: open, then complete and paid; with mode setup it keeps a card"


@SCENARIOS.add("front end")
def front_end(shop: Shop) -> str:
    client, owner = shop.client.v1, _customer(shop).id
    wanted = {"payment_method": "pm_card_visa", "return_url": "https://shop.example/return"}
    token = client.test_helpers.confirmation_tokens.create(wanted)
    shown = client.confirmation_tokens.retrieve(token.id).payment_method_preview
    assert shown.card.last4 == "4242"
    intent = shop.intents.create(
        {"amount": 1000, "currency": "eur", "metadata": {"order": shop.order}}
    )
    paid = shop.intents.confirm(intent.id, {"confirmation_token": token.id})
    assert (paid.status, shop.booked("captured")) == ("succeeded", [1000])
    key = client.ephemeral_keys.create({"customer": owner}, {"stripe_version": stripe.api_version})
    assert client.ephemeral_keys.delete(key.id).id == key.id
    components = {"payment_element": {"enabled": True}}
    session = client.customer_sessions.create({"customer": owner, "components": components})
    assert session.components.payment_element.enabled
    assert client.accounts.retrieve_current().charges_enabled
    return "a confirmation token pays; ephemeral keys and customer sessions"


@SCENARIOS.add("changed refund")
def changed_refund(shop: Shop) -> str:
    refund = shop.refunds.create({"payment_intent": shop.pay().id, "amount": 300})
    changed = shop.refunds.update(refund.id, {"metadata": {"why": "broken"}})
    assert changed.metadata.to_dict() == {"why": "broken"}
    with pytest.raises(stripe.InvalidRequestError, match="requires_action"):
        shop.refunds.cancel(refund.id)
    assert shop.refunds.retrieve(refund.id).status == "succeeded"
    events = shop.client.v1.events.list({"type": "refund.updated"}).data
    told = [each.data.object.metadata for each in events if each.data.object.id == refund.id]
    assert [each.to_dict() for each in told] == [{"why": "broken"}]
    assert shop.booked("refunded") == [300]
    return "its metadata; only one that requires_action can be cancelled: InvalidRequestError"


@SCENARIOS.add("dispute")
def dispute(_shop: Shop) -> str:
    with vendor_links("stripe", issuer="disputes: {share: 100%, after: 200ms}") as links:
        shop = Shop(links)
        disputes, paid = shop.client.v1.disputes, shop.pay()
        wait_until(lambda: disputes.list().data, "the dispute")
        (found,) = disputes.list({"payment_intent": paid.id}).data
        assert (found.charge, found.status) == (paid.latest_charge, "needs_response")
        said = {"evidence": {"product_description": "a cap"}}
        sent = disputes.update(found.id, said)
        assert (sent.status, sent.evidence_details.has_evidence) == ("under_review", True)
        with pytest.raises(stripe.InvalidRequestError):
            disputes.close(found.id)
    return "needs_response; evidence puts it under_review, and it can no longer be closed"


@SCENARIOS.add("catalogue")
def catalogue(shop: Shop) -> str:
    products, prices = shop.client.v1.products, shop.client.v1.prices
    product = products.create({"name": "Shirt"}).id
    wanted = {"product": product, "currency": "eur", "unit_amount": 1000, "lookup_key": shop.order}
    price = prices.create(wanted)
    (found,) = prices.list({"lookup_keys": [shop.order], "expand": ["data.product"]}).data
    assert (found.id, found.product.name) == (price.id, "Shirt")
    assert found.unit_amount_decimal == 1000
    with pytest.raises(stripe.InvalidRequestError):
        prices.create(wanted)
    prices.update(price.id, {"active": False})
    assert prices.list({"product": product, "active": True}).data == []
    with pytest.raises(stripe.InvalidRequestError, match="user-created prices"):
        products.delete(product)
    return "products and prices; by lookup_key, with the product expanded"


@SCENARIOS.add("lists")
def lists(shop: Shop) -> str:
    customers, mine = shop.client.v1.customers, {"email": _email(shop)}
    made = [_customer(shop).id for _ in range(7)][::-1]
    pages = customers.list({**mine, "limit": 3})
    assert [each.id for each in pages.auto_paging_iter()] == made
    asked = [parse_qs(urlsplit(http.target).query) for http, _ in shop.links.exchanges[-3:]]
    assert [each.get("starting_after") for each in asked] == [None, [made[2]], [made[5]]]
    upwards = customers.list({**mine, "limit": 2, "ending_before": made[6]})
    assert [each.id for each in upwards.auto_paging_iter()] == made[5::-1]
    found = customers.search({"query": f'email:"{_email(shop)}"', "limit": 3})
    assert [each.id for each in found.auto_paging_iter()] == made
    assert customers.list({**mine, "created": {"gt": pages.data[0].created}}).data == []
    with pytest.raises(stripe.InvalidRequestError) as caught:
        customers.list({"limit": 101})
    assert caught.value.param == "limit"
    return "auto-pagination onwards and backwards, by starting_after, ending_before and page"


@SCENARIOS.add("errors")
def errors(shop: Shop) -> str:
    seen = []
    for status, kind in (
        (400, stripe.InvalidRequestError),
        (401, stripe.AuthenticationError),
        (402, stripe.CardError),
        (403, stripe.PermissionError),
        (404, stripe.InvalidRequestError),
        (429, stripe.RateLimitError),
        (500, stripe.APIError),
        (502, stripe.APIError),
        (504, stripe.APIError),
    ):
        shop.links.inject("http_error", status=status)
        with pytest.raises(stripe.StripeError) as caught:
            shop.pay()
        assert (type(caught.value), caught.value.http_status) == (kind, status)
        assert caught.value.request_id.startswith("req_")
        shop.links.heal("http_error")
        seen.append(f"{status} {kind.__name__}")
    with pytest.raises(stripe.InvalidRequestError) as large:
        shop.pay(1 << 30)
    assert "amount-too-large" in large.value.error.doc_url
    shop.links.inject("malformed")
    with pytest.raises(stripe.APIError):
        shop.pay()
    return ", ".join(seen)


@SCENARIOS.add("own retries")
def own_retries(shop: Shop) -> str:
    retrying = Shop(shop.links, retries=2)

    def sent(**fault: Any) -> list[str]:
        """The keys of the requests of one payment."""
        before = retrying.requests()
        shop.links.inject("http_error", **fault)
        with pytest.raises(stripe.StripeError):
            retrying.pay()
        shop.links.heal("http_error")
        number = retrying.requests() - before
        last = shop.links.exchanges[-number:]
        return [http.headers["idempotency-key"] for http, _ in last]

    tries = sent(status=503)
    assert (len(tries), len(set(tries))) == (3, 1)
    final = len(sent(status=500, after_work=True)), len(sent(status=429))
    assert final == (1, 1)
    shop.links.inject("http_error", status=503)
    with pytest.raises(stripe.APIError):
        retrying.client.v1.customers.list()
    reads = [http for http, _ in shop.links.exchanges[-3:]]
    assert {http.method for http in reads} == {"GET"}
    assert not any("idempotency-key" in http.headers for http in reads)
    return "one key of its own for all tries of a POST, none for a GET; 500 and 429 are final"


@SCENARIOS.add("headers")
def headers(shop: Shop) -> str:
    stripe.enable_telemetry = True
    customers = Shop(shop.links).client.v1.customers
    made = customers.create({"email": _email(shop)})
    customers.create(
        {"email": _email(shop)},
        {"stripe_account": "acct_1", "stripe_version": "2025-08-27.basil"},
    )
    first, second = (http.headers for http, _ in shop.links.exchanges[-2:])
    assert first["stripe-version"] == stripe.api_version
    assert made.last_response.headers["stripe-version"] == stripe.api_version
    assert second["stripe-version"] == "2025-08-27.basil"
    assert second["stripe-account"] == "acct_1"
    assert first["user-agent"].startswith("Stripe/v1 PythonBindings/")
    assert json.loads(first["x-stripe-client-user-agent"])["lang"] == "python"
    told = json.loads(second["x-stripe-client-telemetry"])["last_request_metrics"]
    assert told["request_id"] == made.last_response.request_id
    return f"Stripe-Version {stripe.api_version}; telemetry names the request before it"


@SCENARIOS.add("webhook checks")
def webhook_checks(_shop: Shop) -> str:
    body = json.dumps({"id": "evt_1", "object": "event", "type": "charge.succeeded"})
    now_s = int(time.time())

    def mark(at_s: int, secret: str = "whsec_x") -> str:
        return hmac.new(secret.encode(), f"{at_s}.{body}".encode(), hashlib.sha256).hexdigest()

    def read(header: str) -> Any:
        return stripe.Webhook.construct_event(body, header, "whsec_x")

    right = f"t={now_s},v1={mark(now_s)}"
    assert read(right).id == "evt_1"
    for wrong in (f"t={now_s - 301},v1={mark(now_s - 301)}", f"t={now_s},v0={mark(now_s)}", "t=1"):
        with pytest.raises(stripe.SignatureVerificationError):
            read(wrong)
    # Another secret's signature beside a right one, as while a secret is rolled.
    assert read(f"{right},v1={mark(now_s, 'whsec_y')}").id == "evt_1"
    return "SignatureVerificationError: older than 300 s, only v0, no signature"


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
def shop(links: VendorLinks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shop]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))  # where telemetry keeps a file
    yield Shop(links)
    stripe.enable_telemetry = False  # for the tests that share the module
    for kind in ("http_error", "malformed"):
        links.heal(kind)


@pytest.mark.parametrize("name", OFFERED["stripe"])
def test_the_sdk_of_python_beyond_a_payment(name: str, shop: Shop) -> None:
    cell = Cell(scenario=name, result=FAILED)
    sdk = f"stripe {stripe.VERSION}"
    try:
        cell.detail = SCENARIOS[name](shop)
        cell.result = PASSED
    finally:
        keep(Column(vendor="stripe", language="python", sdk=sdk, cells=[cell]))
