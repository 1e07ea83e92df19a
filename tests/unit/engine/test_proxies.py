"""Proxies on several engines: each order goes to the right one, each event comes on one clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from paychain.engine.control import EngineControl
from paychain.engine.errors import EngineError
from paychain.engine.proxies import HERE, Proxies
from paychain.faults.toxic_spec import ToxicSpec
from paychain.payments.journal import EngineEvent
from paychain.processes.sessions import PATIENT_S
from tests.support.fake_toxiproxy import FakeServer, knows, proxy, serving

PAGE = (
    b'{"next":1,"dropped":2,"events":[{"seq":1,"at_ns":%d,"kind":"connected","proxy":"%s",'
    b'"connection":1,"toxic":null,"detail":""}]}'
)
NO_MORE = b'{"next":1,"dropped":0,"events":[]}'


@pytest.fixture
def servers() -> Iterator[tuple[FakeServer, FakeServer]]:
    with ExitStack() as both:
        yield both.enter_context(serving()), both.enter_context(serving())


def proxies_on(here: FakeServer, there: FakeServer) -> Proxies:
    """Hop `a` on the run's own engine, hop `b` on that of m1, whose clock is 1,000 ns ahead."""
    proxies = Proxies()
    proxies.add_engine(HERE, EngineControl(here.url), epoch_ns=500)
    proxies.add_engine("m1", EngineControl(there.url), epoch_ns=1_500)
    for server, name, engine in ((here, "a", HERE), (there, "b", "m1")):
        server.answers["POST /proxies"] = (201, json.dumps(proxy(name)).encode())
        server.answers[f"POST /proxies/{name}/toxics"] = (200, b"{}")
        assert proxies.create(name, "127.0.0.1:9", "127.0.0.1", engine) == "127.0.0.1:1"
        knows(server, name)
        server.asked.clear()
    return proxies


def test_each_engine_has_its_own_hops(servers: tuple[FakeServer, FakeServer]) -> None:
    proxies = proxies_on(*servers)
    assert (proxies.hops_on(HERE), proxies.hops_on("m1")) == (["a"], ["b"])
    proxies.add_toxic("b", "t", ToxicSpec("latency", "downstream", {"latency": 5}), 1.0)
    proxies.remove_toxic("b", "t")
    proxies.check()
    here, there = ([order for order, _ in server.asked] for server in servers)
    assert here == ["GET /proxies"]  # a sign of life is asked of both
    assert there[-3:] == ["POST /proxies/b/toxics", "DELETE /proxies/b/toxics/t", "GET /proxies"]


def test_events_of_all_engines_are_on_the_clock_of_the_run(
    servers: tuple[FakeServer, FakeServer],
) -> None:
    proxies = proxies_on(*servers)
    for server, at_ns, hop in zip(servers, (700, 1_700), (b"a", b"b"), strict=True):
        server.answers["GET /events?after=0"] = (200, PAGE % (at_ns, hop))
        server.answers["GET /events?after=1"] = (200, NO_MORE)
    found: list[EngineEvent] = []
    proxies.take_events(found.extend)
    # 700 - 500 here, and the same moment there: 1,700 - 1,500
    assert [(each.proxy, each.at_ns) for each in found] == [("a", 200), ("b", 200)]
    assert proxies.dropped == 2 + 2


def test_an_engine_that_is_lost_is_named_and_takes_no_events_of_others_with_it(
    servers: tuple[FakeServer, FakeServer],
) -> None:
    proxies = proxies_on(*servers)
    here, there = servers
    there.answers["GET /events?after=0"] = (200, PAGE % (1_700, b"b"))
    there.answers["GET /events?after=1"] = (200, NO_MORE)
    here.answers["GET /events?after=0"] = (500, b'{"error":"out of order"}')
    found: list[EngineEvent] = []
    with pytest.raises(EngineError, match=r"^the fault engine no longer answers: .*out of order"):
        proxies.take_events(found.extend)
    assert [each.proxy for each in found] == ["b"]
    there.answers["GET /proxies"] = (503, b"")
    with pytest.raises(EngineError, match=r"^the fault engine of m1 no longer answers: GET /prox"):
        proxies.check()
    with pytest.raises(EngineError, match=r"^the fault engine of m1: ") as caught:
        proxies.enable("b", enabled=False)
    assert caught.value.status == 503


def test_a_session_by_hand_waits_for_an_engine_that_a_run_takes_for_lost(
    servers: tuple[FakeServer, FakeServer],
) -> None:
    server, _ = servers
    knows(server, "a")
    server.pause_s = 0.2
    run, session = Proxies(within_s=0.05), Proxies(within_s=PATIENT_S)
    for proxies in (run, session):
        proxies.add_engine(HERE, EngineControl(server.url), epoch_ns=0)
    session.check()
    with pytest.raises(EngineError, match="no longer answers"):
        run.check()
