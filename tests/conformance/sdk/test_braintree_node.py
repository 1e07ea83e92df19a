"""Braintree's Node SDK, which sends JSON and reads XML, meets the mock: one process runs it all."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fetched import CACHE, fetched, tool
from tests.support.sdk_results import PASSED, Cell, Column, keep, rows_of
from tests.support.vendor_links import PREFIX, VendorLinks, vendor_links

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).parent / "node" / "braintree"
PROGRAM_S = 120.0


@pytest.fixture
def links() -> Iterator[VendorLinks]:
    with vendor_links("{braintree: {test_amounts: simulate}}") as running:
        yield running


def test_the_node_sdk_of_braintree(links: VendorLinks) -> None:
    node, npm = (tool(name, "Braintree's SDK for Node") for name in ("node", "npm"))
    declared = (SOURCE / "package.json").read_text("utf-8")
    version = json.loads(declared)["dependencies"]["braintree"]
    modules = CACHE / f"node-braintree-{version}"
    modules.mkdir(parents=True, exist_ok=True)
    (modules / "package.json").write_text(declared, "utf-8")
    install = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
    fetched(install, modules / "node_modules" / "braintree" / "package.json", cwd=modules)
    done = subprocess.run(
        [node, SOURCE / "scenarios.js"],
        env={
            **os.environ,
            "PAYCHAIN_URL": links.url,
            "PAYCHAIN_CONTROL": links.control_url,
            "PAYCHAIN_PREFIX": PREFIX,
            "PAYCHAIN_MODULES": str(modules),
        },
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    cells = [Cell(**line) for line in lines]
    keep(Column(vendor="braintree", language="node", sdk=f"braintree {version}", cells=cells))
    failed = {cell.scenario: cell.detail for cell in cells if cell.result != PASSED}
    assert failed == {}, done.stderr[-2000:]
    assert {cell.scenario for cell in cells} == set(rows_of("braintree")), done.stderr[-2000:]
