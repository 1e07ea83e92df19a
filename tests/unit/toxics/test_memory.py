"""What an engine holds back over all connections is bounded."""

from __future__ import annotations

from itertools import pairwise

from paychain.toxics.memory import MAX_HELD_BYTES, SMALL_BYTES, HeldBytes
from tests.support.toxic_stages import Sink, feed, stage_of

CHUNK = b"x" * 32_768


def fill(sink: Sink, stage: object, most: int = 2_000) -> int:
    """Chunks that a stage takes until it pauses its source."""
    for number in range(most):
        if sink.pauses[-1:] == ["pause"]:
            return number
        feed(sink, stage, CHUNK)  # type: ignore[arg-type]  # a stage of any kind
    return most


def test_many_directions_together_hold_no_more_than_the_limit() -> None:
    held = HeldBytes()
    taken = []
    for connection in range(40):
        sink = Sink(held=held)
        stage = stage_of(sink, "latency", connection=connection, latency=3_600_000)
        taken.append(fill(sink, stage))
    # Each may hold 32 MiB: eight of them reach the limit. Every other takes three small chunks,
    # which is past 64 KiB.
    assert taken[0] > 900
    assert taken[-1] == 2
    assert all(one >= other for one, other in pairwise(taken))
    assert held.bytes < MAX_HELD_BYTES + 40 * (SMALL_BYTES + 2 * len(CHUNK))


def test_what_leaves_is_given_back_on_every_way_out() -> None:
    held = HeldBytes(1_000_000)
    for leave in ("time", "removal", "stop", "update"):
        sink = Sink(held=held)
        stage = stage_of(sink, "latency", latency=50)
        for _ in range(10):
            feed(sink, stage, CHUNK)
        assert held.bytes > 10 * len(CHUNK)
        if leave == "time":
            sink.loop.run(1)
        elif leave == "removal":
            stage.on_removed()
        elif leave == "stop":
            stage.stop()
        else:
            stage.toxic.attributes["latency"] = 0
            stage.on_updated()
            sink.loop.run(1)
        assert held.bytes == 0, leave


def test_a_direction_that_waits_goes_on_when_there_is_room_again() -> None:
    held = HeldBytes(1_000_000)
    bulk = Sink(held=held)
    big = stage_of(bulk, "latency", latency=60_000)
    fill(bulk, big)
    small = Sink(held=held)
    stage = stage_of(small, "latency", connection=2, latency=10)
    assert fill(small, stage) == 2  # read only a little, but read: payments go on
    small.loop.run(1)
    assert small.pauses == ["pause", "resume"]
    assert sum(len(data) for _, data in small.out) == 2 * len(CHUNK)
    big.stop()
    small.pauses.clear()
    assert fill(small, stage) > 25  # up to the limit of this test
