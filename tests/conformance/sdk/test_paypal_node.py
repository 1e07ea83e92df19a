"""PayPal's Node SDK takes no other address than PayPal's own: it comes through our proxy."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from paychain.environment.tls.authority import CERTIFICATE, Authority
from paychain.environment.tls.near_ends import TlsNearEnds
from paychain.protocol.dialects.vendors import APIS
from tests.support.fetched import CACHE, fetched, tool
from tests.support.node_driver import PROGRAMS
from tests.support.vendor_links import VendorLinks, payment, vendor_links

PACKAGE, VERSION = "@paypal/paypal-server-sdk", "2.5.0"
WITHIN_S = 60.0

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
    return folder


def test_the_node_sdk_of_paypal_pays_through_the_proxy(links: VendorLinks, tmp_path: Path) -> None:
    node, folder = tool("node", PACKAGE), sdk()
    authority = Authority()
    authority.publish(tmp_path)
    ends = TlsNearEnds(authority)
    hosts = dict.fromkeys(APIS["paypal"].hosts, f"127.0.0.1:{links.port}")
    port = asyncio.run_coroutine_threadsafe(ends.open_proxy(hosts), links.loop).result(WITHIN_S)
    # A proxy of the network would be asked in place of ours.
    plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    try:
        done = subprocess.run(
            [node, str(PROGRAMS / "paypal.cjs"), str(folder), payment(1)],
            env={
                **plain,
                "HTTPS_PROXY": f"http://127.0.0.1:{port}",
                "NODE_EXTRA_CA_CERTS": str(tmp_path / CERTIFICATE),
            },
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
    finally:
        asyncio.run_coroutine_threadsafe(ends.close(), links.loop).result(WITHIN_S)
    assert done.stdout.endswith(" COMPLETED\n"), done.stdout + done.stderr
    assert ("captured", f"{payment(1)}-1", 1000) in links.booked()
