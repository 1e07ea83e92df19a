"""A worker's records on their way to the master: pieces of its spool file, resumed after a break.

The worker's file is only ever appended to, so an offset says everything: the master has all bytes
before it and nothing after. A piece that is lost is sent again, one that comes twice or too early
is not written. No I/O here: both ends are told what came and when.
"""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

import msgspec

CHUNK_BYTES = 65_536
WINDOW_BYTES = 16 * CHUNK_BYTES  # on the way at once
RESEND_S = 1.0  # without news, everything that is not acknowledged is sent again


class Chunk(msgspec.Struct, frozen=True):
    """A piece of a spool file."""

    offset: int
    data: bytes
    checksum: int

    @classmethod
    def of(cls, offset: int, data: bytes) -> Chunk:
        """A piece with its checksum."""
        return cls(offset, data, crc32(data))


class Receipt(msgspec.Struct, frozen=True):
    """What the master has: every byte before `received`. `misses`: what came does not follow."""

    received: int
    misses: bool = False


class Outbox:
    """The worker's end. `read(offset, most)` gives bytes of the spool file."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self.acknowledged = 0
        self._sent = 0
        self._news_s = 0.0  # of the last step forward
        self._again_from = -1  # each gap is gone back to once; after that only time does
        self._read = read

    def due(self, now_s: float) -> Chunk | None:
        """The next piece to send, None when there is nothing to send now."""
        if self._sent == self.acknowledged:
            self._news_s = now_s
        elif now_s - self._news_s > RESEND_S:
            self._again(now_s)
        room = self.acknowledged + WINDOW_BYTES - self._sent
        data = self._read(self._sent, min(CHUNK_BYTES, room)) if room > 0 else b""
        if not data:
            return None
        chunk = Chunk.of(self._sent, data)
        self._sent += len(data)
        return chunk

    def acknowledge(self, receipt: Receipt, now_s: float) -> None:
        """Take what the master says; an old receipt changes nothing."""
        if receipt.received > self.acknowledged:
            self.acknowledged = receipt.received
            self._sent = max(self._sent, receipt.received)
            self._news_s = now_s
            self._again_from = -1
        if receipt.misses and receipt.received == self.acknowledged != self._again_from:
            self._again(now_s)

    def _again(self, now_s: float) -> None:
        self._sent = self._again_from = self.acknowledged
        self._news_s = now_s


class Inbox:
    """The master's end of one worker. `write` appends to its copy of the spool file."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.received = 0
        self._write = write

    def take(self, chunk: Chunk) -> Receipt:
        """Write what is new in a piece, and say what is there."""
        ends = chunk.offset + len(chunk.data)
        if chunk.offset > self.received or crc32(chunk.data) != chunk.checksum:
            return Receipt(self.received, misses=True)
        if ends > self.received:
            self._write(chunk.data[self.received - chunk.offset :])
            self.received = ends
        return Receipt(self.received)
