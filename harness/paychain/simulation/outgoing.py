"""The writing half of a connection in memory: a bounded buffer, and bytes under way to the peer.

    write() ──> buffer ──> under way ──> the peer's receive()
                 │          (delay)
                 └── full: pause_writing()

Bytes, the end of a stream and resets travel in order. What is under way or unread is bounded by
RECEIVE_BYTES; more waits in the writer's own buffer, which then pauses its protocol.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any

from paychain.simulation.clock import SimulatedClock

# A receiver's socket buffer: bytes that may be under way or unread, and are read at once.
RECEIVE_BYTES = 262_144
# Bytes in the writer's own buffer that pause and resume its protocol: asyncio's defaults.
HIGH_WATER, LOW_WATER = 65_536, 16_384


class Mark:
    """Something other than bytes that travels on a connection."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __len__(self) -> int:
        return 0


FIN, RST = Mark("fin"), Mark("rst")


class _Arrival:
    """The event that brings the oldest item under way to the other end; never cancelled.

    One object stands for all items of a direction: whichever of its times comes first, the oldest
    item arrives, so no choice of a search can reorder a stream.
    """

    __slots__ = ("_scheduled", "happen")
    _cancelled = False
    _context = None

    def __init__(self, end: Outgoing) -> None:
        self.happen = end.arrive
        self._scheduled = True


class Outgoing(asyncio.Transport):
    """What one end of a connection writes. `peer` is the other end.

    Always true: what is under way or unread at the peer is 0 to RECEIVE_BYTES, and bytes wait in
    the own buffer only while the peer has no room for them.
    """

    __slots__ = (
        "_arrival",
        "_broken",
        "_buffer",
        "_buffered",
        "_delays_ns",
        "_flows",
        "_has_paused_protocol",
        "_high",
        "_is_closing",
        "_is_lost",
        "_last_due_ns",
        "_loop",
        "_low",
        "_protocol",
        "_sent_fin",
        "_unacknowledged",
        "_under_way",
        "_wants_eof",
        "peer",
    )
    peer: Outgoing

    def __init__(self, loop: SimulatedClock, delays_ns: Iterator[int]) -> None:
        self._loop = loop
        self._delays_ns = delays_ns
        self._protocol: Any = None
        self._arrival = _Arrival(self)
        self._under_way: deque[bytes | Mark] = deque()
        self._last_due_ns = 0
        self._unacknowledged = 0  # bytes under way or unread by the peer
        self._buffer: deque[bytes] = deque()
        self._buffered = 0
        self._high, self._low = HIGH_WATER, LOW_WATER
        self._has_paused_protocol = False
        self._wants_eof = self._sent_fin = False
        self._flows = False  # this end reads and has read all: what comes is delivered at once
        self._broken: OSError | None = None  # what the next write raises because of a reset
        self._is_closing = self._is_lost = False  # close() was called; the end is scheduled

    def receive(self, item: bytes | Mark) -> None:
        """An item has come from the peer."""
        raise NotImplementedError  # the transport has its own

    def fail(self, error: Exception) -> None:
        """Its protocol failed while it received."""
        raise NotImplementedError  # the transport has its own

    def _force_close(self, error: Exception | None) -> None:
        raise NotImplementedError  # the transport has its own

    def _lose(self, error: Exception | None) -> None:
        raise NotImplementedError  # the transport has its own

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
        size = len(data)
        # Three cases: the peer has reset the connection, which a write is the first to notice; the
        # peer has no room, or older bytes wait already; there is room.
        if self._broken is not None:
            self._force_close(self._broken)
        elif self._buffer or self._unacknowledged + size > RECEIVE_BYTES:
            self._buffer.append(data)
            self._buffered += size
            self._flush()
            self._maybe_pause()
        else:
            self._unacknowledged += size
            self._send(data)

    def _send(self, item: bytes | Mark) -> None:
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
        # Nearly every item takes this short way: bytes for a peer that reads and has read all.
        self._unacknowledged -= len(item)
        if self._buffer:
            self._loop.call_soon(self._write_on)
        try:
            peer._protocol.data_received(item)
        except Exception as error:
            peer.fail(error)

    def acknowledge(self, size: int) -> None:
        """The peer has read `size` bytes."""
        self._unacknowledged -= size
        assert self._unacknowledged >= 0, "only bytes that were sent can be read"
        if self._buffer:
            self._loop.call_soon(self._write_on)

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
        assert 0 <= self._unacknowledged <= RECEIVE_BYTES
        assert bool(self._buffer) == (self._buffered > 0)

    def _write_on(self) -> None:
        """The peer has read: send what waits, resume the protocol, then end if that was asked."""
        if self._is_lost or not self._buffer:
            return
        self._flush()
        if self._has_paused_protocol and self._buffered <= self._low:
            self._has_paused_protocol = False
            self._notify(self._protocol.resume_writing)
        if self._buffer:
            return
        if self._is_closing:
            self._lose(None)
        elif self._wants_eof:
            self._send_fin()

    def _maybe_pause(self) -> None:
        if not self._has_paused_protocol and self._buffered > self._high:
            self._has_paused_protocol = True
            self._notify(self._protocol.pause_writing)

    def _notify(self, event: Any) -> None:
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
