from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from harness.payments.journal import Movement, MovementKind

BUILT = Path(__file__).parent / ".toxiproxy"
settings.register_profile("paychain", deadline=None)  # a busy machine makes no law wrong
settings.load_profile("paychain")
MODULE = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"


@pytest.fixture(scope="session")
def toxiproxy_server() -> str:
    """The path of a real server, built once; skips where it cannot be."""
    binary = BUILT / "server"
    if not binary.exists():
        go = shutil.which("go")
        if go is None:
            pytest.skip("no real Toxiproxy server: Go is not installed")
        done = subprocess.run(
            [go, "install", MODULE], env={**os.environ, "GOBIN": str(BUILT)}, timeout=600,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.skip(f"no real Toxiproxy server: go install failed: {done.stderr[-300:]}")
    return str(binary)


@pytest.fixture
def movement() -> Callable[..., Movement]:
    """A movement of 10.00 EUR, authorised by the issuer unless told otherwise."""

    def make(
        link: str,
        kind: str = "authorised",
        *,
        reference: str = "p1-1",
        amount: int = 1_000,
        decided_by: str = "issuer",
        item: str = "",
        currency: str = "EUR",
    ) -> Movement:
        return Movement(
            link, "p1", 1, MovementKind(kind), amount, currency, reference, 0, decided_by, item
        )

    return make
