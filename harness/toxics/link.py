"""One proxied connection: two directions, each a pipeline of stages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from harness.toxics.endpoint import Endpoint
from harness.toxics.registry import TOXICS, stage_for
from harness.toxics.stage import CHUNK_BYTES, Stage
from harness.toxics.toxic import Toxic

HALF_CLOSED_S = 300.0  # one direction ended and nothing moves in the other for so long: it is over


class Pipeline:
    """One direction: source → stages → destination."""

    def __init__(self, link: Link, stream: str, source: Endpoint, destination: Endpoint) -> None:
        self.loop = link.loop
        self.stream = stream
        self.stages: list[Stage] = []
        self.has_ended = False  # the end has reached the destination
        self._is_ending = False  # the end has come from the source
        self._was_reset = False  # it was no proper end
        self._link = link
        self._source, self._destination = source, destination
        self._sent = 0  # bytes that went through stages
        self._paused_by: set[object] = set()

    @property
    def received(self) -> int:
        """Bytes read from the source."""
        return self._source.received

    @property
    def sent(self) -> int:
        """Bytes written to the destination."""
        return self._source.relayed + self._sent

    def rebuild(self, toxics: list[Toxic], *, is_share_change: bool = False) -> None:
        """Act on live bytes by another list of toxics: unchanged stages stay as they are."""
        link = self._link
        wanted = [
            toxic
            for toxic in toxics
            if toxic.direction == self.stream
            and not TOXICS[toxic.type].AT_CONNECT
            and toxic.strikes(link.seed, link.proxy, link.number)
        ]
        kept = {id(old.toxic): old for old in self.stages}
        leaving = [old for old in self.stages if old.toxic not in wanted]
        if not leaving and len(wanted) == len(self.stages):
            return
        # What leaves lets go of its bytes while the old order still stands.
        for gone in leaving:
            if is_share_change:
                gone.spared()
            else:
                gone.removed()
            if link.is_closed:
                return
        self.stages = [kept.get(id(toxic)) or self._stage(toxic) for toxic in wanted]
        following: Stage | None = None
        for one in reversed(self.stages):
            one.forward = self._write if following is None else following.feed
            one.finish = self._finish if following is None else following.end
            following = one
        self._go_straight()

    def _stage(self, toxic: Toxic) -> Stage:
        toxic.connections += 1
        return stage_for(toxic, self, self._link.seed, self._link.proxy, self._link.number)

    def _go_straight(self) -> None:
        """Without toxics a chunk goes from socket to socket with nothing between."""
        is_free = not self.stages and not self._link.is_closed and not self._destination.is_lost
        self._source.straight = self._destination.transport.write if is_free else None

    def start(self) -> None:
        """Let bytes flow."""
        self._source.attach(Side(self, self._link.other(self)))
        if not self._link.is_closed:
            self._go_straight()

    def feed(self, data: bytes) -> None:
        """Take what the source sent."""
        if self._link.is_closed:
            return
        if not self.stages:
            self._write(data, 0.0)
            return
        now = self.loop.time()
        for start in range(0, len(data), CHUNK_BYTES):
            if self.stages:  # a chunk may end the connection
                self.stages[0].feed(data[start : start + CHUNK_BYTES], now)

    def end(self) -> None:
        """The source has ended."""
        if self._link.is_closed or self._is_ending:
            return
        self._is_ending = True
        if self.stages:
            self.stages[0].end()
        else:
            self._finish()

    def lost(self, error: Exception | None) -> None:
        """The source is gone, in a way that goes on to the destination behind what is held."""
        self._was_reset = error is not None
        if self.has_ended:
            self._over()
        else:
            self.end()

    def _over(self) -> None:
        if self._was_reset:
            self._link.reset(f"reset by {'client' if self.stream == 'upstream' else 'upstream'}")
        else:
            self._link.close("ended")

    def stop(self) -> None:
        """The connection is over."""
        self._source.straight = None
        for one in self.stages:
            one.stop()
        self.stages = []

    def blocked(self) -> None:
        """The destination is gone: nothing goes straight to it."""
        self._source.straight = None

    def _write(self, data: bytes, _: float) -> None:
        if not self._destination.is_lost:
            self._sent += len(data)
            self._destination.transport.write(data)

    def _finish(self) -> None:
        """The end has reached the destination: half-close it."""
        self.has_ended = True
        if self._source.is_lost:
            self._over()
            return
        self._destination.end()
        self._link.ended()

    def pause(self, why: object) -> None:
        """Stop reading the source."""
        if not self._paused_by and not self._source.is_lost and not self._link.is_closed:
            self._source.transport.pause_reading()
        self._paused_by.add(why)

    def resume(self, why: object) -> None:
        """Read on, when nobody else wants the pause."""
        self._paused_by.discard(why)
        if not self._paused_by and not self._source.is_lost and not self._link.is_closed:
            self._source.transport.resume_reading()

    def close(self, why: str) -> None:
        """End the connection, both ways."""
        self._link.close(why)

    def reset(self, why: str) -> None:
        """Reset the connection, both ways."""
        self._link.reset(why)

    def first_hit(self, toxic: Toxic) -> None:
        """A toxic acted on this connection for the first time."""
        self._link.first_hit(toxic)


class Side:
    """What an endpoint tells: its bytes go into one direction, its slowness stops the other."""

    def __init__(self, outgoing: Pipeline, incoming: Pipeline) -> None:
        self._outgoing, self._incoming = outgoing, incoming
        self.feed = outgoing.feed
        self.end = outgoing.end

    def lost(self, error: Exception | None) -> None:
        """The connection is gone: nothing can be written to it any more."""
        self._incoming.blocked()
        self._outgoing.lost(error)

    def writer_paused(self) -> None:
        """The peer does not take its bytes: read no more for it."""
        self._incoming.pause(self)

    def writer_resumed(self) -> None:
        """The peer takes its bytes again."""
        self._incoming.resume(self)


class Link:
    """One client connection and its upstream connection."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seed: int, proxy: str, number: int,
        client: Endpoint, upstream: Endpoint, on_close: Callable[[Link, str], None],
        on_hit: Callable[[int, Toxic], None],
    ) -> None:  # fmt: skip
        self.loop, self.seed, self.proxy, self.number = loop, seed, proxy, number
        self.is_closed = False
        self._client, self._upstream = client, upstream
        self._on_close, self._on_hit = on_close, on_hit
        self._idle: asyncio.TimerHandle | None = None
        self.up = Pipeline(self, "upstream", client, upstream)
        self.down = Pipeline(self, "downstream", upstream, client)

    def other(self, pipeline: Pipeline) -> Pipeline:
        """The opposite direction."""
        return self.down if pipeline is self.up else self.up

    def start(self, toxics: list[Toxic]) -> None:
        """Let bytes flow."""
        if toxics:
            self.rebuild(toxics)
        self.up.start()
        self.down.start()

    def rebuild(self, toxics: list[Toxic], *, is_share_change: bool = False) -> None:
        """Apply another list of toxics to both directions."""
        for one in (self.up, self.down):
            if not self.is_closed:
                one.rebuild(toxics, is_share_change=is_share_change)

    def updated(self, toxic: Toxic) -> None:
        """An attribute of a toxic changed."""
        for one in (*self.up.stages, *self.down.stages):
            if one.toxic is toxic:
                one.updated()

    def first_hit(self, toxic: Toxic) -> None:
        """A toxic acted on this connection for the first time."""
        self._on_hit(self.number, toxic)

    def ended(self) -> None:
        """One direction has ended; both: close."""
        if self.up.has_ended and self.down.has_ended:
            self.close("ended")
        else:
            self._watch(self.up.received + self.down.received)

    def _watch(self, moved: int) -> None:
        self._idle = self.loop.call_later(HALF_CLOSED_S, self._look, moved)

    def _look(self, before: int) -> None:
        moved = self.up.received + self.down.received
        if moved == before:
            self.close("idle after half-close")
        else:
            self._watch(moved)

    def close(self, why: str) -> None:
        """End both sockets; what was written still goes out."""
        self._end(Endpoint.close, why)

    def drop(self, why: str) -> None:
        """End both sockets at once."""
        self._end(Endpoint.drop, why)

    def reset(self, why: str) -> None:
        """Reset both sockets."""
        self._end(Endpoint.reset, why)

    def _end(self, how: Callable[[Endpoint], None], why: str) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        if self._idle is not None:
            self._idle.cancel()
        self.up.stop()
        self.down.stop()
        how(self._client)
        how(self._upstream)
        self._on_close(self, why)
