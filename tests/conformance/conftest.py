"""Both fault engines: the embedded one, and a real Toxiproxy server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.engine_subject import Subject, Upstream, embedded, real


def _subject(kind: str, request: pytest.FixtureRequest) -> Subject:
    if kind == "embedded":
        return embedded()
    return real(request.getfixturevalue("toxiproxy_server"))


@pytest.fixture(
    scope="session",
    params=["embedded", pytest.param("toxiproxy", marks=pytest.mark.real_toxiproxy)],
)
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
