"""The addresses that mocks print lead to the mocks, by TLS where they were asked by TLS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.tls_end import tls_end
from tests.support.vendor_links import VendorLinks, payment, vendor_links

EUR = {"amount": 1000, "currency": "EUR"}
BEARER = {"authorization": "Bearer sk_test_1"}
_PRICE = "line_items[0][price_data]"
STRIPE = {
    "mode": "payment",
    "success_url": "https://shop.example/done",
    "line_items[0][quantity]": "1",
    f"{_PRICE}[currency]": "eur",
    f"{_PRICE}[unit_amount]": "1000",
    f"{_PRICE}[product_data][name]": "Cap",
}
ADYEN = {
    "merchantAccount": "ShopEU",
    "amount": {"value": 1000, "currency": "EUR"},
    "reference": payment(1),
    "returnUrl": "https://shop.example/done",
}
BY_REDIRECT = {
    **ADYEN,
    "paymentMethod": {
        "type": "scheme",
        "number": "4111111111111111",
        "expiryMonth": "03",
        "expiryYear": "2030",
        "cvc": "737",
    },
    "authenticationData": {"attemptAuthentication": "always"},
}
CHECKOUT = {
    **EUR,
    "reference": payment(1),
    "billing": {"address": {"country": "DE"}},
    "success_url": "https://shop.example/done",
    "failure_url": "https://shop.example/no",
    "cancel_url": "https://shop.example/cart",
}
SQUARE = {
    "idempotency_key": "k",
    "quick_pay": {"name": "Cap", "price_money": EUR, "location_id": "LPAYCHAIN0001"},
    "checkout_options": {"redirect_url": "https://shop.example/done"},
}
_CONTEXT = {"return_url": "https://shop.example/done", "cancel_url": "https://shop.example/cart"}
PAYPAL = {
    "intent": "CAPTURE",
    "purchase_units": [{"amount": {"currency_code": "EUR", "value": "10.00"}}],
    "payment_source": {"paypal": {"experience_context": _CONTEXT}},
}
# Vendor, path, request, and what of the answer is the address of a page.
CASES: list[tuple[str, str, dict[str, Any], str]] = [
    ("stripe", "/v1/checkout/sessions", {"data": STRIPE}, r'"url":\s*"([^"]+)"'),
    ("adyen", "/v72/sessions", {"json": {**ADYEN, "mode": "hosted"}}, r'"url":"([^"]+)"'),
    ("adyen", "/v72/payments", {"json": BY_REDIRECT}, r'"url":"([^"]+)"'),
    ("checkout", "/hosted-payments", {"json": CHECKOUT}, r'"redirect":{"href":"([^"]+)"'),
    ("square", "/v2/online-checkout/payment-links", {"json": SQUARE}, r'"url":"([^"]+)"'),
    ("paypal", "/v2/checkout/orders", {"json": PAYPAL}, r'"href":"([^"]+/checkoutnow[^"]+)"'),
]
HEADERS = {
    "adyen": {"x-api-key": "k"},
    "checkout": {"authorization": "Bearer sk_test_1"},
    "paypal": {**BEARER, "prefer": "return=representation"},
}


@pytest.fixture(params=CASES, ids=[f"{case[0]} {case[1]}" for case in CASES])
def case(request: pytest.FixtureRequest) -> Iterator[tuple[VendorLinks, tuple[Any, ...]]]:
    dialect = "{paypal: {approval: on_page}}" if request.param[0] == "paypal" else request.param[0]
    with vendor_links(dialect, psp="tls: true") as links:
        yield links, request.param


def test_a_page_is_where_the_api_was_asked(
    case: tuple[VendorLinks, tuple[Any, ...]], tmp_path: Path
) -> None:
    links, (vendor, path, sent, pattern) = case
    headers = HEADERS.get(vendor, BEARER)
    with tls_end(links, tmp_path) as (url, ca), requests.Session() as shop:
        shop.trust_env, shop.verify = False, str(ca)
        made = shop.post(f"{url}{path}", headers=headers, **sent)
        assert made.ok, made.text
        (page, *_) = re.findall(pattern, made.text)
        assert page.startswith(f"{url}/")
        seen = shop.get(page, allow_redirects=False)
        assert seen.status_code == 303, seen.text
        # A customer who comes to the link itself, as those of a run do, stays there.
        parts, own = urlsplit(page), f"http://127.0.0.1:{links.own_port}"
        again = requests.get(f"{own}{parts.path}?{parts.query}", allow_redirects=False, timeout=5)
        assert again.status_code < 500
        asked_directly = requests.post(f"{own}{path}", headers=headers, timeout=5, **sent)
        (page, *_) = re.findall(pattern, asked_directly.text)
        assert page.startswith(f"{own}/")
