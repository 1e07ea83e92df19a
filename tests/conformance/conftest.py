"""Both fault engines: the embedded one, and a real Toxiproxy server built with Go."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.children import Children
from harness.faults.control import EngineControl
from harness.faults.engine import start

HERE = Path(__file__).parents[1] / ".toxiproxy"
MODULE = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"


@pytest.fixture(scope="session")
def toxiproxy_server() -> str:
    """The path of a real server, installed once; skips where Go is missing."""
    binary = HERE / "server"
    if not binary.exists():
        go = shutil.which("go")
        if go is None:
            pytest.skip("no real Toxiproxy server: Go is not installed")
        environment = {**os.environ, "GOBIN": str(HERE)}
        subprocess.run([go, "install", MODULE], env=environment, check=True, timeout=600)
    return str(binary)


@pytest.fixture(params=["embedded", "toxiproxy"])
def control(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EngineControl]:
    """Control of a fresh engine of each kind."""
    spec = None
    if request.param == "toxiproxy":
        spec = request.getfixturevalue("toxiproxy_server")
    children = Children(tmp_path)
    try:
        yield start(spec, children, seed=1).control
    finally:
        children.stop()
