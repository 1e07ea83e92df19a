"""The typed control holds against servers that fail in every way toxiproxy-python ignores."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import toxiproxy.api

from paychain.engine.control import EngineControl
from paychain.engine.errors import EngineError
from paychain.faults.toxic_spec import ToxicSpec
from tests.support.fake_toxiproxy import FakeServer, knows, proxy, serving
from tests.support.slow_servers import DRIPS, dripping

SOON_S = 0.2
WEDGED_PAGE = b"<html><head><title>Timeout</title></head><body><h1>Timeout</h1></body></html>"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving() as server:
        yield server


LATENCY = ToxicSpec("latency", "downstream", {})
CALLS: dict[str, Callable[[EngineControl], object]] = {
    "version": lambda control: control.version(),
    "names": lambda control: control.names(),
    "create": lambda control: control.create("b", "127.0.0.1:9"),
    "destroy": lambda control: control.destroy("a"),
    "enable": lambda control: control.enable("a", enabled=False),
    "add": lambda control: control.add_toxic("a", "t", LATENCY, 1.0),
    "remove": lambda control: control.remove_toxic("a", "t"),
    "events": lambda control: control.events(0),
}
ORDERS = {
    "version": "GET /version",
    "names": "GET /proxies",
    "create": "POST /proxies",
    "destroy": "DELETE /proxies/a",
    "enable": "POST /proxies/a",
    "add": "POST /proxies/a/toxics",
    "remove": "DELETE /proxies/a/toxics/t",
    "events": "GET /events?after=0",
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (500, b'{"error":"listen tcp: bind: address already in use","status":500}', "already in"),
        (503, WEDGED_PAGE, "HTTP 503"),
        (302, b"", "HTTP 302"),
    ],
)
def test_an_error_is_raised_with_its_status_whatever_the_call(
    server: FakeServer, call: str, status: int, body: bytes, message: str
) -> None:
    knows(server, "a")
    server.answers[ORDERS[call]] = (status, body)
    with pytest.raises(EngineError, match=message) as caught:
        CALLS[call](EngineControl(server.url))
    assert caught.value.status == status


@pytest.mark.parametrize("call", ["version", "names", "create", "events"])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"1", b"\xff\xfe"])
def test_an_answer_that_is_none_of_toxiproxys_is_an_engine_error(
    server: FakeServer, call: str, body: bytes
) -> None:
    server.answers[ORDERS[call]] = (200, body)
    with pytest.raises(EngineError, match="not a Toxiproxy response"):
        CALLS[call](EngineControl(server.url))


@pytest.mark.parametrize("call", CALLS)
def test_a_hanging_server_costs_one_limit_and_no_more(server: FakeServer, call: str) -> None:
    server.stalls.set()
    control = EngineControl(server.url, within_s=SOON_S)
    with pytest.raises(EngineError, match="no answer"):
        CALLS[call](control)
    assert control.lost is not None
    for other in CALLS.values():
        with pytest.raises(EngineError, match="no answer"):
            other(control)
    assert len(server.asked) == 1  # the later calls failed without being sent


@pytest.mark.parametrize("kind", DRIPS)
def test_an_answer_without_end_costs_one_limit(kind: str) -> None:
    started = time.monotonic()
    with dripping(kind) as url, closing(EngineControl(url, within_s=SOON_S)) as control:
        with pytest.raises(EngineError, match="no answer"):
            control.names()
        assert control.lost is not None
    assert time.monotonic() - started < 10


def test_a_refusal_does_not_cost_the_engine(server: FakeServer) -> None:
    server.answers["POST /proxies"] = (500, b'{"error":"bind: address already in use"}')
    control = EngineControl(server.url)
    with pytest.raises(EngineError, match="address already in use"):
        control.create("a", "127.0.0.1:9")
    assert control.lost is None
    assert control.names() == []


def test_nobody_listening_is_no_answer() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(EngineError, match="no answer") as caught:
        EngineControl(f"http://127.0.0.1:{port}").names()
    assert caught.value.status == 0


def test_two_engines_in_one_process_and_the_users_own_client_are_apart(server: FakeServer) -> None:
    before = toxiproxy.api.APIConsumer, toxiproxy.api.APIConsumer.port
    with serving() as other:
        knows(server, "one")
        knows(other, "two")
        first, second = EngineControl(server.url), EngineControl(other.url)
        assert (first.names(), second.names(), first.names()) == (["one"], ["two"], ["one"])
    assert (toxiproxy.api.APIConsumer, toxiproxy.api.APIConsumer.port) == before
    assert toxiproxy.server.APIConsumer is toxiproxy.api.APIConsumer  # type: ignore[attr-defined]  # not exported


def test_calls_from_several_threads_are_sent_one_at_a_time(server: FakeServer) -> None:
    control = EngineControl(server.url)
    threads = [threading.Thread(target=control.names) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 8
    assert len(server.connections) == 1  # kept alive: one connection for all


def test_proxy_variables_are_not_obeyed(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert EngineControl(server.url).names() == []


def test_names_and_unknown_keys_are_handled_as_the_real_server_sends_them(
    server: FakeServer,
) -> None:
    server.answers["POST /proxies"] = (201, json.dumps(proxy("a", extra=1)).encode())
    assert EngineControl(server.url).create("a", "127.0.0.1:9") == "127.0.0.1:1"
    assert server.asked[-1][1] == {
        "name": "a",
        "upstream": "127.0.0.1:9",
        "listen": "127.0.0.1:0",
    }


def test_a_second_proxy_of_a_name_is_a_conflict(server: FakeServer) -> None:
    knows(server, "a")
    with pytest.raises(EngineError, match="already exists") as caught:
        EngineControl(server.url).create("a", "127.0.0.1:9")
    assert caught.value.status == 409


@pytest.mark.parametrize("name", ["", "a/b", "a b", "ä", "a?b", "..%2f"])
def test_a_name_that_no_url_holds_is_not_sent(server: FakeServer, name: str) -> None:
    control = EngineControl(server.url)
    for call in (
        lambda: control.create(name, "127.0.0.1:9"),
        lambda: control.add_toxic("a", name, LATENCY, 1.0),
        lambda: control.enable(name, enabled=True),
    ):
        with pytest.raises(EngineError, match="cannot be part of a URL"):
            call()
    assert server.asked == []


def test_a_path_is_quoted_where_it_is_ours(server: FakeServer) -> None:
    server.answers["DELETE /proxies/a%2Fb/toxics/c%20d"] = (204, b"")
    EngineControl(server.url).remove_toxic("a/b", "c d")


@pytest.mark.parametrize(
    ("kind", "toxicity", "attributes", "message"),
    [
        ("slicer", 1.0, {"average_size": 0, "size_variation": 0}, "average_size"),
        ("slicer", 1.0, {"average_size": 10, "size_variation": 20}, "size_variation"),
        ("bandwidth", 1.0, {"rate": -1}, "rate"),
        ("latency", 1.0, {"latency": 1, "jitter": 2**62}, "jitter"),
        ("latency", 7.25, {}, "toxicity"),
        ("latency", -1.0, {}, "toxicity"),
    ],
)
def test_what_kills_a_real_server_is_not_sent(
    server: FakeServer, kind: str, toxicity: float, attributes: dict[str, int], message: str
) -> None:
    knows(server, "a")
    control = EngineControl(server.url)
    with pytest.raises(EngineError, match=message) as caught:
        control.add_toxic("a", "t", ToxicSpec(kind, "downstream", attributes), toxicity)
    assert caught.value.status == 400
    assert server.asked == []


def test_switching_a_toxic_is_one_call(server: FakeServer) -> None:
    server.answers["POST /proxies"] = (201, json.dumps(proxy("a")).encode())
    server.answers["POST /proxies/a/toxics"] = (200, b"{}")
    control = EngineControl(server.url)
    control.create("a", "127.0.0.1:9")
    server.asked.clear()
    control.add_toxic("a", "t", ToxicSpec("latency", "upstream", {"latency": 9}), 0.5)
    assert server.asked == [
        (
            "POST /proxies/a/toxics",
            {
                "name": "t",
                "type": "latency",
                "stream": "upstream",
                "toxicity": 0.5,
                "attributes": {"latency": 9},
            },
        )
    ]


def test_a_server_without_our_extensions_has_none(server: FakeServer) -> None:
    server.answers["GET /version"] = (200, b'{"version": "2.12.0"}')
    control = EngineControl(server.url)
    assert control.events(0) is None
    assert not control.is_ours()
