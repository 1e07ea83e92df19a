"""One proxied connection: two directions, each a pipeline of stages."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

from harness.toxics.toxic import HELD_BYTES, Stage, Toxic, stage, strikes

_LINGER_ZERO = struct.pack("ii", 1, 0)


class Endpoint(asyncio.Protocol):
    """The socket on one side. Bytes that come before the pipeline exists are kept."""

    def __init__(self, connected: Callable[[Endpoint], None] | None = None) -> None:
        self.transport: Any = None
        self.pipeline: Pipeline | None = None  # what this side's bytes go into
        self.filled_by: Pipeline | None = None  # what writes to this side
        self.is_lost = False
        self._connected = connected
        self._early: list[bytes] = []
        self._ended_early = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self._connected is not None:
            self._connected(self)

    def attach(self, pipeline: Pipeline) -> None:
        """From now on bytes go into the pipeline."""
        self.pipeline = pipeline
        early, self._early = self._early, []
        for data in early:
            pipeline.feed(data)
        if self._ended_early:
            pipeline.end()

    def data_received(self, data: bytes) -> None:
        if self.pipeline is None:
            self._early.append(data)
        else:
            self.pipeline.feed(data)

    def eof_received(self) -> bool:
        if self.pipeline is None:
            self._ended_early = True
        else:
            self.pipeline.end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        if self.pipeline is not None:
            self.pipeline.lost(with_reset=isinstance(exc, ConnectionResetError))

    def pause_writing(self) -> None:
        if self.filled_by is not None:
            self.filled_by.pause("writer")

    def resume_writing(self) -> None:
        if self.filled_by is not None:
            self.filled_by.resume("writer")

    def close(self) -> None:
        """A proper close, after what was written."""
        if self.transport is not None and not self.is_lost:
            self.transport.close()

    def reset(self) -> None:
        """A true RST, also on a live connection."""
        if self.transport is None or self.is_lost:
            return
        raw = self.transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.transport.abort()


class Pipeline:
    """One direction: source → stages → destination."""

    def __init__(self, link: Link, stream: str, source: Endpoint, destination: Endpoint) -> None:
        self.loop = link.loop
        self.stream = stream
        self.stages: list[Stage] = []
        self.received = self.sent = 0
        self._link = link
        self._source, self._destination = source, destination
        self._held = 0
        self._paused_by: set[str] = set()
        self.has_ended = False

    def rebuild(self, toxics: list[Toxic]) -> None:
        """Act on live bytes by another list of toxics: unchanged stages stay as they are."""
        kept = {id(old.toxic): old for old in self.stages}
        wanted = [
            toxic
            for toxic in toxics
            if toxic.stream == self.stream
            and strikes(self._link.seed, self._link.proxy, self._link.number, toxic)
        ]
        stages = []
        for toxic in wanted:
            old = kept.pop(id(toxic), None)
            if old is None:
                toxic.connections += 1
                old = stage(toxic, self, self._link.seed, self._link.proxy, self._link.number)
            stages.append(old)
        # What leaves lets go of its bytes while the old order still stands.
        for gone in kept.values():
            gone.drain()
        self.stages = stages
        targets: list[Any] = [*stages, None][1:]
        for one, following in zip(stages, targets, strict=True):
            one.forward = self._write if following is None else following.feed
            one.finish = self._finish if following is None else following.end
        if any(gone.breaks_on_removal for gone in kept.values()):
            self.close()

    def updated(self, toxic: Toxic) -> None:
        """An attribute changed: what the toxic holds goes out at once."""
        for one in self.stages:
            if one.toxic is toxic:
                one.drain()

    def feed(self, data: bytes) -> None:
        self.received += len(data)
        if self.stages:
            self.stages[0].feed(data)
        else:
            self._write(data)

    def end(self) -> None:
        if self.stages:
            self.stages[0].end()
        else:
            self._finish()

    def _write(self, data: bytes) -> None:
        if not self._destination.is_lost:
            self.sent += len(data)
            self._destination.transport.write(data)

    def _finish(self) -> None:
        """The end reached the destination: half-close it, close all when both ways ended."""
        self.has_ended = True
        transport = self._destination.transport
        if not self._destination.is_lost and transport.can_write_eof():
            transport.write_eof()
        self._link.ended()

    def lost(self, *, with_reset: bool) -> None:
        """The source is gone."""
        if with_reset:
            self._link.reset()
        elif not self.has_ended:
            self.end()

    def hold(self, size: int) -> None:
        self._held += size
        if self._held > HELD_BYTES:
            self.pause("held")
        elif self._held <= HELD_BYTES // 2:
            self.resume("held")

    def pause(self, why: str) -> None:
        if not self._paused_by and not self._source.is_lost:
            self._source.transport.pause_reading()
        self._paused_by.add(why)

    def resume(self, why: str) -> None:
        if why not in self._paused_by:
            return
        self._paused_by.discard(why)
        if not self._paused_by and not self._source.is_lost:
            self._source.transport.resume_reading()

    def close(self) -> None:
        self._link.close()

    def reset(self) -> None:
        self._link.reset()


class Link:
    """One client connection and its upstream connection."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seed: int, proxy: str, number: int,
        client: Endpoint, upstream: Endpoint, on_close: Callable[[Link], None],
    ) -> None:  # fmt: skip
        self.loop, self.seed, self.proxy, self.number = loop, seed, proxy, number
        self._client, self._upstream = client, upstream
        self._on_close = on_close
        self._is_closed = False
        self.up = Pipeline(self, "upstream", client, upstream)
        self.down = Pipeline(self, "downstream", upstream, client)
        client.filled_by, upstream.filled_by = self.down, self.up

    def start(self, toxics: list[Toxic]) -> None:
        """Let bytes flow."""
        self.rebuild(toxics)
        self._client.attach(self.up)
        self._upstream.attach(self.down)

    def rebuild(self, toxics: list[Toxic]) -> None:
        """Apply another list of toxics to both directions."""
        self.up.rebuild(toxics)
        self.down.rebuild(toxics)

    def updated(self, toxic: Toxic) -> None:
        """An attribute of a toxic changed."""
        self.up.updated(toxic)
        self.down.updated(toxic)

    def ended(self) -> None:
        """One direction has ended; both: close."""
        if (self.up.has_ended and self.down.has_ended) or self._client.is_lost:
            self.close()

    def close(self) -> None:
        """End both sockets."""
        self._end(Endpoint.close)

    def reset(self) -> None:
        """Reset both sockets."""
        self._end(Endpoint.reset)

    def _end(self, how: Callable[[Endpoint], None]) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        for one in (*self.up.stages, *self.down.stages):
            one.stop()
        how(self._client)
        how(self._upstream)
        self._on_close(self)
