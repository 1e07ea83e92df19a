"""The socket on one side of a proxied connection.

early bytes (no upstream yet) ──> kept, up to EARLY_BYTES
attached, toxics act          ──> inlet.feed()          (link.Side)
attached, no toxic            ──> straight()            the other socket's write
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any, Protocol

EARLY_BYTES = 65_536  # read from a client before its upstream connection is made
FLUSH_S = 5.0  # seconds a closed side has to read what was written to it

LINGER_ZERO = struct.pack("ii", 1, 0)  # closing with a reset


class Inlet(Protocol):
    """Where an endpoint's bytes go, and what is notified of its end."""

    def feed(self, data: bytes) -> None:
        """Bytes came."""

    def end(self) -> None:
        """The peer has ended its side."""

    def lost(self, error: Exception | None) -> None:
        """The connection is gone."""

    def writer_paused(self) -> None:
        """The peer does not read its bytes."""

    def writer_resumed(self) -> None:
        """The peer reads its bytes again."""


class Endpoint(asyncio.Protocol):
    """One side. Bytes that come before it is attached are kept, up to EARLY_BYTES.

    `on_connected` is called when the connection is made; `on_early_end` and `on_early_loss` when
    the peer ends its side or is gone before the endpoint is attached.
    """

    def __init__(self, on_connected: Callable[[Endpoint], None] | None = None) -> None:
        self.transport: Any = None
        self.is_lost = False
        self.received = 0  # bytes
        self.relayed = 0  # of those, bytes that went straight to the other side
        self.straight: Callable[[bytes], None] | None = None  # the way while no toxic acts
        self.on_early_end: Callable[[], object] | None = None
        self.on_early_loss: Callable[[], object] | None = None
        self._on_connected = on_connected
        self._inlet: Inlet | None = None
        self._early: list[bytes] = []
        self._has_ended_early = False
        self._loss: Exception | None = None
        self._flushing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self._on_connected is not None:
            self._on_connected(self)

    @property
    def port(self) -> int:
        """The engine's port of the connection; 0 when there is none."""
        own = self.transport.get_extra_info("sockname") if self.transport is not None else None
        return int(own[1]) if own else 0

    def attach(self, inlet: Inlet) -> None:
        """Send bytes into the inlet from now on, those that came early first."""
        self._inlet = inlet
        early, self._early = self._early, []
        assert sum(map(len, early)) == self.received, "nothing was read past what is kept"
        if early:
            data = b"".join(early)
            if len(data) > EARLY_BYTES and not self.is_lost:
                self.transport.resume_reading()
            inlet.feed(data)
        if self.is_lost:
            inlet.lost(self._loss)
        elif self._has_ended_early:
            inlet.end()

    def data_received(self, data: bytes) -> None:
        size = len(data)
        self.received += size
        if self.straight is not None:
            self.relayed += size
            self.straight(data)
        elif self._inlet is not None:
            self._inlet.feed(data)
        else:
            self._early.append(data)
            if self.received > EARLY_BYTES >= self.received - size:
                self.transport.pause_reading()

    def eof_received(self) -> bool:
        if self._inlet is None:
            self._has_ended_early = True
            if self.on_early_end is not None:
                self.on_early_end()
        else:
            self._inlet.end()
        return True  # half-closed: bytes may still go the other way

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._loss = exc
        if self._flushing is not None:
            self._flushing.cancel()
        if self._inlet is not None:
            self._inlet.lost(exc)
        elif self.on_early_loss is not None:
            self.on_early_loss()

    def pause_writing(self) -> None:
        if self._inlet is not None:
            self._inlet.writer_paused()

    def resume_writing(self) -> None:
        if self._inlet is not None:
            self._inlet.writer_resumed()

    def end(self) -> None:
        """End our side; the peer may still send."""
        if not self.is_lost and not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()

    def close(self) -> None:
        """Close after what was written; a peer that does not read it in FLUSH_S is dropped."""
        if self.transport is None or self.is_lost:
            return
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self._flushing = asyncio.get_running_loop().call_later(FLUSH_S, self.drop)

    def drop(self) -> None:
        """Close now; what was written and not sent yet is lost."""
        if self.transport is not None and not self.is_lost:
            self.transport.abort()

    def reset(self) -> None:
        """Send a true RST, on a live connection too: SO_LINGER of zero makes closing a reset."""
        if self.transport is None or self.is_lost:
            return
        raw = self.transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        self.transport.abort()
