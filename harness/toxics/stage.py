"""What a toxic does to the bytes of one direction of one connection: a stage of a pipeline.

Time is the loop's and chance is given, so that the same stages serve the engine and virtual time.
Each kind of toxic is one subclass in a module of its own, named in registry.py.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import ClassVar, Protocol

from harness.toxics.toxic import Toxic

CHUNK_BYTES = 32_768  # what the original reads at once; delays and jitter are per chunk
CHUNK_COST = 256  # bytes that keeping a chunk costs besides its data
ON_TIME_S = 0.0005  # a loop's clock may tick in milliseconds: this early is on time


class Direction(Protocol):
    """What a stage may do to the direction it stands in."""

    loop: asyncio.AbstractEventLoop

    def pause(self, why: object) -> None:
        """Stop reading the source."""

    def resume(self, why: object) -> None:
        """Read on, when nobody else wants the pause."""

    def close(self, why: str) -> None:
        """End the connection, both ways."""

    def reset(self, why: str) -> None:
        """Reset the connection, both ways."""

    def first_hit(self, toxic: Toxic) -> None:
        """A toxic acted on this connection for the first time."""


class Stage:
    """One toxic acting on one direction. `forward` and `finish` lead to the next stage.

    `read_at` is when a chunk was read from the source: stages in series share one clock.
    """

    ATTRIBUTES: ClassVar[tuple[tuple[str, str], ...]] = ()  # names and Go's types, as shown
    GO_NAME: ClassVar[str] = "NoopToxic"  # the struct that error texts name
    AT_CONNECT: ClassVar[bool] = False  # acts on new connections, has no part in a pipeline
    forward: Callable[[bytes, float], None]
    finish: Callable[[], None]

    def __init__(
        self, toxic: Toxic, direction: Direction, chance: Callable[[int], float]
    ) -> None:  # fmt: skip
        self.toxic = toxic
        self.direction = direction
        self.chance = chance  # draws for the n-th chunk
        self._has_hit = False

    @classmethod
    def wrong(cls, attributes: dict[str, int]) -> str | None:  # noqa: ARG003
        """Why these attributes cannot work, None when they can."""
        return None

    def feed(self, data: bytes, read_at: float) -> None:
        """Take one chunk."""
        self.forward(data, read_at)

    def end(self) -> None:
        """The source has ended."""
        self.finish()

    def updated(self) -> None:
        """The toxic has other attributes."""

    def removed(self) -> None:
        """The toxic is gone: let go of what is held, or end what can no longer be whole."""

    def spared(self) -> None:
        """The toxic's share has changed and no longer includes this connection."""
        self.removed()

    def stop(self) -> None:
        """The connection is over: no timer may act any more, what is held is lost."""

    def hit(self, size: int = 0) -> None:
        """Count one chunk or end that was acted on."""
        self.toxic.hits += 1
        self.toxic.bytes += size
        if not self._has_hit:
            self._has_hit = True
            self.direction.first_hit(self.toxic)

    def attribute(self, name: str) -> int:
        """An attribute, 0 when it is not given."""
        return self.toxic.attributes.get(name, 0)


class Held(Stage):
    """A stage that works on one chunk at a time and keeps the others back, in order.

    A subclass says when which piece of a chunk goes on. An update lets go of the chunk in hand and
    applies to those behind it; a removal lets go of all.
    """

    HOLDS_BYTES: ClassVar[int] = 65_536  # enough for a stage that lets go quickly
    IS_SPREAD: ClassVar[bool] = False  # pieces go out in separate turns of the loop

    def __init__(
        self, toxic: Toxic, direction: Direction, chance: Callable[[int], float]
    ) -> None:  # fmt: skip
        super().__init__(toxic, direction, chance)
        self._waiting: deque[tuple[bytes | None, float]] = deque()  # None is the end
        self._in_hand: deque[tuple[float, bytes | None]] = deque()  # pieces, when each is due
        self._read_at = 0.0  # of the chunk in hand
        self._timer: asyncio.Handle | None = None
        self._had_to_wait = False  # the chunk in hand, for those before it
        self._held = 0
        self._is_full = False
        self._is_stopped = False

    def pieces(self, data: bytes, read_at: float) -> Iterable[tuple[float, bytes]]:
        """When to let go of what, for a chunk that is taken in hand now."""
        raise NotImplementedError

    def end_due(self) -> float:
        """When the end goes on, if it is taken in hand now."""
        return 0.0

    def most_held(self) -> int:
        """Bytes: the source is not read while more is held."""
        return self.HOLDS_BYTES

    def begins_at(self, free_at: float) -> float:
        """When work on the chunk in hand begins, if the one before was due to leave at `free_at`.

        A timer that fires late must not slow down what waits behind it.
        """
        if self._had_to_wait and free_at > 0:
            return free_at
        return max(self.direction.loop.time(), free_at)

    def feed(self, data: bytes, read_at: float) -> None:
        self._hold(len(data) + CHUNK_COST)
        self._waiting.append((data, read_at))
        if not self._in_hand:
            self._had_to_wait = False
            self._work()

    def end(self) -> None:
        self._waiting.append((None, 0.0))
        if not self._in_hand:
            self._work()

    def _work(self) -> None:
        """Let go of what is due, take the next in hand, until something has to wait."""
        now = self.direction.loop.time() + ON_TIME_S
        while not self._is_stopped:
            while self._in_hand:
                due, piece = self._in_hand[0]
                if due > now:
                    self._wait_until(due)
                    return
                self._in_hand.popleft()
                self._let_go(piece)
                if self.IS_SPREAD and self._in_hand:
                    self._wait_until(0.0)
                    return
            if not self._waiting:
                return
            self._take()
            self._had_to_wait = True

    def _take(self) -> None:
        data, self._read_at = self._waiting.popleft()
        if data is None:
            self._in_hand.append((self.end_due(), None))
            return
        self._hold(-CHUNK_COST)
        self._in_hand.extend(self.pieces(data, self._read_at))

    def _let_go(self, piece: bytes | None) -> None:
        if piece is None:
            self.finish()
            return
        self._hold(-len(piece))
        if piece:
            self.forward(piece, self._read_at)

    def _wait_until(self, due: float) -> None:
        if self._timer is None and due != float("inf"):  # inf: only an update lets it go
            loop = self.direction.loop
            self._timer = (
                loop.call_at(due, self._wake) if due > 0 else loop.call_soon(self._wake)
            )  # fmt: skip

    def _wake(self) -> None:
        self._timer = None
        self._work()

    def updated(self) -> None:
        self._cancel()
        if self._in_hand:
            rest = [piece for _, piece in self._in_hand]
            self._in_hand.clear()
            if rest == [None]:
                self._waiting.appendleft((None, 0.0))  # the end waits anew
            else:
                self._let_go(b"".join(piece for piece in rest if piece is not None))
        self._work()

    def removed(self) -> None:
        self._cancel()
        while (self._in_hand or self._waiting) and not self._is_stopped:
            if not self._in_hand:
                self._take()
            self._let_go(self._in_hand.popleft()[1])

    def stop(self) -> None:
        self._is_stopped = True
        self._cancel()
        self._waiting.clear()
        self._in_hand.clear()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hold(self, size: int) -> None:
        self._held += size
        most = self.most_held()
        if self._held > most:
            if not self._is_full:
                self._is_full = True
                self.direction.pause(self)
        elif self._is_full and self._held <= most // 2:
            self._is_full = False
            self.direction.resume(self)
