"""What each toxic does to the bytes of either direction, and how long that takes.

Lower bounds are exact to a clock's tick; upper ones leave room for a busy machine.
"""

from __future__ import annotations

import time

import pytest

from tests.support.engine_subject import (
    Pair,
    Subject,
    Upstream,
    connect,
    end_of,
    is_silent,
    receive,
)
from tests.support.waiting import let_pass

TICK_S = 0.005
LATE_S = 0.4
both_directions = pytest.mark.parametrize("stream", ["upstream", "downstream"])


def takes(started: float, wanted_s: float, late_s: float = LATE_S) -> None:
    """The time since `started` is what was wanted."""
    took = time.monotonic() - started
    assert wanted_s - TICK_S <= took <= wanted_s + late_s, f"{took:.3f} s, not {wanted_s:g} s"


def crossing(pair: Pair, stream: str, data: bytes = b"ping") -> float:
    """How long bytes take from one end to the other."""
    sender, receiver = pair.ends(stream)
    started = time.monotonic()
    sender.sendall(data)
    assert receive(receiver, len(data)) == data
    return time.monotonic() - started


def other(stream: str) -> str:
    return "upstream" if stream == "downstream" else "downstream"


@both_directions
def test_latency_delays_one_direction_only(
    engine: Subject, upstream: Upstream, stream: str
) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "latency", stream, latency=150)
    started = time.monotonic()
    pair = upstream.pair(proxy)
    assert time.monotonic() - started < 0.15  # the connect is not delayed
    assert 0.15 - TICK_S <= crossing(pair, stream) <= 0.15 + LATE_S
    assert crossing(pair, other(stream)) < 0.15


@both_directions
def test_jitter_varies_latency_within_its_bounds(
    engine: Subject, upstream: Upstream, stream: str
) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "latency", stream, latency=50, jitter=40)
    pair = upstream.pair(proxy)
    took = [crossing(pair, stream) for _ in range(20)]
    assert min(took) >= 0.01 - TICK_S
    assert sorted(took)[10] <= 0.09 + 0.05  # the median: a busy machine may be late now and then
    assert max(took) - min(took) > 0.02  # the spread of 20 draws over 80 ms: 1 in 10^10 is less


def test_negative_jitter_is_no_jitter_and_negative_latency_no_delay(
    engine: Subject, upstream: Upstream
) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "latency", name="late", latency=100, jitter=-90)
    engine.toxic(proxy, "latency", name="early", latency=-5_000)
    pair = upstream.pair(proxy)
    assert all(crossing(pair, "downstream") >= 0.1 - TICK_S for _ in range(5))


def test_latencies_in_series_add_up(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "latency", name="one", latency=100)
    engine.toxic(proxy, "latency", name="two", latency=80)
    pair = upstream.pair(proxy)
    assert 0.18 - TICK_S <= crossing(pair, "downstream") <= 0.18 + LATE_S


@both_directions
def test_latency_is_a_pipeline_and_keeps_order(
    engine: Subject, upstream: Upstream, stream: str
) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "latency", stream, latency=200, jitter=50)
    sender, receiver = upstream.pair(proxy).ends(stream)
    for number in range(40):
        let_pass(0.005)  # so that each is a chunk of its own
        sent = time.monotonic()
        sender.sendall(bytes([number]))
    assert receive(receiver, 40) == bytes(range(40))
    # From the last one on, since a busy machine may take long to send them. One after the other
    # they would take 40 times 0.15 s or more, of which 5.8 s are left when the last is sent.
    takes(sent, 0.2 - 0.05, 2.0)


@both_directions
def test_the_end_is_not_delayed_but_comes_after_what_is(
    engine: Subject, upstream: Upstream, stream: str
) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "latency", stream, latency=300)
    sender, receiver = upstream.pair(proxy).ends(stream)
    started = time.monotonic()
    sender.close()
    assert end_of(receiver) == "fin"
    assert time.monotonic() - started < 0.3
    sender, receiver = upstream.pair(proxy).ends(stream)
    started = time.monotonic()
    sender.sendall(b"last")
    sender.close()
    assert receive(receiver, 10) == b"last"
    takes(started, 0.3)


