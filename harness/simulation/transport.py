"""One end of a connection in memory, with the semantics of asyncio's socket transports on Linux.

Bytes, the end of a stream and resets travel in order. What is written waits in the receiver's
buffer up to a limit, then in the writer's own, which then pauses its protocol. An end whose socket
is closed with unread bytes, or with SO_LINGER set to zero, resets its peer; bytes that reach a
closed socket are answered with a reset.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.simulation.loop import VirtualLoop
    from harness.simulation.network import Address, Listener, Network

RECEIVE_BYTES = 262_144  # under way or unread; as much is read at once
HIGH_WATER, LOW_WATER = 65_536, 16_384  # of the writer's own buffer


class _Mark:
    """Something other than bytes that travels on a connection."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __len__(self) -> int:
        return 0


FIN, RST = _Mark("fin"), _Mark("rst")


class FakeSocket:
    """What `get_extra_info("socket")` gives: names, and options of which SO_LINGER counts."""

    family, type, proto = socket.AF_INET, socket.SOCK_STREAM, 0

    def __init__(self, name: Address, end: End | None) -> None:
        self._name = name
        self._end = end

    def getsockname(self) -> Address:
        """The near address."""
        return self._name

    def getpeername(self) -> Address:
        """The far address. Raises OSError for a listener."""
        if self._end is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        peer: Address = self._end.get_extra_info("peername")
        return peer

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """SO_LINGER of zero makes closing a reset; other options change nothing here."""
        if self._end is not None and (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self._end.lingers_not = struct.unpack("ii", value) == (1, 0)

    def fileno(self) -> int:
        """There is none."""
        return -1


class _Arrival:
    """The event that brings the oldest item under way to the other end; never cancelled."""

    __slots__ = ("_scheduled", "happen")
    _cancelled = False
    _context = None

    def __init__(self, end: End) -> None:
        self.happen = end.arrive
        self._scheduled = True


class End(asyncio.Transport):
    """One end. `peer` is the other; `listener` the one it was accepted by, if any."""

    __slots__ = (
        "_arrival", "_broken", "_buffer", "_buffered", "_delays_ns", "_far", "_flows",
        "_has_closed_socket", "_has_ended", "_has_paused_protocol", "_high", "_is_closing",
        "_is_lost", "_is_paused", "_is_reset", "_is_started", "_last_due_ns", "_loop", "_low",
        "_near", "_network", "_protocol", "_sent_fin", "_unacknowledged", "_under_way", "_unread",
        "_wants_eof", "lingers_not", "listener", "peer",
    )  # fmt: skip
    peer: End

    def __init__(
        self, loop: VirtualLoop, network: Network, delays_ns: Iterator[int], near: Address,
        far: Address,
    ) -> None:  # fmt: skip
        self._near, self._far = near, far
        self.listener: Listener | None = None
        self.lingers_not = False
        self._loop = loop
        self._network = network
        self._delays_ns = delays_ns
        self._protocol: Any = None
        # outward
        self._arrival = _Arrival(self)
        self._under_way: deque[bytes | _Mark] = deque()
        self._last_due_ns = 0
        self._unacknowledged = 0  # bytes under way or unread by the peer
        self._buffer: deque[bytes] = deque()
        self._buffered = 0
        self._high, self._low = HIGH_WATER, LOW_WATER
        self._has_paused_protocol = False
        self._wants_eof = self._sent_fin = False
        # inward
        self._unread: deque[bytes | _Mark] = deque()
        self._is_started = self._is_paused = self._has_ended = False
        self._flows = False
        self._is_reset = False  # by the peer
        self._broken: OSError | None = None  # that, as the next write will notice it
        # its own end
        self._is_closing = self._is_lost = self._has_closed_socket = False

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

    def described(self) -> str:
        """Its addresses and what it serves."""
        (near, at), (far, to) = self._near, self._far
        return f"{near}:{at} -> {far}:{to} ({type(self._protocol).__name__})"

    # -- outward --------------------------------------------------------------------------------
    def write(self, data: Any) -> None:
        """Send bytes, or keep them while the peer does not read."""
        if type(data) is not bytes:
            if not isinstance(data, bytearray | memoryview | bytes):
                raise TypeError(f"data: expecting a bytes-like instance, got {type(data).__name__}")
            data = bytes(data)
        if self._wants_eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data or self._is_lost:
            return
        if self._broken is not None:
            self._force_close(self._broken)
        elif self._buffer or self._unacknowledged + len(data) > RECEIVE_BYTES:
            self._buffer.append(data)
            self._buffered += len(data)
            self._flush()
            self._maybe_pause()
        else:
            self._unacknowledged += len(data)
            self._send(data)

    def _send(self, item: bytes | _Mark) -> None:
        due_ns = self._loop.now_ns + next(self._delays_ns)
        # A later item never overtakes an earlier one, however their delays fall.
        if due_ns < self._last_due_ns:
            due_ns = self._last_due_ns
        self._last_due_ns = due_ns
        self._under_way.append(item)
        self._loop.at_ns(due_ns, self._arrival)

    def arrive(self) -> None:
        """The oldest item under way reaches the peer."""
        item = self._under_way.popleft()
        peer = self.peer
        if not (peer._flows and type(item) is bytes):
            peer.receive(item)
            return
        self.acknowledge(len(item))
        try:
            peer._protocol.data_received(item)
        except Exception as error:
            peer.fail(error)

    def _flush(self) -> None:
        """Send what the peer has room for."""
        while self._buffer and self._unacknowledged < RECEIVE_BYTES:
            room = RECEIVE_BYTES - self._unacknowledged
            data = self._buffer.popleft()
            if len(data) > room:
                self._buffer.appendleft(data[room:])
                data = data[:room]
            self._buffered -= len(data)
            self._unacknowledged += len(data)
            self._send(data)

    def _write_on(self) -> None:
        if self._is_lost or not self._buffer:
            return
        self._flush()
        if self._has_paused_protocol and self._buffered <= self._low:
            self._has_paused_protocol = False
            self._tell(self._protocol.resume_writing)
        if self._buffer:
            return
        if self._is_closing:
            self._lose(None)
        elif self._wants_eof:
            self._send_fin()

    def _maybe_pause(self) -> None:
        if not self._has_paused_protocol and self._buffered > self._high:
            self._has_paused_protocol = True
            self._tell(self._protocol.pause_writing)

    def _tell(self, event: Any) -> None:
        try:
            event()
        except Exception as error:
            message = f"protocol.{event.__name__}() failed"
            self._loop.call_exception_handler({"message": message, "exception": error})

    def writelines(self, list_of_data: Any) -> None:
        """Send several chunks as one."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """A connection can be closed one way."""
        return True

    def write_eof(self) -> None:
        """End this direction after what was written."""
        if self._is_closing or self._wants_eof:
            return
        self._wants_eof = True
        if not self._buffer:
            self._send_fin()

    def _send_fin(self) -> None:
        if not self._sent_fin:
            self._sent_fin = True
            self._send(FIN)

    def get_write_buffer_size(self) -> int:
        """Bytes the peer has no room for yet."""
        return self._buffered

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Low and high water."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the water marks. Raises ValueError unless high >= low >= 0."""
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        low = high // 4 if low is None else low
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low
        self._maybe_pause()

    # -- inward ---------------------------------------------------------------------------------
    @property
    def _reads(self) -> bool:
        return self._is_started and not (self._is_paused or self._is_closing or self._has_ended)

    def _see_flow(self) -> None:
        """Whether what comes can be delivered at once."""
        self._flows = self._reads and not self._unread

    def receive(self, item: bytes | _Mark) -> None:
        """An item has come from the peer."""
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
        """Who does not read learns of a reset when it writes (and at once while it has to)."""
        self._is_reset = True
        number = errno.EPIPE if self._has_ended or FIN in self._unread else errno.ECONNRESET
        self._broken = OSError(number, os.strerror(number))
        if self._buffer:
            self._force_close(self._broken)

    def _deliver(self, item: bytes | _Mark) -> None:
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
        """Deliver what is unread, as much at once as a socket gives."""
        while self._unread and self._reads:
            item = self._unread.popleft()
            if type(item) is bytes:
                item = self._joined(item)
                self.peer.acknowledge(len(item))
            self._deliver(item)
        self._see_flow()

    def acknowledge(self, size: int) -> None:
        """The peer has read bytes."""
        self._unacknowledged -= size
        if self._buffer:
            self._loop.call_soon(self._write_on)

    def _joined(self, first: bytes) -> bytes:
        parts, size = [first], len(first)
        while self._unread and type(self._unread[0]) is bytes:
            size += len(self._unread[0])
            if size > RECEIVE_BYTES:
                break
            parts.append(self._unread.popleft())  # type: ignore[arg-type]
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

    # -- the end --------------------------------------------------------------------------------
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
        """Whoever asked for the connection does not want it any more."""
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
        if not self._is_reset:
            if self.lingers_not or any(type(item) is bytes for item in self._unread):
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
                return FakeSocket(self._near, self)
            case _:
                return default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol have the events."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who has the events."""
        found: asyncio.BaseProtocol = self._protocol
        return found
