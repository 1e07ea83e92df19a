"""What each stage lets go when, what it holds, and what it counts."""

from __future__ import annotations

import pytest

from paychain.toxics.buffered import CHUNK_COST
from paychain.toxics.registry import TOXICS, wrong_attributes
from tests.support.toxic_stages import Sink, feed, stage_of


def test_latency_counts_from_the_reading_of_a_chunk() -> None:
    sink = Sink()
    stage = stage_of(sink, "latency", latency=100)
    stage.feed(b"late already", sink.loop.now - 0.06)
    stage.feed(b"just read", sink.loop.now)
    stage.end()
    sink.loop.run(1)
    assert sink.out == [(0.04, b"late already"), (0.1, b"just read"), (0.1, "end")]


def test_jitter_repeats_with_the_seed_and_differs_between_connections() -> None:
    def delays(seed: int, connection: int) -> list[float]:
        sink = Sink()
        stage = stage_of(sink, "latency", seed, connection, latency=100, jitter=100)
        times = []
        for _ in range(10):
            before = sink.loop.now
            feed(sink, stage, b"x")
            sink.loop.run(1)
            times.append(round(sink.out[-1][0] + 100 - before, 6))
        return times

    assert delays(7, 1) == delays(7, 1)
    assert delays(7, 1) != delays(7, 2)
    assert delays(7, 1) != delays(8, 1)
    assert all(0 <= delay <= 0.2 for delay in delays(7, 1))


def test_an_update_releases_the_chunk_in_hand_and_retimes_the_others() -> None:
    sink = Sink()
    stage = stage_of(sink, "latency", latency=1_000)
    feed(sink, stage, b"a")
    feed(sink, stage, b"b")
    sink.loop.run(0.1)
    stage.toxic.attributes = {"latency": 300}
    stage.on_updated()
    sink.loop.run(1)
    assert sink.out == [(0.1, b"a"), (0.3, b"b")]


def test_a_removal_releases_all_at_once_in_order() -> None:
    sink = Sink()
    stage = stage_of(sink, "latency", latency=1_000)
    for data in (b"a", b"b"):
        feed(sink, stage, data)
    stage.end()
    sink.loop.run(0.1)
    stage.on_removed()
    assert sink.out == [(0.1, b"a"), (0.1, b"b"), (0.1, "end")]


def test_bandwidth_sends_what_a_tenth_of_a_second_carries() -> None:
    sink = Sink()
    stage = stage_of(sink, "bandwidth", rate=10)  # 1,000 B in 0.1 s
    feed(sink, stage, b"x" * 2_500)
    stage.end()
    sink.loop.run(1)
    assert [(at, len(what)) for at, what in sink.out[:3]] == [(0.1, 1000), (0.2, 1000), (0.25, 500)]
    assert sink.out[3] == (0.25, "end")


def test_a_timer_that_fires_late_does_not_slow_down_what_waits() -> None:
    sink = Sink()
    stage = stage_of(sink, "bandwidth", rate=100)
    for _ in range(10):
        feed(sink, stage, b"x" * 1_000)  # 0.01 s each
    sink.loop.now += 0.095  # a busy machine: no timer could fire until now
    sink.loop.run(0.006)
    assert sum(len(what) for _, what in sink.out) == 10_000
    feed(sink, stage, b"x" * 1_000)
    sink.loop.run(0.009)
    assert len(sink.out) == 10  # but idle time is no credit
    sink.loop.run(0.002)
    assert len(sink.out) == 11


def test_bandwidth_of_nothing_holds_the_end_too() -> None:
    sink = Sink()
    stage = stage_of(sink, "bandwidth", rate=0)
    feed(sink, stage, b"x")
    stage.end()
    sink.loop.run(1_000_000)
    assert sink.out == []
    stage.on_removed()
    assert [what for _, what in sink.out] == [b"x", "end"]


def test_slow_close_waits_anew_after_an_update() -> None:
    sink = Sink()
    stage = stage_of(sink, "slow_close", delay=1_000)
    feed(sink, stage, b"x")
    stage.end()
    sink.loop.run(0.5)
    stage.toxic.attributes = {"delay": 200}
    stage.on_updated()
    sink.loop.run(2)
    assert sink.out == [(0.0, b"x"), (0.7, "end")]


def test_slices_leave_in_turns_of_their_own() -> None:
    sink = Sink()
    turns: list[int] = []
    stage = stage_of(sink, "slicer", average_size=2)
    stage.forward = lambda data, _: turns.append(len(data))
    feed(sink, stage, b"abcdefgh")
    assert turns == [2]  # so that the loop writes each to the socket by itself
    sink.loop.run(0)
    assert turns == [2, 2, 2, 2]


def test_the_delay_after_the_last_slice_holds_the_next_chunk() -> None:
    sink = Sink()
    stage = stage_of(sink, "slicer", average_size=1, delay=100_000)
    feed(sink, stage, b"ab")
    feed(sink, stage, b"c")
    sink.loop.run(1)
    assert sink.out == [(0.0, b"a"), (0.1, b"b"), (0.2, b"c")]


