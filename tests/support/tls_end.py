"""A TLS end in front of a vendor's link, for libraries that refuse to speak anything else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paychain.environment.tls.authority import CERTIFICATE, Authority
from paychain.environment.tls.near_ends import TlsNearEnds
from paychain.environment.tls.plan import NearEnd
from tests.support.vendor_links import VendorLinks

WITHIN_S = 10.0


@contextmanager
def tls_end(links: VendorLinks, folder: Path) -> Iterator[tuple[str, Path]]:
    """Its URL, and the certificate of who signed it."""
    authority = Authority()
    authority.publish(folder)
    near_ends = TlsNearEnds(authority)
    opened = near_ends.open(NearEnd(name="vendor", upstream=f"127.0.0.1:{links.port}"))
    port = asyncio.run_coroutine_threadsafe(opened, links.loop).result(WITHIN_S)
    try:
        yield f"https://127.0.0.1:{port}", folder / CERTIFICATE
    finally:
        asyncio.run_coroutine_threadsafe(near_ends.close(), links.loop).result(WITHIN_S)
