"""A stage that delays: it works on one chunk at a time and queues those behind it, in order.

    feed() ──> queue: chunk, chunk, end ──> current chunk, cut into (due, piece), … ──> forward()
               └── too many bytes: pause the source            └── each when it is due

A subclass says only how a chunk is cut and when each piece is due:

    latency      one piece, due `latency` after it was read
    bandwidth    pieces of a tenth of a second, due when the rate allows
    slicer       pieces of about `average_size`, due `delay` apart
    slow_close   one piece, due at once; the end is due `delay` later

Counterpart in Toxiproxy: toxics/toxic.go, `BufferedToxic`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import ClassVar

from paychain.toxics.stage import Direction, Stage
from paychain.toxics.toxic import Toxic

CHUNK_COST = 256  # bytes that keeping a chunk costs besides its data
ON_TIME_S = 0.0005  # a loop's clock may tick in milliseconds: what is this early is on time
NEVER = float("inf")  # due when an update or a removal releases it

# The end of the stream travels through the queue as a chunk, and as a piece, of its own.
END = None


class Buffered(Stage):
    """Base of the stages that delay bytes.

    An update releases the current chunk and applies to those behind it; a removal releases all.
    Always true: `_buffered` is the size of what is queued or current, with CHUNK_COST for each
    queued chunk; pieces leave in the order in which their bytes came.
    """

    BUFFER_BYTES: ClassVar[int] = 65_536  # enough for a stage that releases quickly
    YIELDS_BETWEEN_PIECES: ClassVar[bool] = False  # each piece leaves in a round of its own

    def __init__(self, toxic: Toxic, direction: Direction, chance: Callable[[int], float]) -> None:
        super().__init__(toxic, direction, chance)
        self._queue: deque[tuple[bytes | None, float]] = deque()  # chunk or END, when it was read
        # The current chunk: its pieces that are left, and when it was read (loop time, s).
        self._pieces: deque[tuple[float, bytes | None]] = deque()  # when due (loop time, s), piece
        self._read_at = 0.0
        self._was_queued = False  # it waited behind another chunk
        self._timer: asyncio.Handle | None = None
        self._buffered = 0  # bytes
        self._has_paused_source = False
        self._is_stopped = False

    def pieces(self, data: bytes, read_at: float) -> Iterable[tuple[float, bytes]]:
        """Cut a chunk that becomes current now: each piece with the loop time at which it is due.

        A due time of 0 is at once, NEVER waits for an update or a removal.
        """
        raise NotImplementedError  # each toxic has its own

    def end_due(self) -> float:
        """The loop time at which the end is due, if it becomes current now."""
        return 0.0

    def max_buffered(self) -> int:
        """Bytes: the source is not read while more is buffered."""
        return self.BUFFER_BYTES

    def begins_at(self, free_at: float) -> float:
        """When work on the current chunk begins, if the one before was due to leave at `free_at`.

        A chunk that waited begins when the one before was due, not when its timer fired: a late
        timer must not slow down what waits. A chunk that found the stage idle begins now: idle time
        is no credit.
        """
        if self._was_queued and free_at > 0:
            return free_at
        return max(self.direction.loop.time(), free_at)

    def feed(self, data: bytes, read_at: float) -> None:
        self._count(len(data) + CHUNK_COST)
        self._queue.append((data, read_at))
        if not self._pieces:
            self._was_queued = False
            self._work()

    def end(self) -> None:
        self._queue.append((END, 0.0))
        if not self._pieces:
            self._work()

    def on_updated(self) -> None:
        self._cancel_timer()
        if self._pieces:
            rest = [piece for _, piece in self._pieces]
            self._pieces.clear()
            # The end waits again, with the new attributes; bytes have waited long enough.
            if rest == [END]:
                self._queue.appendleft((END, 0.0))
            else:
                self._release(b"".join(piece for piece in rest if piece is not END))
        self._work()

    def on_removed(self) -> None:
        self._cancel_timer()
        # What is released may end the connection, which stops this stage.
        while (self._pieces or self._queue) and not self._is_stopped:
            if not self._pieces:
                self._start_next_chunk()
            self._release(self._pieces.popleft()[1])

    def stop(self) -> None:
        self._is_stopped = True
        self._cancel_timer()
        self.direction.held.add(-self._buffered)
        self._buffered = 0
        self._queue.clear()
        self._pieces.clear()

    def _work(self) -> None:
        """Release what is due and start on the next chunk, until something has to wait."""
        now = self.direction.loop.time() + ON_TIME_S
        while not self._is_stopped:
            while self._pieces:
                due, piece = self._pieces[0]
                if due > now:
                    self._wake_at(due)
                    return
                self._pieces.popleft()
                self._release(piece)
                # Sockets join what is written in one round of the loop; slices must stay apart.
                if self.YIELDS_BETWEEN_PIECES and self._pieces:
                    self._wake_at(0.0)
                    return
            if not self._queue:
                return
            self._start_next_chunk()
            self._was_queued = True

    def _start_next_chunk(self) -> None:
        assert not self._pieces, "one chunk at a time, or pieces would overtake each other"
        data, self._read_at = self._queue.popleft()
        if data is END:
            self._pieces.append((self.end_due(), END))
            return
        self._count(-CHUNK_COST)
        self._pieces.extend(self.pieces(data, self._read_at))

    def _release(self, piece: bytes | None) -> None:
        if piece is END:
            self.finish()
            return
        self._count(-len(piece))
        if piece:
            self.forward(piece, self._read_at)

    def _wake_at(self, due: float) -> None:
        if self._timer is None and due != NEVER:
            loop = self.direction.loop
            self._timer = loop.call_at(due, self._wake) if due > 0 else loop.call_soon(self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._work()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _count(self, size: int) -> None:
        """Count bytes in or out; pause the source when full, resume it when half empty."""
        if self._is_stopped:
            return  # it holds nothing any more; what was released last may have stopped it
        self._buffered += size
        self.direction.held.add(size)
        assert self._buffered >= 0, "only what came in can go out"
        limit = self.direction.held.allowed(self.max_buffered())
        if self._buffered > limit:
            if not self._has_paused_source:
                self._has_paused_source = True
                self.direction.pause(self)
        elif self._has_paused_source and self._buffered <= limit // 2:
            self._has_paused_source = False
            self.direction.resume(self)