@both_directions
def test_bandwidth_takes_its_time_in_slices(
    engine: Subject, upstream: Upstream, stream: str
) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "bandwidth", stream, rate=100)
    pair = upstream.pair(proxy)
    sender, receiver = pair.ends(stream)
    started = time.monotonic()
    sender.sendall(b"x" * 30_000)  # 30 kB at 100 kB/s: 0.3 s; kB = 1000 B
    first = len(receiver.recv(65_536))
    takes(started, 0.1)  # a slice is what 0.1 s carry
    assert first == 10_000
    receive(receiver, 20_000)
    takes(started, 0.3)
    assert crossing(pair, other(stream), b"x" * 30_000) < 0.3


def test_a_small_chunk_waits_for_its_own_bytes_only(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "bandwidth", rate=100)
    pair = upstream.pair(proxy)
    assert 0.05 - TICK_S <= crossing(pair, "downstream", b"x" * 5_000) < 0.05 + LATE_S


def test_bandwidth_is_for_each_connection(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "bandwidth", rate=100)
    pairs = [upstream.pair(proxy) for _ in range(4)]
    started = time.monotonic()
    for pair in pairs:
        pair.server.sendall(b"x" * 20_000)
    for pair in pairs:
        receive(pair.client, 20_000)
    takes(started, 0.2)  # not four times as long


@both_directions
def test_bandwidth_of_nothing_stalls_and_keeps(
    engine: Subject, upstream: Upstream, stream: str
) -> None:
    proxy = engine.proxy(upstream.address)
    path = engine.toxic(proxy, "bandwidth", stream, rate=0)
    sender, receiver = upstream.pair(proxy).ends(stream)
    sender.sendall(b"kept")
    assert is_silent(receiver, 0.3)
    engine.must(204, "DELETE", path)
    assert receive(receiver, 4) == b"kept"


@both_directions
def test_slow_close_delays_the_end_only(engine: Subject, upstream: Upstream, stream: str) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "slow_close", stream, delay=300)
    pair = upstream.pair(proxy)
    assert crossing(pair, stream) < 0.3
    sender, receiver = pair.ends(stream)
    started = time.monotonic()
    sender.close()
    assert end_of(receiver) == "fin"
    takes(started, 0.3)


@both_directions
def test_a_timeout_drops_all_and_ends_both_sides(
    engine: Subject, upstream: Upstream, stream: str
) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "timeout", stream, timeout=200)
    started = time.monotonic()
    pair = upstream.pair(proxy)
    sender, receiver = pair.ends(stream)
    sender.sendall(b"lost")
    assert receive(receiver, 4) == b""
    takes(started, 0.2)
    assert end_of(sender) == "fin"


def test_a_timeout_counts_from_the_last_chunk(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "timeout", "upstream", timeout=300)
    pair = upstream.pair(proxy)
    for _ in range(6):
        let_pass(0.1)  # a third of the timeout, again and again
        started = time.monotonic()
        pair.client.sendall(b"lost")
    assert end_of(pair.server) == "fin"
    takes(started, 0.3)


@both_directions
def test_a_timeout_of_nothing_never_ends(engine: Subject, upstream: Upstream, stream: str) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "timeout", stream, timeout=0)
    pair = upstream.pair(proxy)
    sender, receiver = pair.ends(stream)
    sender.sendall(b"lost")
    assert is_silent(receiver, 0.3)
    assert crossing(pair, other(stream)) < LATE_S
    sender.close()  # the sender's end is an end
    assert end_of(receiver) == "fin"


@both_directions
def test_reset_peer_resets_after_the_first_chunk(
    engine: Subject, upstream: Upstream, stream: str
) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "reset_peer", stream, timeout=200)
    pair = upstream.pair(proxy)
    sender, receiver = pair.ends(stream)
    assert is_silent(receiver, 0.3)  # idle: nothing happens
    started = time.monotonic()
    sender.sendall(b"lost")
    assert (end_of(receiver), end_of(sender)) == ("rst", "rst")
    takes(started, 0.2)


def test_reset_peer_without_timeout_resets_at_once(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "reset_peer", "upstream")
    pair = upstream.pair(proxy)
    started = time.monotonic()
    pair.client.sendall(b"lost")
    assert end_of(pair.client) == "rst"
    takes(started, 0.0)


def test_reset_peer_resets_at_the_end(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "reset_peer", timeout=150)
    pair = upstream.pair(proxy)
    started = time.monotonic()
    pair.server.close()
    assert end_of(pair.client) == "rst"
    takes(started, 0.15)


