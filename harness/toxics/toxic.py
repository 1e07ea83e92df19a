"""Toxics: what happens to the bytes of one direction of one connection.

A toxic is a stage of a pipeline. Time is the loop's and chance is keyed by (seed, proxy,
connection, toxic), so that the same stages serve the embedded engine and virtual time.
Behaviour: toxiproxy.md §1.5.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.payments.chance import draw

HELD_BYTES = 1_048_576  # a direction that holds more stops reading its source
SLICE_S = 0.1  # bandwidth sends at most this much time's worth of bytes at once


@dataclass
class Toxic:
    """A toxic as it was declared, with its counters."""

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: dict[str, int]
    connections: int = 0
    hits: int = 0  # chunks or closes it acted on
    bytes: int = 0

    def described(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "attributes": self.attributes, "name": self.name, "type": self.type,
            "stream": self.stream, "toxicity": self.toxicity,
        }  # fmt: skip


class Direction(Protocol):
    """What a stage may do to the direction it stands in."""

    loop: asyncio.AbstractEventLoop

    def hold(self, size: int) -> None:
        """Account for bytes kept back (negative when they go on)."""

    def close(self) -> None:
        """End the connection, both ways."""

    def reset(self) -> None:
        """Reset the connection, both ways."""


@dataclass(eq=False)
class Stage:
    """One toxic acting on one direction. `forward` and `finish` lead to the next stage."""

    toxic: Toxic
    direction: Direction
    chance: Callable[[int], float]  # draws for the n-th chunk
    forward: Callable[[bytes], None] = field(init=False)
    finish: Callable[[], None] = field(init=False)
    _chunks: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """State of a kind of stage."""

    def feed(self, data: bytes) -> None:
        """Take one chunk."""
        self.forward(data)

    def end(self) -> None:
        """The source has ended."""
        self.finish()

    def drain(self) -> None:
        """The toxic is updated or removed: what is held goes on at once."""

    def stop(self) -> None:
        """The connection is over: no timer may act any more, what is held is lost."""

    @property
    def breaks_on_removal(self) -> bool:
        """Removing it must end the connection, because bytes were dropped."""
        return False

    def hit(self, size: int = 0) -> None:
        """Count one chunk or close that was acted on."""
        self.toxic.hits += 1
        self.toxic.bytes += size

    def attribute(self, name: str) -> int:
        """An attribute, 0 when it is not given."""
        return self.toxic.attributes.get(name, 0)


class Noop(Stage):
    """Passes everything."""


class Held(Stage):
    """A stage that keeps chunks back and lets them go in order."""

    def __post_init__(self) -> None:
        self._queue: deque[tuple[float, bytes | None]] = deque()  # None is the end
        self._timer: asyncio.TimerHandle | None = None

    def push(self, due: float, data: bytes | None) -> None:
        """Keep a chunk until `due`; never before what came earlier."""
        if self._queue:
            due = max(due, self._queue[-1][0])
        self._queue.append((due, data))
        self.direction.hold(len(data or b""))
        if self._timer is None:
            self._timer = self.direction.loop.call_at(due, self._release)

    def _release(self) -> None:
        self._timer = None
        now = self.direction.loop.time()
        while self._queue and self._queue[0][0] <= now:
            self._pass_on(self._queue.popleft()[1])
        if self._queue and self._timer is None:
            self._timer = self.direction.loop.call_at(self._queue[0][0], self._release)

    def _pass_on(self, data: bytes | None) -> None:
        if data is None:
            self.finish()
        else:
            self.direction.hold(-len(data))
            self.forward(data)

    def drain(self) -> None:
        self._cancel()
        while self._queue:
            self._pass_on(self._queue.popleft()[1])

    def stop(self) -> None:
        self._cancel()
        self._queue.clear()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Latency(Held):
    """Every chunk is late by latency ± jitter milliseconds; order is kept."""

    def feed(self, data: bytes) -> None:
        self._chunks += 1
        jitter = max(0, self.attribute("jitter")) * (2 * self.chance(self._chunks) - 1)
        delay_s = max(0.0, (self.attribute("latency") + jitter) / 1000)
        self.hit(len(data))
        self.push(self.direction.loop.time() + delay_s, data)

    def end(self) -> None:
        self.push(self.direction.loop.time(), None)


class Bandwidth(Held):
    """At most `rate` kB/s (kB = 1000 B); 0 stalls for good."""

    _busy_until = 0.0

    def feed(self, data: bytes) -> None:
        self.hit(len(data))
        rate = self.attribute("rate") * 1000
        if rate <= 0:
            self.push(float("inf"), data)
            return
        at = max(self.direction.loop.time(), self._busy_until)
        most = max(1, int(rate * SLICE_S))
        for start in range(0, len(data), most):
            piece = data[start : start + most]
            at += len(piece) / rate
            self.push(at, piece)
        self._busy_until = at

    def end(self) -> None:
        self.push(max(self.direction.loop.time(), self._busy_until), None)

    def push(self, due: float, data: bytes | None) -> None:
        if due == float("inf"):  # no timer: only removal or an update lets it go
            self._queue.append((due, data))
            self.direction.hold(len(data or b""))
            return
        super().push(due, data)


class SlowClose(Held):
    """The end of the stream is late by `delay` milliseconds."""

    def end(self) -> None:
        self.hit()
        self.push(self.direction.loop.time() + self.attribute("delay") / 1000, None)


class Slicer(Held):
    """Chunks are cut to about `average_size` bytes, `delay` microseconds apart."""

    def feed(self, data: bytes) -> None:
        average = max(1, self.attribute("average_size"))
        variation = min(self.attribute("size_variation"), average - 1)
        at = self.direction.loop.time()
        position = 0
        self.hit(len(data))
        while position < len(data):
            self._chunks += 1
            size = average + round(variation * (2 * self.chance(self._chunks) - 1))
            self.push(at, data[position : position + size])
            position += size
            at += self.attribute("delay") / 1e6

    def end(self) -> None:
        self.push(self.direction.loop.time(), None)


class Timeout(Stage):
    """Drops everything; closes after `timeout` ms without a chunk, never when 0."""

    def __post_init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._arm()

    def _arm(self) -> None:
        self.stop()
        if self.attribute("timeout") > 0:
            after_s = self.attribute("timeout") / 1000
            self._timer = self.direction.loop.call_later(after_s, self.direction.close)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def feed(self, data: bytes) -> None:
        self.hit(len(data))
        self._arm()

    def end(self) -> None:
        self.direction.close()

    def drain(self) -> None:
        self._arm()

    @property
    def breaks_on_removal(self) -> bool:
        return True


class ResetPeer(Stage):
    """Resets the connection `timeout` ms after the first chunk or the end."""

    _timer: asyncio.TimerHandle | None = None

    def feed(self, data: bytes) -> None:
        self._start(len(data))

    def end(self) -> None:
        self._start(0)

    def _start(self, size: int) -> None:
        if self._timer is None:
            self.hit(size)
            after_s = self.attribute("timeout") / 1000
            self._timer = self.direction.loop.call_later(after_s, self.direction.reset)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class LimitData(Stage):
    """Passes `bytes` bytes, then closes."""

    _passed = 0

    def feed(self, data: bytes) -> None:
        left = max(0, self.attribute("bytes") - self._passed)
        self._passed += len(data)
        if left:
            self.forward(data[:left])
        if len(data) >= left:
            self.hit(len(data))
            self.direction.close()


TOXICS: dict[str, type[Stage]] = {
    "noop": Noop,
    "latency": Latency,
    "bandwidth": Bandwidth,
    "slow_close": SlowClose,
    "timeout": Timeout,
    "reset_peer": ResetPeer,
    "slicer": Slicer,
    "limit_data": LimitData,
    "refuse": Noop,  # extension: acts where connections are accepted, see proxy.py
}
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "noop": (),
    "latency": ("latency", "jitter"),
    "bandwidth": ("rate",),
    "slow_close": ("delay",),
    "timeout": ("timeout",),
    "reset_peer": ("timeout",),
    "slicer": ("average_size", "size_variation", "delay"),
    "limit_data": ("bytes",),
    "refuse": (),
}
LARGEST = 2**53


def invalid_attributes(kind: str, attributes: dict[str, int]) -> str | None:
    """Why these attributes cannot work (they kill the real server), None when they can."""
    for name, value in attributes.items():
        if abs(value) > LARGEST:
            return f"{name} is out of range"
    if kind == "bandwidth" and attributes.get("rate", 0) < 0:
        return "rate must not be negative"
    if kind == "slicer":
        if attributes.get("average_size", 0) < 1:
            return "average_size must be at least 1"
        if not 0 <= attributes.get("size_variation", 0) < attributes["average_size"]:
            return "size_variation must be at least 0 and less than average_size"
    return None


def strikes(seed: int, proxy: str, connection: int, toxic: Toxic) -> bool:
    """Whether a toxic acts on a connection: the same for every run with this seed."""
    return draw(seed, proxy, connection, toxic.name) < toxic.toxicity


def stage(toxic: Toxic, direction: Direction, seed: int, proxy: str, connection: int) -> Stage:
    """A new stage of a toxic for one direction of a connection."""

    def chance(chunk: int) -> float:
        return draw(seed, proxy, connection, toxic.name, chunk)

    return TOXICS[toxic.type](toxic, direction, chance)
