"""Adyen's Java library meets the mock, and its typed models read every answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.adyen_drivers import Driver, java_driver
from tests.support.adyen_everything import assert_every_answer_is_kept
from tests.support.adyen_further import FURTHER
from tests.support.adyen_scenarios import DIALECT, SCENARIOS, Shop, judge
from tests.support.sdk_results import rows_of
from tests.support.vendor_links import VendorLinks, vendor_links

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def links() -> Iterator[VendorLinks]:
    with vendor_links(DIALECT) as running:
        yield running


@pytest.fixture(scope="module")
def java(links: VendorLinks) -> Iterator[Driver]:
    with java_driver(links.url) as driver:
        yield driver


ALL = {**SCENARIOS, **FURTHER}


@pytest.mark.parametrize("name", rows_of("adyen"))
def test_the_java_library_of_adyen(name: str, links: VendorLinks, java: Driver) -> None:
    judge(name, ALL[name], Shop(links, java))


def test_the_models_of_java_keep_every_field_of_every_answer(java: Driver) -> None:
    assert_every_answer_is_kept(java)
