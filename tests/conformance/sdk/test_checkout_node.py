"""Checkout.com's Node SDK meets the mock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.checkout_further import FURTHER
from tests.support.checkout_scenarios import DIALECT, SCENARIOS, VENDOR, Shop
from tests.support.node_driver import NodeClient, node_client
from tests.support.sdk_results import rows_of
from tests.support.vendor_links import VendorLinks, vendor_links
from tests.support.vendor_shop import Failed, judge

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def links() -> Iterator[VendorLinks]:
    with vendor_links(DIALECT) as running:
        yield running


@pytest.fixture(scope="module")
def node(links: VendorLinks) -> Iterator[NodeClient]:
    with node_client("checkout.mjs", "checkout-sdk-node", "5.2.1", links.url) as client:
        yield client


ALL = {**SCENARIOS, **FURTHER}


@pytest.mark.parametrize("name", rows_of("checkout"))
def test_the_node_sdk_of_checkout(name: str, links: VendorLinks, node: NodeClient) -> None:
    judge(VENDOR, name, ALL[name], Shop(links, node))


def test_the_node_sdk_needs_axios_to_update(links: VendorLinks, node: NodeClient) -> None:
    """checkout-sdk-node 5.2.1 writes its method `patch`, and Node's fetch sends that as it is."""
    made = node.ask("create customer", {"email": "ada@shop.example"})
    with pytest.raises(Failed, match="400"):
        node.ask("update customer by fetch", {"name": "Ada"}, made["id"])
    node.ask("update customer", {"name": "Ada"}, made["id"])
    assert node.ask("customer", name=made["id"])["name"] == "Ada"
    assert links.exchanges[-2][0].method == "PATCH"
