"""One proxied connection: two directions, each a pipeline of stages.

                  latency     bandwidth
                     v            v
    client   > [  Stage   >   Stage   ] > upstream     Pipeline "upstream"
    client   < [  Stage   <   Stage   ] < upstream     Pipeline "downstream"
    Endpoint                              Endpoint

A direction without toxics has no stages: its source's bytes are written straight to the
destination. Counterpart in Toxiproxy: link.go, where each `ToxicLink` is one direction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from paychain.toxics.endpoint import Endpoint
from paychain.toxics.memory import HeldBytes
from paychain.toxics.registry import TOXICS, stage_for
from paychain.toxics.stage import CHUNK_BYTES, Stage
from paychain.toxics.toxic import Toxic

HALF_CLOSED_S = 300.0  # after one direction's end, so long without a byte in the other is the end


class Pipeline:
    """One direction: source > stages > destination.

    Always true: an open pipeline's last stage leads to the destination and every other to the stage
    after it; bytes go straight only while there are no stages. After `stop` nothing moves.
    """

    def __init__(
        self, link: ToxicLink, stream: str, source: Endpoint, destination: Endpoint
    ) -> None:
        self.loop, self.held = link.loop, link.held
        self.stream = stream
        self.stages: list[Stage] = []
        self.has_ended = False  # the end has reached the destination
        self._is_ending = False  # the end has come from the source
        self._was_reset = False  # the source's connection was reset, or lost in another way
        self._link = link
        self._source, self._destination = source, destination
        self._sent = 0  # bytes that went through stages
        self._paused_by: set[object] = set()
        self._is_behind = False  # the destination's peer does not read what was written
        self._unsent = 0  # bytes that the destination's socket holds while it is behind

    @property
    def received(self) -> int:
        """Bytes read from the source."""
        return self._source.received

    @property
    def sent(self) -> int:
        """Bytes written to the destination."""
        return self._source.relayed + self._sent

    def rebuild(self, toxics: list[Toxic], *, is_share_change: bool = False) -> None:
        """Apply another list of toxics to live bytes.

        Stages of toxics that stay keep what they buffer. `is_share_change`: the toxics are the
        same, but another share of the connections is affected.
        """
        link = self._link
        # Toxics that act on connecting (refuse, blackhole) are the proxy's, in `_accept`.
        wanted = [
            toxic
            for toxic in toxics
            if toxic.direction == self.stream
            and not TOXICS[toxic.type].AT_CONNECT
            and toxic.affects(link.seed, link.proxy, link.number)
        ]
        kept = {id(stage.toxic): stage for stage in self.stages}
        leaving = [stage for stage in self.stages if stage.toxic not in wanted]
        # The same stages: only attributes or shares of others changed.
        if not leaving and len(wanted) == len(self.stages):
            return
        # A stage that leaves releases its bytes into the stages that still follow it, before any
        # new one: bytes must not overtake each other. It may also end the connection.
        for stage in leaving:
            if is_share_change:
                stage.on_excluded()
            else:
                stage.on_removed()
            if link.is_closed:
                return
        self.stages = [kept.get(id(toxic)) or self._new_stage(toxic) for toxic in wanted]
        self._connect_stages()
        self._update_shortcut()

    def _new_stage(self, toxic: Toxic) -> Stage:
        toxic.connections += 1
        return stage_for(toxic, self, self._link.seed, self._link.proxy, self._link.number)

    def _connect_stages(self) -> None:
        following: Stage | None = None
        for stage in reversed(self.stages):
            stage.forward = self._write if following is None else following.feed
            stage.finish = self._finish if following is None else following.end
            following = stage

    def _update_shortcut(self) -> None:
        """Without toxics a chunk goes from socket to socket with nothing between."""
        is_free = not self.stages and not self._link.is_closed and not self._destination.is_lost
        self._source.straight = self._destination.transport.write if is_free else None

    def start(self) -> None:
        """Start to carry bytes through the toxics."""
        self._source.attach(Side(self, self._link.other(self)))
        # Bytes that came early may have ended the connection.
        if not self._link.is_closed:
            self._update_shortcut()

    def feed(self, data: bytes) -> None:
        """Take what the source sent, in chunks of at most CHUNK_BYTES."""
        # Three cases: bytes of a connection that is over; nothing between the sockets; stages,
        # any of which may end the connection and with it remove all stages.
        if self._link.is_closed:
            return
        if not self.stages:
            self._write(data, 0.0)
            return
        now = self.loop.time()
        for start in range(0, len(data), CHUNK_BYTES):
            if self.stages:
                self.stages[0].feed(data[start : start + CHUNK_BYTES], now)

    def end(self) -> None:
        """The source has ended: send the end on behind its bytes."""
        if self._link.is_closed or self._is_ending:
            return
        self._is_ending = True
        if self.stages:
            self.stages[0].end()
        else:
            self._finish()

    def lost(self, error: Exception | None) -> None:
        """The source's connection is gone; `error` is None after a proper close.

        The destination is closed or reset alike, behind what the stages still buffer.
        """
        self._was_reset = error is not None
        # The end was relayed already: nothing of this direction is left to wait for.
        if self.has_ended:
            self._end_link()
        else:
            self.end()

    def destination_lost(self) -> None:
        """The destination's connection is gone: nothing goes straight to it."""
        self._source.straight = None

    def stop(self) -> None:
        """The connection is over."""
        self._source.straight = None
        self.held.add(-self._unsent)
        self._unsent = 0
        for stage in self.stages:
            stage.stop()
        self.stages = []

    def _write(self, data: bytes, _: float) -> None:
        if not self._destination.is_lost:
            self._sent += len(data)
            self._destination.transport.write(data)
            if self._is_behind:
                self._count_unsent()

    def behind(self, *, is_behind: bool) -> None:
        """Whether the destination's peer lets bytes wait; then the source is not read."""
        self._is_behind = is_behind
        self._count_unsent()
        if is_behind:
            self.pause(self)
        else:
            self.resume(self)

    def _count_unsent(self) -> None:
        if self._link.is_closed:
            return
        size = self._destination.transport.get_write_buffer_size() if self._is_behind else 0
        self.held.add(size - self._unsent)
        self._unsent = size

    def _finish(self) -> None:
        """The end has reached the destination: half-close it, or end both if the source is gone."""
        assert self._is_ending, "an end comes from the source"
        self.has_ended = True
        if self._source.is_lost:
            self._end_link()
            return
        self._destination.end()
        self._link.ended()

    def _end_link(self) -> None:
        if self._was_reset:
            self._link.reset(f"reset by {'client' if self.stream == 'upstream' else 'upstream'}")
        else:
            self._link.close("ended")

    def pause(self, reader: object) -> None:
        """Stop reading the source, on behalf of `reader`."""
        if not self._paused_by and not self._source.is_lost and not self._link.is_closed:
            self._source.transport.pause_reading()
        self._paused_by.add(reader)

    def resume(self, reader: object) -> None:
        """Read on, unless somebody else still asks for the pause."""
        self._paused_by.discard(reader)
        if not self._paused_by and not self._source.is_lost and not self._link.is_closed:
            self._source.transport.resume_reading()

    def close(self, reason: str) -> None:
        """End the connection, both ways."""
        self._link.close(reason)

    def reset(self, reason: str) -> None:
        """Reset the connection, both ways."""
        self._link.reset(reason)

    def first_hit(self, toxic: Toxic) -> None:
        """Note that a toxic acted on this connection for the first time."""
        self._link.first_hit(toxic)


