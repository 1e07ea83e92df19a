"""PayPal's Node SDK takes no other address than PayPal's own: it comes through our proxy."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from paychain.environment.tls.authority import CERTIFICATE, Authority
from paychain.environment.tls.near_ends import TlsNearEnds
from paychain.environment.tls.plan import NearEnd
from paychain.protocol.dialects.vendors import APIS
from tests.support.fetched import CACHE, fetched, tool
from tests.support.sdk_results import PASSED, Cell, Column, keep, rows_of
from tests.support.vendor_links import PREFIX, VendorLinks, vendor_links

PACKAGE, VERSION = "@paypal/paypal-server-sdk", "2.5.0"
SOURCE = Path(__file__).parent / "node" / "paypal"
WITHIN_S = 120.0

pytestmark = pytest.mark.slow


@pytest.fixture
def links() -> Iterator[VendorLinks]:
    with vendor_links("paypal") as running:
        yield running


def sdk() -> Path:
    npm = tool("npm", f"the SDK {PACKAGE} for Node")
    modules = CACHE / f"node-paypal-{VERSION}"
    modules.mkdir(parents=True, exist_ok=True)
    install = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
    folder = modules / "node_modules" / PACKAGE
    wanted = f"{PACKAGE}@{VERSION}"
    fetched([*install, "--prefix", str(modules), wanted], folder / "package.json", cwd=modules)
    return modules


def test_the_node_sdk_of_paypal_comes_through_the_proxy(links: VendorLinks, tmp_path: Path) -> None:
    node, modules = tool("node", PACKAGE), sdk()
    authority = Authority()
    authority.publish(tmp_path)
    ends = TlsNearEnds(authority)
    hosts = dict.fromkeys(
        APIS["paypal"].hosts, NearEnd(name="paypal", upstream=f"127.0.0.1:{links.port}")
    )
    port = asyncio.run_coroutine_threadsafe(ends.open_proxy(hosts), links.loop).result(WITHIN_S)
    # A proxy of the network would be asked in place of ours.
    plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    try:
        done = subprocess.run(
            [node, SOURCE / "scenarios.js"],
            env={
                **plain,
                "HTTPS_PROXY": f"http://127.0.0.1:{port}",
                "NODE_EXTRA_CA_CERTS": str(tmp_path / CERTIFICATE),
                "PAYCHAIN_URL": links.url,
                "PAYCHAIN_CONTROL": links.control_url,
                "PAYCHAIN_PREFIX": PREFIX,
                "PAYCHAIN_MODULES": str(modules),
            },
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
    finally:
        asyncio.run_coroutine_threadsafe(ends.close(), links.loop).result(WITHIN_S)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    cells = [Cell(**line) for line in lines]
    keep(Column(vendor="paypal", language="node", sdk=f"{PACKAGE} {VERSION}", cells=cells))
    failed = {cell.scenario: cell.detail for cell in cells if cell.result != PASSED}
    assert failed == {}, done.stderr[-2000:]
    assert {cell.scenario for cell in cells} == set(rows_of("paypal")), done.stderr[-2000:]
