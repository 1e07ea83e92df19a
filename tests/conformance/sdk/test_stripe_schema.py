"""Stripe's own description judges every answer, and Stripe's own mock every request of its SDK.

The traffic is that of all scenarios of the Python SDK.
"""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import stripe

from paychain.wire.http import HttpRequest, HttpResponse
from tests.conformance.sdk import test_stripe_python as python_sdk
from tests.support.fetched import CACHE, fetched, tool
from tests.support.stripe_spec import MODULE, kind_of, spec
from tests.support.vendor_links import VendorLinks, vendor_links

pytestmark = pytest.mark.slow

Exchange = tuple[HttpRequest, HttpResponse]
# What the scenarios get wrong on purpose, or what a fault did in Stripe's place.
_ON_PURPOSE = frozenset({"parameter_unknown", "parameter_missing", "resource_missing"})
# Typed SDKs still declare a product's type, good or service; the public description has no such
# field, and refuses it.
_TYPED_ONLY = {("product", "type")}


class Traffic:
    """What went over the wire in all scenarios."""

    def __init__(self, links: VendorLinks) -> None:
        for scenario in python_sdk.SCENARIOS.values():
            shop = python_sdk.Shop(links)
            scenario(shop)
            for kind in ("http_error", "slow_answer", "rate_limit"):
                links.heal(kind)
            links.cut_next(0)
        self._further(python_sdk.Shop(links))
        links.settle()
        self.exchanges: list[Exchange] = [
            (http, response)
            for http, response in links.exchanges
            if response is not None and http.target.startswith("/v1/")
        ]
        self.webhooks = links.received

    def _further(self, shop: python_sdk.Shop) -> None:
        """Routes that the scenarios do not need."""
        client = shop.client.v1
        customer = client.customers.create(
            {"email": "a@b.example", "name": "A", "address": {"line1": "1 Street", "city": "B"}}
        )
        client.customers.update(customer.id, {"phone": "1", "metadata": {"a": "b"}})
        client.customers.retrieve(customer.id)
        client.customers.list({"email": "a@b.example"})
        client.customers.search({"query": "email:'a@b.example'"})
        method = client.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
        client.payment_methods.attach(method.id, {"customer": customer.id})
        client.payment_methods.retrieve(method.id)
        client.customers.payment_methods.list(customer.id)
        sale = shop.pay(
            method=method.id,
            customer=customer.id,
            expand=["customer", "payment_method", "latest_charge.balance_transaction"],
            shipping={"name": "A", "address": {"line1": "1 Street"}},
            receipt_email="a@b.example",
            automatic_payment_methods={"enabled": True, "allow_redirects": "never"},
        )
        refund = shop.refunds.create(
            {"payment_intent": sale.id, "amount": 5, "reason": "duplicate", "expand": ["charge"]}
        )
        shop.refunds.update(refund.id, {"metadata": {"a": "b"}})
        version = {"stripe_version": stripe.api_version}
        key = client.ephemeral_keys.create({"customer": customer.id}, version)
        client.ephemeral_keys.delete(key.id)
        components = {"payment_element": {"enabled": True}}
        client.customer_sessions.create({"customer": customer.id, "components": components})
        client.accounts.retrieve_current()
        token = shop.client.v1.test_helpers.confirmation_tokens.create(
            {"payment_method": "pm_card_visa", "return_url": "https://a.b/"}
        )
        client.confirmation_tokens.retrieve(token.id)
        waiting = shop.intents.create({"amount": 1000, "currency": "eur"})
        shop.intents.confirm(waiting.id, {"confirmation_token": token.id})
        client.charges.list({"payment_intent": sale.id, "expand": ["data.refunds"]})
        client.charges.retrieve(sale.latest_charge.id, {"expand": ["refunds"]})
        client.balance.retrieve()
        client.disputes.list()
        client.balance_transactions.list({"source": refund.id})
        client.balance_transactions.retrieve(refund.balance_transaction)
        waits = shop.pay(method="pm_card_authenticationRequired")
        shop.intents.cancel(waits.id)
        self._on_pages(shop)
        self._kept_cards(shop, customer.id)
        event = client.events.list({"types": ["charge.*"], "limit": 100}).data[0]
        client.events.retrieve(event.id)
        client.payment_methods.list({"customer": customer.id})
        client.payment_methods.detach(method.id)
        client.customers.delete(customer.id)

    def _on_pages(self, shop: python_sdk.Shop) -> None:
        """Sessions whose customer pays, has a card declined, and never comes."""
        sessions = shop.client.v1.checkout.sessions
        line = {
            "quantity": 2,
            "price_data": {
                "currency": "eur",
                "unit_amount": 500,
                "product_data": {"name": "T-shirt"},
            },
        }
        wanted = {
            "mode": "payment",
            "line_items": [line],
            "success_url": f"{shop.links.url}/done/{{CHECKOUT_SESSION_ID}}",
            "client_reference_id": shop.order,
            "customer_email": "a@b.example",
            "payment_intent_data": {"metadata": {"order": shop.order}},
        }
        paid = sessions.create(wanted)
        for card in ("pm_card_chargeDeclined", "pm_card_visa"):
            _visit(f"{paid.url}?card={card}")
        expand = ["line_items.data.price.product", "payment_intent"]
        sessions.retrieve(paid.id, {"expand": expand})
        sessions.line_items.list(paid.id)
        sessions.update(paid.id, {"metadata": {"a": "b"}})
        within = {key: wanted[key] for key in wanted if key != "success_url"}
        other = sessions.create(
            {**within, "ui_mode": "embedded_page", "return_url": "https://a.b/"}
        )
        sessions.expire(other.id)
        keeps = {"mode": "setup", "currency": "eur", "success_url": f"{shop.links.url}/kept"}
        kept = sessions.create({**keeps, "setup_intent_data": {"description": "a card"}})
        _visit(f"{kept.url}?card=pm_card_visa")
        sessions.retrieve(kept.id, {"expand": ["setup_intent"]})
        sessions.expire(sessions.create(keeps).id)
        sessions.list({"limit": 4})
        self._catalogue(shop, wanted)

    def _catalogue(self, shop: python_sdk.Shop, wanted: dict[str, Any]) -> None:
        """Products and prices, and a session whose line names one."""
        products, prices = shop.client.v1.products, shop.client.v1.prices
        first = {"currency": "eur", "unit_amount": 500}
        shirt = products.create({"name": "T-shirt", "default_price_data": first})
        products.update(shirt.id, {"description": "grey", "metadata": {"a": "b"}})
        products.retrieve(shirt.id, {"expand": ["default_price"]})
        products.list({"active": True})
        products.search({"query": "name:'T-shirt'"})
        recurring = {"interval": "month"}
        price = prices.create({**first, "product": shirt.id, "recurring": recurring})
        prices.update(price.id, {"lookup_key": f"shirt-{shop.order}"})
        prices.retrieve(price.id)
        prices.list({"product": shirt.id})
        prices.search({"query": f"product:'{shirt.id}'"})
        line = {"price": str(shirt.default_price), "quantity": 1}
        shop.client.v1.checkout.sessions.create({**wanted, "line_items": [line]})
        products.delete(products.create({"name": "Cap"}).id)

    def _kept_cards(self, shop: python_sdk.Shop, customer: str) -> None:
        """Cards that are set up, authenticated, declined and given up, and one that is charged."""
        setups = shop.client.v1.setup_intents
        wanted = {"customer": customer, "metadata": {"order": shop.order}, "confirm": True}
        kept = setups.create({**wanted, "payment_method": "pm_card_visa"})
        shop.client.v1.customers.payment_methods.retrieve(customer, str(kept.payment_method))
        shop.pay(method=str(kept.payment_method), customer=customer, off_session=True)
        waits = setups.create(
            {
                **wanted,
                "payment_method": "pm_card_authenticationRequired",
                "return_url": f"{shop.links.url}/done",
            }
        )
        with suppress(stripe.CardError):
            setups.create({**wanted, "payment_method": "pm_card_chargeDeclined"})
        setups.update(waits.id, {"description": "T-shirts"})
        setups.confirm(waits.id)
        left = setups.create({"usage": "on_session", "payment_method_types": ["card"]})
        setups.retrieve(left.id)
        setups.cancel(left.id, {"cancellation_reason": "abandoned"})
        setups.list({"customer": customer})


