"""Pages of vendors: where they send a customer on."""

from __future__ import annotations

import pytest

from paychain.protocol.vendor_pages import base_of, with_query
from paychain.wire.http import HttpRequest


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://shop.example/done", "https://shop.example/done?paid=a+b"),
        ("https://shop.example/done?order=1", "https://shop.example/done?order=1&paid=a+b"),
        ("https://shop.example/#/done", "https://shop.example/?paid=a+b#/done"),
        ("/done?order=1#top", "/done?order=1&paid=a+b#top"),
    ],
)
def test_a_parameter_is_added_to_the_query_wherever_the_address_ends(
    url: str, expected: str
) -> None:
    assert with_query(url, {"paid": "a b"}) == expected


@pytest.mark.parametrize(
    ("host", "is_secure", "expected"),
    [
        ("127.0.0.1:9101", False, "http://127.0.0.1:9101"),
        ("127.0.0.1:9101", True, "https://127.0.0.1:9101"),
        ("api.stripe.com", False, "https://api.stripe.com"),  # by the forward proxy
        ("api.stripe.com:443", False, "https://api.stripe.com:443"),
        ("psp:8080", False, "http://psp:8080"),
        ("psp", False, "http://psp"),  # on the port of HTTP, in containers
        ("psp.shop.svc.cluster.local", False, "http://psp.shop.svc.cluster.local"),
        ("psp", True, "https://psp"),
    ],
)
def test_a_link_names_the_address_that_it_was_asked_at(
    host: str, is_secure: bool, expected: str
) -> None:
    request = HttpRequest("GET", "/", {"host": host}, is_secure=is_secure)
    assert base_of(request, ("api.stripe.com",)) == expected
