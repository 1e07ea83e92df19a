"""Square's Node SDK meets the mock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.node_driver import NodeClient, node_client
from tests.support.sdk_results import rows_of
from tests.support.square_further import FURTHER
from tests.support.square_scenarios import DIALECT, SCENARIOS, VENDOR, Shop
from tests.support.vendor_links import VendorLinks, vendor_links
from tests.support.vendor_shop import judge

pytestmark = pytest.mark.slow


class SquareNode:
    """The SDK in its process. It drops what its types do not know."""

    language = "node"
    sends_anything = False

    def __init__(self, node: NodeClient) -> None:
        self.sdk = node.sdk
        self.ask = node.ask

    def is_genuine(self, body: str, signature: str, key: str, url: str) -> bool:
        asked = {
            "request_body": body,
            "signature_header": signature,
            "signature_key": key,
            "notification_url": url,
        }
        return bool(self.ask("verify", asked))


@pytest.fixture(scope="module")
def links() -> Iterator[VendorLinks]:
    with vendor_links(DIALECT) as running:
        yield running


@pytest.fixture(scope="module")
def node(links: VendorLinks) -> Iterator[SquareNode]:
    with node_client("square.cjs", "square", "46.0.0", links.url) as client:
        yield SquareNode(client)


ALL = {**SCENARIOS, **FURTHER}


@pytest.mark.parametrize("name", rows_of("square"))
def test_the_node_sdk_of_square(name: str, links: VendorLinks, node: SquareNode) -> None:
    judge(VENDOR, name, ALL[name], Shop(links, node))
