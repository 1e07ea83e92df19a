"""What integrations ask around a payment: the SDKs for Python ask it, and read the answers.

The scenarios of docs/dialects.md are asked in every language; these are each vendor's own.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.support.vendor_links import VendorLinks, payment, vendor_links

EUR = {"amount": 1000, "currency": "EUR"}
CARD = {"number": "4111111111111111", "expiry": "2030-12", "security_code": "123"}


@pytest.fixture
def square() -> Iterator[Any]:
    sdk = pytest.importorskip("square")
    with vendor_links("square") as links:
        yield sdk.Square(base_url=links.url, token="test"), links


def test_square_sells_an_order_at_its_location(square: tuple[Any, VendorLinks]) -> None:
    client, links = square
    (place,) = client.locations.list().locations
    assert client.locations.get("main").location == place
    line = {"name": "Cap", "quantity": "2", "base_price_money": {**EUR, "amount": 500}}
    tax = {"uid": "vat", "name": "VAT", "percentage": "10", "scope": "ORDER", "type": "ADDITIVE"}
    sold = client.orders.create(
        order={
            "location_id": place.id,
            "reference_id": payment(1),
            "line_items": [line],
            "taxes": [tax],
        },
        idempotency_key=str(uuid4()),
    ).order
    assert (sold.total_money.amount, sold.total_tax_money.amount) == (1100, 100)
    paid = client.payments.create(
        source_id="cnon:card-nonce-ok",
        idempotency_key=str(uuid4()),
        amount_money={**EUR, "amount": 1100},
        order_id=sold.id,
    ).payment
    seen = client.orders.get(sold.id).order
    assert (seen.state, seen.tenders[0].payment_id) == ("COMPLETED", paid.id)
    found = client.orders.search(
        location_ids=[place.id], query={"filter": {"state_filter": {"states": ["COMPLETED"]}}}
    )
    assert [each.id for each in found.orders] == [sold.id]
    held = client.orders.create(
        order={"location_id": place.id, "line_items": [line]}, idempotency_key=str(uuid4())
    ).order
    parts = [
        client.payments.create(
            source_id="cnon:card-nonce-ok",
            idempotency_key=str(uuid4()),
            amount_money={**EUR, "amount": minor},
            order_id=held.id,
            autocomplete=False,
        ).payment.id
        for minor in (300, 700)
    ]
    done = client.orders.pay(held.id, idempotency_key=str(uuid4()), payment_ids=parts).order
    assert (done.state, done.net_amount_due_money.amount) == ("COMPLETED", 0)
    links.settle()
    assert sorted(minor for kind, _, minor in links.booked() if kind == "captured") == [
        300,
        700,
        1100,
    ]


def test_paypal_changes_an_order_and_ships_what_it_sold() -> None:
    from tests.support.paypal_shop import Shop, money, paid, paypal_links

    with paypal_links() as links:
        shop = Shop(links)
        order = shop.create().body
        path = "/purchase_units/@reference_id=='default'/amount"
        patch = [{"op": "replace", "path": path, "value": money("12.00")}]
        assert shop.orders.patch_order({"id": order.id, "body": patch}).status_code == 204
        captured = shop.orders.capture_order({"id": order.id, "paypal_request_id": shop.key()}).body
        assert shop.booked("captured") == [1200]
        tracking = {"capture_id": paid(captured).captures[0].id, "tracking_number": "1Z"}
        shown = shop.orders.create_order_tracking(
            {"id": order.id, "body": {**tracking, "carrier": "UPS"}}
        ).body
        (tracker,) = shown.purchase_units[0].shipping.trackers
        assert tracker.status == "SHIPPED"
        change = [{"op": "replace", "path": "/status", "value": "CANCELLED"}]
        done = shop.orders.update_order_tracking(
            {"id": order.id, "tracker_id": tracker.id, "body": change}
        )
        assert done.status_code == 204
        seen = shop.orders.get_order({"id": order.id}).body
        assert seen.purchase_units[0].shipping.trackers[0].status == "CANCELLED"


def test_checkout_has_links_sessions_and_customers_of_payments() -> None:
    checkout_sdk = pytest.importorskip("checkout_sdk")
    from checkout_sdk.environment import Environment

    from tests.support.checkout_scenarios import SECRET_KEY

    names = ("base", "authorization", "files", "transfers", "balances", "forward", "identity")
    with vendor_links("checkout") as links, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the only way to another base URL is deprecated
        urls = {f"{name}_uri": f"{links.url}/" for name in names}
        builder = checkout_sdk.CheckoutSdk.builder().secret_key(SECRET_KEY)
        api = builder.environment(Environment(**urls, is_sandbox=True)).use_legacy_domain().build()
        link = api.payments_links.create_payment_link({**EUR, "reference": payment(1)})
        assert api.payments_links.get_payment_link(link.id).status == "Active"
        back = {f"{name}_url": f"https://shop.example/{name}" for name in ("success", "failure")}
        session = api.payment_sessions.create_payment_sessions(
            {**EUR, **back, "reference": payment(2), "billing": {"address": {"country": "DE"}}}
        )
        assert session.payment_session_secret.startswith("pss_")
        source = {"type": "token", "token": "tok_visa_4242"}
        owner = {"email": "ada@shop.example", "name": "Ada"}
        asked = {**EUR, "reference": payment(3), "source": source, "customer": owner}
        made = api.payments.request_payment(asked)
        assert api.customers.get(made.customer.id).instruments[0].id == made.source.id
        by_customer = {"type": "customer", "id": made.customer.id}
        again = api.payments.request_payment({**asked, "source": by_customer})
        assert (again.approved, again.customer.id) == (True, made.customer.id)


def test_stripe_disputes_changes_of_refunds_and_what_a_front_end_needs() -> None:
    from tests.support.stripe_shop import Shop, stripe

    issuer = "disputes: {share: 100%, after: 200ms}"
    with vendor_links("stripe", issuer=issuer) as links:
        shop = Shop(links)
        client, paid = shop.client.v1, shop.pay()
        until_s = time.monotonic() + 10.0
        while not (found := client.disputes.list().data) and time.monotonic() < until_s:
            time.sleep(0.05)
        (dispute,) = found
        assert dispute.payment_intent == paid.id
        sent = client.disputes.update(dispute.id, {"evidence": {"product_description": "a cap"}})
        assert (sent.status, sent.evidence_details.has_evidence) == ("under_review", True)
        owner = client.customers.create({"name": "Ada"}).id
        version = {"stripe_version": stripe.api_version}
        key = client.ephemeral_keys.create({"customer": owner}, version)
        assert client.ephemeral_keys.delete(key.id).id == key.id
        wanted = {"payment_element": {"enabled": True}}
        made = client.customer_sessions.create({"customer": owner, "components": wanted})
        assert made.components.payment_element.enabled
        assert client.accounts.retrieve_current().charges_enabled
    with vendor_links("stripe") as links:
        shop = Shop(links)
        refund = shop.refunds.create({"payment_intent": shop.pay().id})
        shop.refunds.update(refund.id, {"metadata": {"why": "broken"}})
        with pytest.raises(stripe.InvalidRequestError, match="requires_action"):
            shop.refunds.cancel(refund.id)
        links.wait_for_webhooks(7)
        events = shop.client.v1.events.list({"type": "refund.updated"}).data
        assert [each.data.object.metadata.why for each in events] == ["broken"]


def test_adyen_shows_brands_and_disables_a_stored_card() -> None:
    adyen = pytest.importorskip("Adyen")
    with vendor_links("{adyen: {merchant: ShopEU}}") as links:
        client = adyen.Adyen(xapikey="test", platform="test")
        payments, recurring = client.checkout.payments_api, client.checkout.recurring_api
        classic = client.recurring.recurring_api
        payments.baseUrl = recurring.baseUrl = f"{links.url}/v72"
        classic.baseUrl = f"{links.url}/pal/servlet/Recurring/v68"
        account = {"merchantAccount": "ShopEU"}
        shown = payments.card_details({**account, "cardNumber": "555544"}).message
        assert shown["brands"] == [{"supported": True, "type": "mc"}]
        shopper = {**account, "shopperReference": "ada"}
        method = {"type": "scheme", "encryptedCardNumber": "test_4111111111111111"}
        asked = {**shopper, "recurringProcessingModel": "CardOnFile", "paymentMethod": method}
        name = recurring.stored_payment_methods(asked).message["id"]
        listed = classic.list_recurring_details(shopper).message["details"]
        assert [each["RecurringDetail"]["recurringDetailReference"] for each in listed] == [name]
        done = classic.disable({**shopper, "recurringDetailReference": name}).message
        assert done == {"response": "[detail-successfully-disabled]"}


def test_braintree_makes_nonces_of_stored_cards_and_finds_customers() -> None:
    from tests.support.braintree_shop import Shop, braintree

    with vendor_links("braintree") as links:
        shop = Shop(links)
        gateway, search = shop.gateway, braintree.CustomerSearch
        said = {"id": "ada", "email": "ada@shop.example"}
        assert gateway.customer.create({**said, "payment_method_nonce": "fake-valid-nonce"})
        assert gateway.customer.create({"id": "bob", "email": "bob@shop.example"})
        (card,) = gateway.customer.find("ada").payment_methods
        nonce = gateway.payment_method_nonce.create(card.token).payment_method_nonce
        assert gateway.payment_method_nonce.find(nonce.nonce).details["last_four"] == card.last_4
        authenticated = "fake-three-d-secure-visa-full-authentication-nonce"
        shown = gateway.payment_method_nonce.find(authenticated).three_d_secure_info
        assert shown.liability_shifted is True
        with pytest.raises(braintree.exceptions.NotFoundError):
            gateway.payment_method_nonce.find("nobody")
        item = {"name": "Cap", "kind": "debit", "quantity": "1", "unit_amount": "10.00"}
        paid = shop.paid(
            payment_method_nonce=nonce.nonce,
            line_items=[{**item, "total_amount": "10.00"}],
            billing={"postal_code": "1010"},
            customer={"email": "ada@shop.example"},
        )
        assert paid.credit_card_details.token == card.token
        assert paid.billing_details.postal_code == "1010"
        assert paid.customer_details.email == "ada@shop.example"
        assert [each.name for each in paid.line_items] == ["Cap"]
        assert [each.id for each in gateway.customer.search(search.email == said["email"])] == [
            "ada"
        ]
        by_token = gateway.customer.search(search.payment_method_token == card.token)
        assert [each.id for each in by_token.items] == ["ada"]
        secure = shop.paid(payment_method_nonce=authenticated).three_d_secure_info
        assert secure.status == "authenticate_successful"
