"""Both fault engines: the embedded one, and a real Toxiproxy server built with Go."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from subject import Subject, Upstream, embedded, real

HERE = Path(__file__).parents[1] / ".toxiproxy"
MODULE = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"


@pytest.fixture(scope="session")
def toxiproxy_server() -> str:
    """The path of a real server, installed once; skips where it cannot be built."""
    binary = HERE / "server"
    if not binary.exists():
        go = shutil.which("go")
        if go is None:
            pytest.skip("no real Toxiproxy server: Go is not installed")
        done = subprocess.run(
            [go, "install", MODULE], env={**os.environ, "GOBIN": str(HERE)}, timeout=600,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.skip(f"no real Toxiproxy server: go install failed: {done.stderr[-300:]}")
    return str(binary)


def _subject(kind: str, request: pytest.FixtureRequest) -> Subject:
    if kind == "embedded":
        return embedded()
    return real(request.getfixturevalue("toxiproxy_server"))


@pytest.fixture(scope="session", params=["embedded", "toxiproxy"])
def shared_engine(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """One engine of each kind for the whole session."""
    subject = _subject(request.param, request).start()
    yield subject
    subject.stop()


@pytest.fixture
def engine(shared_engine: Subject) -> Iterator[Subject]:
    """An engine without proxies."""
    yield shared_engine
    try:
        shared_engine.clear()
    except OSError:  # only a real server can be wedged or dead here; the next test needs one
        if not shared_engine.is_real:
            raise
        shared_engine.stop()
        shared_engine.start()


@pytest.fixture
def ours() -> Iterator[Subject]:
    """An embedded engine of the test's own."""
    subject = embedded().start()
    yield subject
    subject.stop()


@pytest.fixture
def start_engine(shared_engine: Subject) -> Iterator[Callable[..., Subject]]:
    """Starts further engines of the same kind, with options."""
    started: list[Subject] = []

    def start(*options: str) -> Subject:
        subject = Subject(shared_engine.is_real, shared_engine.command)
        started.append(subject)
        return subject.start(*options)

    yield start
    for subject in started:
        subject.stop()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A server whose connections the test drives."""
    server = Upstream()
    yield server
    server.close()
