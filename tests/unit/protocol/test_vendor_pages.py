"""Pages of vendors: where they send a customer on."""

from __future__ import annotations

import pytest

from paychain.protocol.vendor_pages import with_query


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
