"""Adyen's Node library, over TLS, meets the mock, and its typed models read every answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.adyen_drivers import Driver, node_driver
from tests.support.adyen_everything import assert_every_answer_is_kept
from tests.support.adyen_further import FURTHER
from tests.support.adyen_scenarios import DIALECT, SCENARIOS, Shop, judge
from tests.support.sdk_results import rows_of
from tests.support.tls_end import tls_end
from tests.support.vendor_links import VendorLinks, vendor_links

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def links() -> Iterator[VendorLinks]:
    with vendor_links(DIALECT) as running:
        yield running


@pytest.fixture(scope="module")
def node(links: VendorLinks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    folder: Path = tmp_path_factory.mktemp("authority")
    with (
        tls_end(links, folder) as (url, authority),
        node_driver(url, authority) as driver,
    ):
        yield driver


ALL = {**SCENARIOS, **FURTHER}


@pytest.mark.parametrize("name", rows_of("adyen"))
def test_the_node_library_of_adyen(name: str, links: VendorLinks, node: Driver) -> None:
    judge(name, ALL[name], Shop(links, node))


def test_the_models_of_node_keep_every_field_of_every_answer(node: Driver) -> None:
    assert_every_answer_is_kept(node)