def _visit(url: str) -> None:
    with suppress(urllib.error.HTTPError):
        urllib.request.urlopen(
            urllib.request.Request(url, headers={"authorization": "Bearer sk_1"})
        )


@pytest.fixture(scope="module")
def traffic() -> Iterator[Traffic]:
    with vendor_links("stripe") as links:
        yield Traffic(links)


def test_every_answer_is_as_stripe_describes_it(traffic: Traffic) -> None:
    described = spec()
    problems = {
        f"{http.method} {http.target}: {problem}"
        for http, response in traffic.exchanges
        for problem in described.problems(
            http.method, http.target.partition("?")[0], response.status, response.body
        )
    }
    assert sorted(problems) == []
    routes = {
        re.sub(
            r"/(pi|ch|re|pm|cus|txn|evt|cs|ctoken|ephkey|seti|prod|price)_\w+",
            "/{id}",
            f"{http.method} {http.target.partition('?')[0]}",
        )
        for http, response in traffic.exchanges
        if response.status == 200
    }
    assert len(routes) >= 57  # of the 67 that the mock has


def test_every_event_is_as_stripe_describes_it(traffic: Traffic) -> None:
    described = spec()
    problems = {
        problem for http in traffic.webhooks for problem in described.problems_of_event(http.body)
    }
    assert sorted(problems) == []
    assert {json.loads(http.body)["type"] for http in traffic.webhooks} == {
        "charge.captured",
        "charge.failed",
        "charge.refund.updated",
        "charge.refunded",
        "charge.succeeded",
        "checkout.session.completed",
        "checkout.session.expired",
        "payment_intent.amount_capturable_updated",
        "payment_intent.canceled",
        "payment_intent.created",
        "payment_intent.payment_failed",
        "payment_intent.requires_action",
        "payment_intent.succeeded",
        "refund.created",
        "refund.updated",
        "setup_intent.canceled",
        "setup_intent.created",
        "setup_intent.requires_action",
        "setup_intent.setup_failed",
        "setup_intent.succeeded",
    }


