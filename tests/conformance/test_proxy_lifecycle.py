"""Proxies through the API and on the wire: created, updated, populated, reset, deleted."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.support.engine_subject import Subject, Upstream, connect, end_of, free_port, receive


def entry(upstream: Upstream, name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "upstream": upstream.address, "listen": "127.0.0.1:0", **fields}


def test_bytes_pass_both_ways(engine: Subject, upstream: Upstream) -> None:
    pair = upstream.pair(engine.proxy(upstream.address))
    for sender, receiver in (pair.ends("upstream"), pair.ends("downstream")):
        sender.sendall(b"hello ")
        sender.sendall(b"world")
        assert receive(receiver, 11) == b"hello world"


def test_a_large_message_passes_whole(engine: Subject, upstream: Upstream) -> None:
    pair = upstream.pair(engine.proxy(upstream.address))
    message = bytes(range(256)) * 256  # 64 KiB
    pair.client.sendall(message)
    assert receive(pair.server, len(message)) == message


def test_the_end_passes_after_the_bytes(engine: Subject, upstream: Upstream) -> None:
    pair = upstream.pair(engine.proxy(upstream.address))
    pair.server.sendall(b"bye")
    pair.server.close()
    assert receive(pair.client, 10) == b"bye"


def test_an_upstream_that_is_down_gives_an_end(engine: Subject) -> None:
    proxy = engine.proxy(f"127.0.0.1:{free_port()}")
    assert end_of(connect(proxy.port)) == "fin"


@pytest.mark.parametrize("address", ["nowhere", "u:port", "127.0.0.1:99999"])
def test_an_upstream_that_is_no_address_gives_an_end(engine: Subject, address: str) -> None:
    assert end_of(connect(engine.proxy(address).port)) == "fin"


def test_a_disabled_proxy_ends_its_connections_refuses_and_comes_back(
    engine: Subject, upstream: Upstream
) -> None:
    proxy = engine.proxy(upstream.address)
    pair = upstream.pair(proxy)
    shown = engine.must(200, "PATCH", f"/proxies/{proxy.name}", {"enabled": False})
    assert (shown["enabled"], shown["listen"]) == (False, f"127.0.0.1:{proxy.port}")
    assert (end_of(pair.client), end_of(pair.server)) == ("fin", "fin")
    with pytest.raises(ConnectionRefusedError):
        connect(proxy.port)
    engine.must(200, "POST", f"/proxies/{proxy.name}", {"enabled": True})
    upstream.pair(proxy)  # on the same port


def test_disabling_and_enabling_again_and_again_changes_nothing_else(
    engine: Subject, upstream: Upstream
) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "noop")
    for enabled in (False, False, True, True, False, True):
        shown = engine.must(200, "PATCH", f"/proxies/{proxy.name}", {"enabled": enabled})
        assert shown["enabled"] is enabled
        assert len(shown["toxics"]) == 1
    upstream.pair(proxy)


def test_a_deleted_proxy_ends_its_connections_and_refuses(
    engine: Subject, upstream: Upstream
) -> None:
    proxy = engine.proxy(upstream.address)
    pair = upstream.pair(proxy)
    engine.must(204, "DELETE", f"/proxies/{proxy.name}")
    assert (end_of(pair.client), end_of(pair.server)) == ("fin", "fin")
    with pytest.raises(ConnectionRefusedError):
        connect(proxy.port)


def test_an_update_without_a_difference_keeps_connections(
    engine: Subject, upstream: Upstream
) -> None:
    proxy = engine.proxy(upstream.address)
    pair = upstream.pair(proxy)
    for given in (
        {},
        {"listen": f"127.0.0.1:{proxy.port}"},
        {"listen": f"localhost:{proxy.port}"},
        {"upstream": upstream.address, "enabled": True, "name": "other"},
    ):
        shown = engine.must(200, "PATCH", f"/proxies/{proxy.name}", given)
        assert shown["name"] == proxy.name
    pair.client.sendall(b"x")
    assert receive(pair.server, 1) == b"x"


def test_another_upstream_drops_connections_and_keeps_toxics(
    engine: Subject, upstream: Upstream
) -> None:
    other = Upstream()
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "noop")
    pair = upstream.pair(proxy)
    shown = engine.must(200, "PATCH", f"/proxies/{proxy.name}", {"upstream": other.address})
    assert (shown["enabled"], len(shown["toxics"])) == (True, 1)
    assert end_of(pair.client) == "fin"
    other.pair(proxy)
    other.close()


def test_another_listen_address_moves_the_proxy(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    shown = engine.must(200, "PATCH", f"/proxies/{proxy.name}", {"listen": "localhost:0"})
    port = int(shown["listen"].removeprefix("127.0.0.1:"))
    assert port != proxy.port
    with pytest.raises(ConnectionRefusedError):
        connect(proxy.port)
    connect(port).close()


def test_an_update_that_cannot_listen_leaves_the_proxy_disabled_with_the_new_address(
    engine: Subject, upstream: Upstream
) -> None:
    proxy, other = engine.proxy(upstream.address), engine.proxy(upstream.address)
    taken = f"127.0.0.1:{other.port}"
    path = f"/proxies/{proxy.name}"
    answer = engine.ask("PATCH", path, {"listen": taken})
    expected = f"listen tcp {taken}: bind: address already in use"
    assert (answer.status, answer.json) == (500, {"error": expected, "status": 500})
    shown = engine.ask("GET", path).json
    assert (shown["enabled"], shown["listen"]) == (False, taken)
    engine.must(204, "DELETE", f"/proxies/{other.name}")
    assert engine.must(200, "PATCH", path, {"enabled": True})["enabled"] is True


def test_an_update_to_what_is_no_address_changes_nothing(
    engine: Subject, upstream: Upstream
) -> None:
    proxy = engine.proxy(upstream.address)
    before = engine.ask("GET", f"/proxies/{proxy.name}").body
    for listen, expected in [
        ("x", "address x: missing port in address"),
        ("127.0.0.1:99999", "address 99999: invalid port"),
    ]:
        answer = engine.ask("PATCH", f"/proxies/{proxy.name}", {"listen": listen, "upstream": "q"})
        assert (answer.status, answer.json) == (500, {"error": expected, "status": 500})
    assert engine.ask("GET", f"/proxies/{proxy.name}").body == before


def test_an_update_may_empty_the_upstream(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    assert engine.must(200, "PATCH", f"/proxies/{proxy.name}", {"upstream": ""})["upstream"] == ""


def test_a_population_is_created_in_order(engine: Subject, upstream: Upstream) -> None:
    answer = engine.ask(
        "POST",
        "/populate",
        [
            entry(upstream, "b"),
            entry(upstream, "a", enabled=False),
            entry(upstream, "c", enabled=None, toxics=[{"type": "latency"}]),
        ],
    )
    assert (answer.status, answer.headers["content-type"]) == (201, "application/json")
    assert answer.body.startswith(b'{"proxies":[{"name":"b",')
    assert not answer.body.endswith(b"\n")
    made = answer.json["proxies"]
    assert [(each["name"], each["enabled"], each["toxics"]) for each in made] == [
        ("b", True, []),
        ("a", False, []),
        ("c", True, []),
    ]
    assert made[1]["listen"] == "127.0.0.1:0"


@pytest.mark.parametrize("body", [b"[]", b"null", b"[] more"])
def test_an_empty_population_is_null(engine: Subject, body: bytes) -> None:
    answer = engine.ask("POST", "/populate", body)
    assert (answer.status, answer.body) == (201, b'{"proxies":null}')


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ({"name": "", "upstream": "u"}, "missing required field: name at proxy 2"),
        ({"name": "x"}, "missing required field: upstream at proxy 2"),
        (None, "missing required field: name at proxy 2"),
    ],
)
def test_a_population_with_a_gap_creates_nothing(
    engine: Subject, upstream: Upstream, second: Any, expected: str
) -> None:
    answer = engine.ask("POST", "/populate", [entry(upstream, "a"), second])
    assert answer.status == 400
    assert answer.json == {"error": expected, "status": 400, "proxies": None}
    assert engine.ask("GET", "/proxies").json == {}


def test_a_population_stops_at_the_first_that_cannot_listen(
    engine: Subject, upstream: Upstream
) -> None:
    answer = engine.ask(
        "POST",
        "/populate",
        [
            entry(upstream, "a"),
            entry(upstream, "b", listen="bad"),
            entry(upstream, "c"),
        ],
    )
    assert (answer.status, answer.headers["content-type"]) == (500, "application/json")
    assert answer.json["error"] == "listen tcp: address bad: missing port in address"
    assert [proxy["name"] for proxy in answer.json["proxies"]] == ["a"]
    assert list(engine.ask("GET", "/proxies").json) == ["a"]


def test_a_population_keeps_what_is_there_with_its_state(
    engine: Subject, upstream: Upstream
) -> None:
    proxy = engine.proxy(upstream.address, name="a")
    kept = engine.proxy(upstream.address, name="kept")
    engine.toxic(proxy, "noop")
    pair = upstream.pair(proxy)
    same = entry(upstream, "a", listen=f"localhost:{proxy.port}", enabled=False)
    made = engine.must(201, "POST", "/populate", [same])["proxies"]
    assert (made[0]["enabled"], len(made[0]["toxics"])) == (True, 1)  # enabled is not looked at
    pair.client.sendall(b"x")
    assert receive(pair.server, 1) == b"x"
    engine.must(200, "PATCH", "/proxies/a", {"enabled": False})
    made = engine.must(201, "POST", "/populate", [same | {"enabled": True}])["proxies"]
    assert made[0]["enabled"] is False
    assert kept.name in engine.ask("GET", "/proxies").json  # what is not named stays


def test_a_population_replaces_what_differs(engine: Subject, upstream: Upstream) -> None:
    other = Upstream()
    proxy = engine.proxy(upstream.address, name="a")
    engine.toxic(proxy, "noop")
    pair = upstream.pair(proxy)
    new = entry(other, "a", listen=f"127.0.0.1:{proxy.port}")
    made = engine.must(201, "POST", "/populate", [new])["proxies"]
    assert (made[0]["listen"], made[0]["toxics"]) == (f"127.0.0.1:{proxy.port}", [])
    assert end_of(pair.client) == "fin"
    other.pair(proxy)
    other.close()


def test_a_population_with_a_free_port_always_differs(engine: Subject, upstream: Upstream) -> None:
    engine.proxy(upstream.address, name="a")
    first = engine.must(201, "POST", "/populate", [entry(upstream, "a")])["proxies"][0]["listen"]
    second = engine.must(201, "POST", "/populate", [entry(upstream, "a")])["proxies"][0]["listen"]
    assert first != second


def test_a_replacement_that_cannot_listen_leaves_the_old_one_stopped(
    engine: Subject, upstream: Upstream
) -> None:
    engine.proxy(upstream.address, name="a")
    other = engine.proxy(upstream.address)
    taken = entry(upstream, "a", listen=f"127.0.0.1:{other.port}")
    answer = engine.ask("POST", "/populate", [taken])
    assert (answer.status, answer.json["proxies"]) == (500, None)
    assert engine.ask("GET", "/proxies/a").json["enabled"] is False


def test_a_replacement_of_what_is_no_address_is_refused_without_listening(
    engine: Subject, upstream: Upstream
) -> None:
    engine.proxy(upstream.address, name="a")
    answer = engine.ask("POST", "/populate", [entry(upstream, "a", listen="bad")])
    assert answer.status == 500
    assert answer.json["error"] == "address bad: missing port in address"
    assert engine.ask("GET", "/proxies/a").json["enabled"] is True


def test_a_reset_enables_all_and_removes_every_toxic(engine: Subject, upstream: Upstream) -> None:
    slow, stopped = engine.proxy(upstream.address), engine.proxy(upstream.address, enabled=False)
    engine.toxic(slow, "latency", "upstream", latency=5_000)
    engine.toxic(slow, "latency", name="more", latency=5_000)
    pair = upstream.pair(slow)
    answer = engine.ask("POST", "/reset", b"not looked at")
    assert (answer.status, answer.body) == (204, b"")
    shown = engine.ask("GET", "/proxies").json
    assert [(p["enabled"], p["toxics"]) for p in shown.values()] == [(True, []), (True, [])]
    pair.client.sendall(b"x")
    assert receive(pair.server, 1) == b"x"
    assert shown[stopped.name]["listen"] != "127.0.0.1:0"


def test_a_reset_ends_the_connections_of_a_timeout(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    pair = upstream.pair(proxy)
    # What has passed both ways is a connection that the engine serves: the original accepts one
    # upstream before it does.
    for sender, receiver in ((pair.client, pair.server), (pair.server, pair.client)):
        sender.sendall(b"x")
        assert receive(receiver, 1) == b"x"
    engine.toxic(proxy, "timeout", timeout=0)
    engine.must(204, "POST", "/reset")
    assert (end_of(pair.client), end_of(pair.server)) == ("fin", "fin")


def test_a_reset_reports_a_proxy_that_cannot_start(engine: Subject, upstream: Upstream) -> None:
    engine.must(201, "POST", "/proxies", entry(upstream, "a", listen="bad", enabled=False))
    answer = engine.ask("POST", "/reset")
    expected = "listen tcp: address bad: missing port in address"
    assert (answer.status, answer.json) == (500, {"error": expected, "status": 500})


def test_ipv6_addresses_are_taken_and_shown_in_brackets(
    engine: Subject, upstream: Upstream
) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")
    made = engine.must(201, "POST", "/proxies", entry(upstream, "six", listen="[::1]:0"))
    assert made["listen"].startswith("[::1]:")
    with socket.create_connection(("::1", int(made["listen"].removeprefix("[::1]:")))) as client:
        server = upstream.accept()
        client.sendall(b"x")
        assert receive(server, 1) == b"x"
