"""Toxics added, updated and removed while connections stand."""

from __future__ import annotations

import threading
import time

import pytest
from test_toxic_effects import LATE_S, TICK_S, both_directions, crossing, takes

from tests.support.engine_subject import Subject, Upstream, end_of, is_silent, receive
from tests.support.waiting import let_pass


@both_directions
def test_a_toxic_acts_on_live_connections_from_its_adding_to_its_removal(
    engine: Subject, upstream: Upstream, stream: str
) -> None:
    proxy = engine.proxy(upstream.address)
    pair = upstream.pair(proxy)
    assert crossing(pair, stream) < 0.2
    path = engine.toxic(proxy, "latency", stream, latency=200)
    assert crossing(pair, stream) >= 0.2 - TICK_S
    engine.must(200, "PATCH", path, {"attributes": {"latency": 400}})
    assert crossing(pair, stream) >= 0.4 - TICK_S
    engine.must(204, "DELETE", path)
    assert crossing(pair, stream) < 0.2


def test_an_update_lets_go_of_the_chunk_in_hand(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    path = engine.toxic(proxy, "latency", latency=60_000)
    pair = upstream.pair(proxy)
    pair.server.sendall(b"first")
    let_pass(0.1)  # so that they are two chunks
    pair.server.sendall(b"second")
    assert is_silent(pair.client, 0.1)
    started = time.monotonic()
    engine.must(200, "PATCH", path, {"attributes": {"latency": 400}})
    assert receive(pair.client, 5) == b"first"
    assert time.monotonic() - started < 0.25
    assert receive(pair.client, 6) == b"second"  # late by the new value, counted from its reading
    assert time.monotonic() - started >= 0.4 - 0.1 - 0.1 - TICK_S - 0.05


@both_directions
def test_a_removal_lets_go_of_all_that_is_held_in_order(
    engine: Subject, upstream: Upstream, stream: str
) -> None:
    proxy = engine.proxy(upstream.address)
    path = engine.toxic(proxy, "latency", stream, latency=60_000)
    sender, receiver = upstream.pair(proxy).ends(stream)
    for number in range(5):
        sender.sendall(bytes([number]) * 100)
        let_pass(0.01)  # so that each is a chunk of its own
    assert is_silent(receiver, 0.1)
    engine.must(204, "DELETE", path)
    sender.sendall(b"more")
    assert receive(receiver, 504) == b"".join(bytes([n]) * 100 for n in range(5)) + b"more"


def test_a_faster_bandwidth_lets_go_of_the_chunk_in_hand(
    engine: Subject, upstream: Upstream
) -> None:
    proxy = engine.proxy(upstream.address)
    path = engine.toxic(proxy, "bandwidth", rate=1)
    pair = upstream.pair(proxy)
    pair.server.sendall(b"x" * 20_000)  # 20 s at 1 kB/s
    assert is_silent(pair.client, 0.05)
    started = time.monotonic()
    engine.must(200, "PATCH", path, {"attributes": {"rate": 1_000_000}})
    receive(pair.client, 20_000)
    assert time.monotonic() - started < 2


@both_directions
def test_removing_a_slow_close_ends_what_waits(
    engine: Subject, upstream: Upstream, stream: str
) -> None:
    proxy = engine.proxy(upstream.address)
    path = engine.toxic(proxy, "slow_close", stream, delay=60_000)
    sender, receiver = upstream.pair(proxy).ends(stream)
    sender.close()
    assert is_silent(receiver, 0.2)
    engine.must(204, "DELETE", path)
    assert end_of(receiver) == "fin"


def test_updating_a_slow_close_makes_the_end_wait_anew(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    path = engine.toxic(proxy, "slow_close", delay=60_000)
    pair = upstream.pair(proxy)
    pair.server.close()
    assert is_silent(pair.client, 0.2)
    started = time.monotonic()
    engine.must(200, "PATCH", path, {"attributes": {"delay": 300}})
    assert end_of(pair.client) == "fin"
    takes(started, 0.3)


@both_directions
def test_removing_a_timeout_ends_its_connections(
    engine: Subject, upstream: Upstream, stream: str
) -> None:
    proxy = engine.proxy(upstream.address)
    pair = upstream.pair(proxy)
    path = engine.toxic(proxy, "timeout", stream, timeout=0)
    sender, receiver = pair.ends(stream)
    sender.sendall(b"lost")
    assert is_silent(receiver, 0.1)
    engine.must(204, "DELETE", path)
    assert (end_of(receiver), end_of(sender)) == ("fin", "fin")
    assert crossing(upstream.pair(proxy), stream) < LATE_S


def test_updating_a_timeout_starts_its_time_anew(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    path = engine.toxic(proxy, "timeout", timeout=0)
    pair = upstream.pair(proxy)
    assert is_silent(pair.client, 0.1)
    started = time.monotonic()
    engine.must(200, "PATCH", path, {"attributes": {"timeout": 300}})
    assert end_of(pair.client) == "fin"
    takes(started, 0.3)


def test_the_count_of_limit_data_survives_an_update(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    path = engine.toxic(proxy, "limit_data", bytes=10)
    pair = upstream.pair(proxy)
    assert crossing(pair, "downstream", b"12345") < LATE_S
    engine.must(200, "PATCH", path, {"attributes": {"bytes": 8}})
    pair.server.sendall(b"67890")
    assert receive(pair.client, 10) == b"678"


def test_a_limit_below_what_has_passed_ends_at_the_next_chunk(
    engine: Subject, upstream: Upstream
) -> None:
    proxy = engine.proxy(upstream.address)
    path = engine.toxic(proxy, "limit_data", bytes=10)
    pair = upstream.pair(proxy)
    crossing(pair, "downstream", b"12345")
    engine.must(200, "PATCH", path, {"attributes": {"bytes": 2}})
    assert is_silent(pair.client, 0.1)
    pair.server.sendall(b"6")
    assert receive(pair.client, 10) == b""


def test_removing_a_slicer_passes_the_rest_whole(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    path = engine.toxic(proxy, "slicer", average_size=1, delay=10_000_000)
    pair = upstream.pair(proxy)
    pair.server.sendall(b"123456")
    assert pair.client.recv(10) == b"1"
    assert is_silent(pair.client, 0.1)
    engine.must(204, "DELETE", path)
    assert receive(pair.client, 5) == b"23456"


def test_disabling_loses_what_is_held(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "latency", latency=60_000)
    pair = upstream.pair(proxy)
    pair.server.sendall(b"held")
    let_pass(0.1)  # the toxic holds it now; neither engine shows that
    engine.must(200, "PATCH", f"/proxies/{proxy.name}", {"enabled": False})
    assert receive(pair.client, 10) == b""
    engine.must(200, "PATCH", f"/proxies/{proxy.name}", {"enabled": True})
    assert len(engine.ask("GET", f"/proxies/{proxy.name}/toxics").json) == 1


def test_a_share_raised_from_none_acts_on_live_connections(
    engine: Subject, upstream: Upstream
) -> None:
    proxy = engine.proxy(upstream.address)
    path = engine.toxic(proxy, "latency", toxicity=0, latency=200)
    pair = upstream.pair(proxy)
    assert crossing(pair, "downstream") < 0.2
    engine.must(200, "PATCH", path, {"toxicity": 1})
    assert crossing(pair, "downstream") >= 0.2 - TICK_S
    engine.must(200, "PATCH", path, {"toxicity": 0})
    assert crossing(pair, "downstream") < 0.2


def test_a_timeout_whose_share_is_lowered_before_it_dropped_anything_spares_the_connection(
    engine: Subject, upstream: Upstream
) -> None:
    proxy = engine.proxy(upstream.address)
    pair = upstream.pair(proxy)
    path = engine.toxic(proxy, "timeout", timeout=300)
    engine.must(200, "PATCH", path, {"toxicity": 0})
    assert is_silent(pair.client, 0.5)
    assert crossing(pair, "downstream") < LATE_S


@pytest.mark.parametrize("kind", ["noop", "latency", "slicer", "slow_close", "bandwidth"])
def test_no_byte_is_lost_or_moved_by_switches(
    engine: Subject, upstream: Upstream, kind: str
) -> None:
    """Upstream's own test, for every toxic that keeps its bytes: both ends stay, so it is safe."""
    attributes = {
        "latency": {"latency": 5, "jitter": 5},
        "bandwidth": {"rate": 10_000},
        "slicer": {"average_size": 16, "size_variation": 8},
    }
    proxy = engine.proxy(upstream.address)
    pair = upstream.pair(proxy)
    messages = b"".join(number.to_bytes(2, "big") for number in range(30_000))
    is_over = threading.Event()

    def send() -> None:
        for start in range(0, len(messages), 60):
            pair.server.sendall(messages[start : start + 60])
            let_pass(0.0005)  # a stream that lasts while toxics come and go
        is_over.set()

    sending = threading.Thread(target=send)
    sending.start()
    received: list[bytes] = []
    receiving = threading.Thread(target=lambda: received.append(receive(pair.client, 60_000)))
    receiving.start()
    while not is_over.is_set():
        path = engine.toxic(proxy, kind, **attributes.get(kind, {}))
        engine.must(204, "DELETE", path)
    sending.join()
    receiving.join(timeout=20)
    assert received == [messages]