def test_typed_sdks_find_every_field_that_they_require(traffic: Traffic) -> None:
    required = spec().required_by_sdks()
    missing = set()

    def look(shown: Any) -> None:
        if isinstance(shown, dict):
            name = kind_of(shown)
            missing.update((name, field) for field in required.get(name, set()) - shown.keys())
        for each in shown.values() if isinstance(shown, dict) else shown:
            if isinstance(each, dict | list):
                look(each)

    for _, response in traffic.exchanges:
        look(json.loads(response.body))
    assert missing - _TYPED_ONLY == set()


@pytest.mark.parametrize(
    ("field", "value"),
    [("amount", "x"), ("status", "paid"), ("created", None), ("metadata", {"a": 1}), ("colour", 1)],
)
def test_the_description_finds_what_is_wrong(traffic: Traffic, field: str, value: object) -> None:
    shown = next(
        json.loads(response.body)
        for http, response in traffic.exchanges
        if http.target == "/v1/payment_intents" and response.status == 200
    )
    body = json.dumps({**shown, field: value}).encode()
    assert spec().problems("POST", "/v1/payment_intents", 200, body) != []


@pytest.fixture(scope="module")
def stripe_mock() -> Iterator[str]:
    """Stripe's own mock server; its base URL."""
    go = tool("go", "Stripe's mock server is built with Go")
    binary = CACHE / "bin" / "stripe-mock"
    fetched([go, "install", MODULE], binary, GOBIN=str(binary.parent))
    with subprocess.Popen(
        [binary, "-http-addr", "127.0.0.1:"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                found = re.search(r"Listening for HTTP at address: (127\.0\.0\.1:\d+)", line)
                if found is not None:
                    yield f"http://{found[1]}"
                    break
        finally:
            process.terminate()


def test_stripes_mock_accepts_what_the_sdk_sent_to_us(traffic: Traffic, stripe_mock: str) -> None:
    replayed, refused = 0, {}
    for http, response in traffic.exchanges:
        is_meant = _code_of(response) in _ON_PURPOSE or response.status == 401
        status, body = _replayed(http, stripe_mock)
        if not is_meant:
            replayed += 1
            if status >= 400:
                refused[f"{http.method} {http.target} {http.body!r}"] = body
    assert refused == {}
    assert replayed > 60


def test_stripes_mock_refuses_the_parameters_that_we_refuse(
    traffic: Traffic, stripe_mock: str
) -> None:
    wrong = [
        http
        for http, response in traffic.exchanges
        if _code_of(response) in ("parameter_unknown", "parameter_missing")
    ]
    assert len(wrong) == 2
    assert [_replayed(http, stripe_mock)[0] for http in wrong] == [400, 400]


def _code_of(response: HttpResponse) -> str:
    shown = json.loads(response.body)
    return str(shown.get("error", {}).get("code", ""))


def _replayed(http: HttpRequest, base: str) -> tuple[int, str]:
    skipped = ("host", "content-length", "connection", "accept-encoding")
    headers = {name: value for name, value in http.headers.items() if name not in skipped}
    asked = urllib.request.Request(
        base + http.target, http.body or None, headers, method=http.method
    )
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return int(answer.status), ""
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()[:300]