class Side:
    """What an endpoint reports to: its bytes enter one direction, its slowness pauses the other."""

    def __init__(self, outgoing: Pipeline, incoming: Pipeline) -> None:
        self._outgoing, self._incoming = outgoing, incoming
        self.feed = outgoing.feed
        self.end = outgoing.end

    def lost(self, error: Exception | None) -> None:
        """The connection is gone: nothing can be written to it any more."""
        self._incoming.destination_lost()
        self._outgoing.lost(error)

    def writer_paused(self) -> None:
        """The peer does not read its bytes: read no more for it."""
        self._incoming.behind(is_behind=True)

    def writer_resumed(self) -> None:
        """The peer reads its bytes again."""
        self._incoming.behind(is_behind=False)


class ToxicLink:
    """One client connection and its upstream connection.

    `number` counts the proxy's connections from 1: with `seed` and `proxy` it keys all chance.
    `on_close` is called once, with the reason; `on_hit` with each toxic that acts for the first
    time. `held`: what all connections of the engine hold back.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        seed: int,
        proxy: str,
        number: int,
        client: Endpoint,
        upstream: Endpoint,
        on_close: Callable[[ToxicLink, str], None],
        on_hit: Callable[[int, Toxic], None],
        held: HeldBytes,
    ) -> None:
        self.held = held
        self.loop, self.seed, self.proxy, self.number = loop, seed, proxy, number
        self.is_closed = False
        self._client, self._upstream = client, upstream
        self._on_close, self._on_hit = on_close, on_hit
        self._idle_timer: asyncio.TimerHandle | None = None
        self.up = Pipeline(self, "upstream", client, upstream)
        self.down = Pipeline(self, "downstream", upstream, client)

    def other(self, pipeline: Pipeline) -> Pipeline:
        """The opposite direction."""
        return self.down if pipeline is self.up else self.up

    def start(self, toxics: list[Toxic]) -> None:
        """Start to carry bytes through the toxics."""
        if toxics:
            self.rebuild(toxics)
        self.up.start()
        self.down.start()

    def rebuild(self, toxics: list[Toxic], *, is_share_change: bool = False) -> None:
        """Apply another list of toxics to both directions."""
        for pipeline in (self.up, self.down):
            if not self.is_closed:  # the other direction may have ended both
                pipeline.rebuild(toxics, is_share_change=is_share_change)

    def updated(self, toxic: Toxic) -> None:
        """A toxic has new attributes."""
        for stage in (*self.up.stages, *self.down.stages):
            if stage.toxic is toxic:
                stage.on_updated()

    def first_hit(self, toxic: Toxic) -> None:
        """Note that a toxic acted on this connection for the first time."""
        self._on_hit(self.number, toxic)

    def ended(self) -> None:
        """One direction has ended. When both have, close; else watch the one that is left."""
        if self.up.has_ended and self.down.has_ended:
            self.close("ended")
        else:
            self._watch_idle(self._moved())

    def _moved(self) -> int:
        """Bytes read in both directions so far."""
        return self.up.received + self.down.received

    def _watch_idle(self, moved: int) -> None:
        self._idle_timer = self.loop.call_later(HALF_CLOSED_S, self._check_idle, moved)

    def _check_idle(self, moved_before: int) -> None:
        moved = self._moved()
        if moved == moved_before:
            self.close("idle after half-close")
        else:
            self._watch_idle(moved)

    def close(self, reason: str) -> None:
        """End both sockets; what was written is still sent."""
        self._end(Endpoint.close, reason)

    def drop(self, reason: str) -> None:
        """End both sockets at once."""
        self._end(Endpoint.drop, reason)

    def reset(self, reason: str) -> None:
        """Reset both sockets."""
        self._end(Endpoint.reset, reason)

    def _end(self, end_endpoint: Callable[[Endpoint], None], reason: str) -> None:
        # An end can cause another: a stage that is stopped, an endpoint that is lost. Only the
        # first counts, and its reason is the one on record.
        if self.is_closed:
            return
        self.is_closed = True
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self.up.stop()
        self.down.stop()
        end_endpoint(self._client)
        end_endpoint(self._upstream)
        self._on_close(self, reason)
