"""A worker's records on their way to the master: pieces of its spool file, resumed after a break.

The worker's file is only ever appended to, so an offset is enough: the master has all bytes
before it and nothing after. A piece that is lost is sent again, one that comes twice or too early
is not written. No I/O here: both ends are handed what came and when.
"""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

import msgspec

CHUNK_BYTES = 65_536  # of one message: Locust's own must not wait long behind it
WINDOW_BYTES = 16 * CHUNK_BYTES  # sent and not yet acknowledged
RESEND_S = 1.0  # without progress for this long, everything unacknowledged is sent again


class Chunk(msgspec.Struct, frozen=True):
    """A piece of a spool file."""

    offset: int
    data: bytes
    checksum: int

    @classmethod
    def of(cls, offset: int, data: bytes) -> Chunk:
        """A piece with its checksum."""
        return cls(offset, data, crc32(data))


class ChunkReceipt(msgspec.Struct, frozen=True):
    """The master has every byte before `received`. `misses`: a chunk does not follow them."""

    received: int
    misses: bool = False


class Outbox:
    """The worker's end. `read(offset, max_bytes)` gives bytes of the spool file."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self.acknowledged = 0
        self._sent = 0
        self._progress_s = 0.0  # when the master last confirmed something new
        self._resent_from = -1  # each gap is resent once; after that only when time is up
        self._read = read

    def due(self, now_s: float) -> Chunk | None:
        """The next piece to send, None when there is nothing to send now."""
        if self._sent == self.acknowledged:
            self._progress_s = now_s
        elif now_s - self._progress_s > RESEND_S:
            self._resend(now_s)
        room = self.acknowledged + WINDOW_BYTES - self._sent
        data = self._read(self._sent, min(CHUNK_BYTES, room)) if room > 0 else b""
        if not data:
            return None
        chunk = Chunk.of(self._sent, data)
        self._sent += len(data)
        return chunk

    def acknowledge(self, receipt: ChunkReceipt, now_s: float) -> None:
        """The master has confirmed bytes; an old receipt changes nothing."""
        if receipt.received > self.acknowledged:
            self.acknowledged = receipt.received
            self._sent = max(self._sent, receipt.received)
            self._progress_s = now_s
            self._resent_from = -1
        if receipt.misses and receipt.received == self.acknowledged != self._resent_from:
            self._resend(now_s)

    def _resend(self, now_s: float) -> None:
        self._sent = self._resent_from = self.acknowledged
        self._progress_s = now_s


class Inbox:
    """The master's end of one worker. `write` appends to its copy of the spool file."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.received = 0
        self._write = write

    def receive(self, chunk: Chunk) -> ChunkReceipt:
        """Write what is new in a piece, and report how far the file goes."""
        ends = chunk.offset + len(chunk.data)
        if chunk.offset > self.received or crc32(chunk.data) != chunk.checksum:
            return ChunkReceipt(self.received, misses=True)
        if ends > self.received:
            self._write(chunk.data[self.received - chunk.offset :])
            self.received = ends
        return ChunkReceipt(self.received)
