"""Checkout.com's Node SDK meets the mock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.checkout_scenarios import DIALECT, SCENARIOS, VENDOR, Shop
from tests.support.node_driver import NodeClient, node_client
from tests.support.vendor_links import VendorLinks, vendor_links
from tests.support.vendor_shop import judge

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def links() -> Iterator[VendorLinks]:
    with vendor_links(DIALECT) as running:
        yield running


@pytest.fixture(scope="module")
def node(links: VendorLinks) -> Iterator[NodeClient]:
    with node_client("checkout.mjs", "checkout-sdk-node", "5.2.1", links.url) as client:
        yield client


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_node_sdk_of_checkout(name: str, links: VendorLinks, node: NodeClient) -> None:
    judge(VENDOR, name, SCENARIOS[name], Shop(links, node))