@both_directions
def test_slices_come_one_by_one(engine: Subject, upstream: Upstream, stream: str) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "slicer", stream, average_size=1, delay=20_000)
    sender, receiver = upstream.pair(proxy).ends(stream)
    started = time.monotonic()
    sender.sendall(b"12345678")
    pieces = [receiver.recv(100) for _ in range(5)]
    pieces.append(receive(receiver, 8 - len(b"".join(pieces))))
    assert b"".join(pieces) == b"12345678"
    assert pieces[0] == b"1"
    takes(started, 7 * 0.02, 0.6)  # a delay after each slice


def test_slices_vary_around_the_average_and_keep_every_byte(
    engine: Subject, upstream: Upstream
) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "slicer", average_size=1024, size_variation=512, delay=2_000)
    pair = upstream.pair(proxy)
    message = bytes(range(256)) * 128  # 32 KiB, one chunk
    pair.server.sendall(message)
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < len(message):
        pieces.append(pair.client.recv(65_536))
    assert b"".join(pieces) == message
    # Halving ends at 1,536 at most; 32 KiB are 22 such pieces at least. Pieces of at least
    # (1,537 / 2) - 512 = 256 bytes are 128 at most. The reader may see some of them at once.
    assert 11 <= len(pieces) <= 128


@both_directions
@pytest.mark.parametrize("sent", [b"123456789", b"1234567890", b"1234567890abc"])
def test_limit_data_passes_its_bytes_then_ends(
    engine: Subject, upstream: Upstream, stream: str, sent: bytes
) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "limit_data", stream, bytes=10)
    sender, receiver = upstream.pair(proxy).ends(stream)
    sender.sendall(sent)
    if len(sent) < 10:
        assert receive(receiver, 9) == sent
        assert is_silent(receiver, 0.1)
        sender.sendall(b"0")
    assert receive(receiver, 100)[-1:] == b"0"
    assert end_of(sender) == "fin"


def test_limit_data_counts_over_chunks_and_for_each_connection(
    engine: Subject, upstream: Upstream
) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "limit_data", bytes=100_000)
    for _ in range(2):
        pair = upstream.pair(proxy)
        for _ in range(20):
            try:
                pair.server.sendall(b"x" * 10_000)
            except OSError:  # it was cut while we wrote
                break
        assert len(receive(pair.client, 200_000)) == 100_000


@pytest.mark.parametrize("limit", [0, -5])
def test_limit_data_of_nothing_ends_at_the_first_chunk(
    engine: Subject, upstream: Upstream, limit: int
) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "limit_data", bytes=limit)
    pair = upstream.pair(proxy)
    assert is_silent(pair.client, 0.2)  # idle: it stays open
    pair.server.sendall(b"x")
    assert receive(pair.client, 10) == b""


def test_toxics_in_series_share_one_clock(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "bandwidth", name="thin", rate=10)
    engine.toxic(proxy, "latency", name="late", latency=600)
    pair = upstream.pair(proxy)
    took = crossing(pair, "downstream", b"x" * 5_000)
    assert 0.6 - TICK_S <= took < 1.0  # 0.5 s in the first are part of the 0.6 s of the second


def test_toxics_act_in_the_order_of_their_adding(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "latency", name="late", latency=300)
    engine.toxic(proxy, "bandwidth", name="thin", rate=100)
    pair = upstream.pair(proxy)
    took = crossing(pair, "downstream", b"x" * 10_000)
    assert 0.4 - TICK_S <= took <= 0.4 + LATE_S  # the second begins when the first lets go


def test_toxics_are_there_before_the_first_byte(engine: Subject, upstream: Upstream) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "limit_data", "upstream", bytes=3)
    client = connect(proxy.port)
    client.sendall(b"12345")
    assert receive(upstream.accept(), 10) == b"123"
    client.close()


@pytest.mark.parametrize("toxicity", [0.0, 0.5, 1.0])
def test_toxicity_is_the_share_of_connections(
    engine: Subject, upstream: Upstream, toxicity: float
) -> None:
    proxy = engine.proxy(upstream.address)
    engine.toxic(proxy, "limit_data", "upstream", toxicity=toxicity, bytes=0)
    affected = 0
    for _ in range(100):
        pair = upstream.pair(proxy)
        pair.client.sendall(b"x")
        affected += receive(pair.server, 1) == b""
        pair.close()
    # 100 draws: outside 25..75 at a half comes once in a million runs
    assert affected == 100 * toxicity or (toxicity == 0.5 and 25 <= affected <= 75)