def test_a_full_stage_pauses_its_source_and_resumes_at_half() -> None:
    sink = Sink()
    stage = stage_of(sink, "bandwidth", rate=100)
    for _ in range(10):
        feed(sink, stage, b"x" * 10_000)  # 100 kB, 64 KiB may be held
    assert sink.pauses == ["pause"]
    sink.loop.run(0.65)  # 65 kB are gone, about 35 kB are held
    assert sink.pauses == ["pause"]
    sink.loop.run(0.1)
    assert sink.pauses == ["pause", "resume"]


def test_many_small_chunks_count_with_what_they_cost() -> None:
    sink = Sink()
    stage = stage_of(sink, "bandwidth", rate=0)
    for _ in range(65_536 // CHUNK_COST + 1):
        feed(sink, stage, b"x")
    assert sink.pauses == ["pause"]


def test_a_stopped_stage_does_nothing_more() -> None:
    for kind, attributes in [
        ("latency", {"latency": 10}),
        ("timeout", {"timeout": 10}),
        ("reset_peer", {"timeout": 10}),
        ("slow_close", {"delay": 10}),
        ("slicer", {"average_size": 1, "delay": 10}),
    ]:
        sink = Sink()
        stage = stage_of(sink, kind, **attributes)
        feed(sink, stage, b"xy")
        stage.end() if kind == "slow_close" else None
        before = list(sink.out)
        stage.stop()
        sink.loop.run(1)
        assert sink.out == before, kind


def test_a_timeout_closes_after_silence_and_a_removal_closes_at_once() -> None:
    sink = Sink()
    stage = stage_of(sink, "timeout", timeout=100)
    sink.loop.run(0.09)
    feed(sink, stage, b"x")
    sink.loop.run(0.09)
    assert sink.out == []
    sink.loop.run(0.02)
    assert sink.out == [(0.19, "close: timeout")]
    sink = Sink()
    stage_of(sink, "timeout").on_removed()
    assert sink.out == [(0.0, "close: timeout removed")]


def test_a_timeout_spares_a_connection_only_when_nothing_was_dropped() -> None:
    sink = Sink()
    stage_of(sink, "timeout").on_excluded()
    assert sink.out == []
    stage = stage_of(sink, "timeout")
    feed(sink, stage, b"x")
    stage.on_excluded()
    assert sink.out == [(0.0, "close: timeout removed")]


def test_hits_count_chunks_bytes_and_the_first_on_a_connection() -> None:
    sink = Sink()
    stage = stage_of(sink, "latency", latency=1)
    feed(sink, stage, b"abc")
    feed(sink, stage, b"de")
    sink.loop.run(1)
    assert stage.toxic.counters() == {"connections": 0, "hits": 2, "bytes": 5}
    assert sink.first_hits == 1
    passing = stage_of(sink, "noop")
    feed(sink, passing, b"abc")
    assert passing.toxic.hits == 0  # it does nothing to them


@pytest.mark.parametrize(
    ("kind", "attributes", "size", "hits"),
    [
        ("bandwidth", {"rate": 100_000}, 1_000, 0),  # 100 MB/s: 10 µs
        ("bandwidth", {"rate": 100}, 1_000, 1),  # 10 ms
        ("bandwidth", {"rate": 0}, 1, 1),
        ("latency", {"latency": 0}, 1_000, 0),
        ("latency", {"latency": 1}, 1_000, 1),
        ("slicer", {"average_size": 1_000, "delay": 1_000}, 1_000, 0),
        ("slicer", {"average_size": 500, "delay": 0}, 1_000, 1),
        ("slow_close", {"delay": 0}, 1_000, 0),
        ("slow_close", {"delay": 1}, 1_000, 1),
    ],
)
def test_a_toxic_that_nothing_had_to_wait_for_has_hit_nothing(
    kind: str, attributes: dict[str, int], size: int, hits: int
) -> None:
    sink = Sink()
    stage = stage_of(sink, kind, **attributes)
    feed(sink, stage, b"x" * size)
    if kind == "slow_close":
        stage.end()
    assert (stage.toxic.hits, sink.first_hits) == (hits, hits)


def test_chunks_that_are_slow_only_together_are_hit() -> None:
    sink = Sink()
    stage = stage_of(sink, "bandwidth", rate=10_000)  # 0.1 ms each
    for _ in range(20):
        feed(sink, stage, b"x" * 1_000)
    sink.loop.run(1)
    assert stage.toxic.hits > 0


@pytest.mark.parametrize(
    ("kind", "attributes", "is_wrong"),
    [
        ("bandwidth", {"rate": -1}, True),
        ("bandwidth", {"rate": 0}, False),
        ("slicer", {}, True),
        ("slicer", {"average_size": 1}, False),
        ("slicer", {"average_size": 4, "size_variation": 4}, True),
        ("slicer", {"average_size": 4, "size_variation": -1}, True),
        ("slicer", {"average_size": 4, "size_variation": 3}, False),
        ("latency", {"latency": 2**54}, True),
        ("latency", {"jitter": 2**62}, True),
        ("latency", {"latency": -5, "jitter": -5}, False),
        ("timeout", {"timeout": -1}, False),
    ],
)
def test_attributes_that_cannot_work_are_refused(
    kind: str, attributes: dict[str, int], is_wrong: bool
) -> None:
    assert (wrong_attributes(kind, attributes) is not None) is is_wrong


def test_every_kind_has_a_module_of_its_name() -> None:
    assert {kind.__module__.rpartition(".")[2] for kind in TOXICS.values()} == set(TOXICS)
