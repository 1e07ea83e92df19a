"""One end of a connection in memory, with the semantics of asyncio's socket transports on Linux.

    the peer's writes ──> receive() ──> unread ──> the protocol's data_received()
                                          │
                                          └── while the protocol does not read

An end whose socket is closed with unread bytes, or with SO_LINGER set to zero, resets its peer;
bytes that reach a closed socket are answered with a reset (RFC 9293 §3.5.2, RFC 1122 §4.2.2.13).
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

from paychain.simulation.clock import SimulatedClock
from paychain.simulation.fake_socket import Address, FakeSocket
from paychain.simulation.outgoing import FIN, RECEIVE_BYTES, RST, Mark, Outgoing


class EndOwner(Protocol):
    """Whoever keeps a list of open ends: the network all of them, a listener its own."""

    def forget(self, end: ConnectionEnd) -> None:
        """An end of a connection is closed."""


class ConnectionEnd(Outgoing):
    """One end: how it reads, and how it closes. `listener` is the one that accepted it, if any."""

    __slots__ = (
        "_far",
        "_has_closed_socket",
        "_has_ended",
        "_is_paused",
        "_is_reset",
        "_is_started",
        "_near",
        "_network",
        "_unread",
        "listener",
        "resets_on_close",
    )

    def __init__(
        self,
        loop: SimulatedClock,
        network: EndOwner,
        delays_ns: Iterator[int],
        near: Address,
        far: Address,
    ) -> None:
        super().__init__(loop, delays_ns)
        self._near, self._far = near, far
        self.listener: EndOwner | None = None
        self.resets_on_close = False
        self._network = network
        self._unread: deque[bytes | Mark] = deque()
        self._is_started = self._is_paused = self._has_ended = False
        self._is_reset = False  # by the peer
        self._has_closed_socket = False

    def start(self, protocol: Any, started: asyncio.Future[None] | None = None) -> None:
        """Connect the protocol; bytes flow from the next round of the loop on."""
        self._protocol = protocol
        self._loop.call_soon(self._connected, started)

    def _connected(self, started: asyncio.Future[None] | None) -> None:
        self._protocol.connection_made(self)
        self._is_started = True
        self._loop.call_soon(self._read_on)
        if started is not None and not started.done():
            started.set_result(None)

    def describe(self) -> str:
        """Its addresses and what it serves."""
        (near, at), (far, to) = self._near, self._far
        return f"{near}:{at} -> {far}:{to} ({type(self._protocol).__name__})"

    @property
    def _reads(self) -> bool:
        return self._is_started and not (self._is_paused or self._is_closing or self._has_ended)

    def _update_flow(self) -> None:
        """Note whether what comes can be delivered at once: the reader reads, and has read all."""
        self._flows = self._reads and not self._unread

    def receive(self, item: bytes | Mark) -> None:
        """An item has come from the peer."""
        # Three cases: nobody is here any more (bytes are answered with a reset, an end is not);
        # the protocol reads and has read all; the item waits behind others or for the reader.
        if self._has_closed_socket:
            if item is not FIN and item is not RST:
                self._send(RST)
        elif self._flows:
            self._deliver(item)
        else:
            self._unread.append(item)
            if item is RST:
                self._expect_reset()

    def _expect_reset(self) -> None:
        """A reset that nobody reads: the next write notices it, at once if bytes wait to be sent.

        Linux gives EPIPE after the peer's end was received, and ECONNRESET otherwise.
        """
        self._is_reset = True
        number = errno.EPIPE if self._has_ended or FIN in self._unread else errno.ECONNRESET
        self._broken = OSError(number, os.strerror(number))
        if self._buffer:
            self._force_close(self._broken)

    def _deliver(self, item: bytes | Mark) -> None:
        try:
            if type(item) is bytes:
                self._protocol.data_received(item)
            elif item is FIN:
                self._has_ended = True
                self._flows = False
                if not self._protocol.eof_received():
                    self.close()
            else:
                self._is_reset = True
                self._force_close(
                    ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
                )
        except Exception as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Its protocol failed while it received."""
        self._loop.call_exception_handler(
            {"message": "a protocol failed while it received", "exception": error}
        )
        self._force_close(error)

    def _read_on(self) -> None:
        """Deliver what is unread, as much at once as one read of a socket gives."""
        while self._unread and self._reads:
            item = self._unread.popleft()
            if type(item) is bytes:
                item = self._joined(item)
                self.peer.acknowledge(len(item))
            self._deliver(item)
        self._update_flow()

    def _joined(self, first: bytes) -> bytes:
        parts, size = [first], len(first)
        while self._unread and type(self._unread[0]) is bytes:
            size += len(self._unread[0])
            if size > RECEIVE_BYTES:
                break
            parts.append(self._unread.popleft())  # type: ignore[arg-type]  # bytes, as checked
        return b"".join(parts)

    def is_reading(self) -> bool:
        """Whether bytes would be delivered."""
        return not self._is_closing and not self._is_paused

    def pause_reading(self) -> None:
        """Leave what comes unread."""
        if not self._is_closing:
            self._is_paused = True
            self._flows = False

    def resume_reading(self) -> None:
        """Read on, from the next round of the loop."""
        if self._is_paused and not self._is_closing:
            self._is_paused = False
            self._loop.call_soon(self._read_on)

    def is_closing(self) -> bool:
        """Closed, or closing once everything is sent."""
        return self._is_closing

    def close(self) -> None:
        """Stop reading; close after what was written."""
        if self._is_closing:
            return
        self._is_closing = True
        self._flows = False
        if not self._buffer:
            self._lose(None)

    def give_up(self) -> None:
        """Close a connection that its caller no longer wants."""
        if self._protocol is None:
            self.close_socket()
        else:
            self.close()

    def abort(self) -> None:
        """Close at once; what was not sent is dropped. A reset only with SO_LINGER set to zero."""
        self._force_close(None)

    def _force_close(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self._buffer.clear()
        self._buffered = 0
        self._is_closing = True
        self._flows = False
        self._lose(error)

    def _lose(self, error: Exception | None) -> None:
        self._is_lost = True
        self._loop.call_soon(self._connection_lost, error)

    def _connection_lost(self, error: Exception | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self.close_socket()

    def close_socket(self) -> None:
        """What the kernel does when a socket is closed."""
        if self._has_closed_socket:
            return
        self._has_closed_socket = self._is_closing = self._is_lost = True
        self._flows = False
        # A reset is answered with nothing. Otherwise the peer gets a reset when its bytes were lost
        # here, or when that was asked for, and a proper end in every other case.
        if not self._is_reset:
            if self.resets_on_close or any(type(item) is bytes for item in self._unread):
                self._send(RST)
            else:
                self._send_fin()
        self._unread.clear()
        self._network.forget(self)
        if self.listener is not None:
            self.listener.forget(self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """The names `sockname` and `peername`, and the `socket`."""
        match name:
            case "sockname":
                return self._near
            case "peername":
                return self._far
            case "socket":
                return FakeSocket(
                    self._near, self._far, self._set_resets_on_close, self._has_something
                )
            case _:
                return default

    def _has_something(self) -> bool:
        return bool(self._unread) or self._has_ended or self._is_reset or self._has_closed_socket

    def _set_resets_on_close(self, resets: bool) -> None:
        self.resets_on_close = resets

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Send later events to another protocol."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that gets the events."""
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol
