"""What a toxic does to the bytes of one direction of one connection: a stage of a pipeline.

    Input > Stage > Stage > Output                one direction of one connection (link.py)

    feed(chunk)  ──> ┌───────┐ ──> forward(chunk)   the next stage's feed, or the destination
    end()        ──> │ Stage │ ──> finish()         the next stage's end, or a half-close
                     └───────┘
    on_updated() · on_removed() · on_excluded()     the toxic changed meanwhile
    stop()                                          the connection is over

Each kind of toxic is one subclass in a module of its own, named in registry.py. A stage that
delays bytes is a `Buffered` (buffered.py). Time is the loop's and chance is given, so the same
stages serve the engine and virtual time. Counterpart in Toxiproxy: toxics/toxic.go, `Pipe`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar, Protocol

from paychain.toxics.memory import HeldBytes
from paychain.toxics.toxic import Toxic

CHUNK_BYTES = 32_768  # Toxiproxy reads so much at once (link.go); delays and jitter are per chunk


class Direction(Protocol):
    """What a stage may do to the direction it is part of."""

    loop: asyncio.AbstractEventLoop
    held: HeldBytes

    def pause(self, reader: object) -> None:
        """Stop reading the source, on behalf of `reader`."""

    def resume(self, reader: object) -> None:
        """Read on, unless somebody else still asks for the pause."""

    def close(self, reason: str) -> None:
        """End the connection, both ways."""

    def reset(self, reason: str) -> None:
        """Reset the connection, both ways."""

    def first_hit(self, toxic: Toxic) -> None:
        """Note that a toxic acted on this connection for the first time."""


class Stage:
    """One toxic acting on one direction; as it is, it passes everything.

    `forward` and `finish` lead to the next stage. Every chunk comes with `read_at`, the loop time
    in seconds at which it was read from the source: stages in series share one clock, so that
    their delays add up however late a timer fires. `chance(n)` draws for the n-th chunk, from 0
    to below 1.
    """

    ATTRIBUTES: ClassVar[tuple[tuple[str, str], ...]] = ()  # names and Go's types, as shown
    GO_NAME: ClassVar[str] = "NoopToxic"  # the struct that error texts name
    AT_CONNECT: ClassVar[bool] = False  # acts on new connections, has no part in a pipeline
    forward: Callable[[bytes, float], None]
    finish: Callable[[], None]

    def __init__(self, toxic: Toxic, direction: Direction, chance: Callable[[int], float]) -> None:
        self.toxic = toxic
        self.direction = direction
        self.chance = chance
        self._has_hit = False

    @classmethod
    def wrong(cls, attributes: dict[str, int]) -> str | None:  # noqa: ARG003  (subclasses check them)
        """Why these attributes cannot work, None when they can."""
        return None

    def feed(self, data: bytes, read_at: float) -> None:
        """Take one chunk of at most CHUNK_BYTES."""
        self.forward(data, read_at)

    def end(self) -> None:
        """The source has ended."""
        self.finish()

    def on_updated(self) -> None:
        """The toxic has other attributes."""

    def on_removed(self) -> None:
        """The toxic is gone: release what is buffered, or end what can no longer be whole."""

    def on_excluded(self) -> None:
        """The toxic's share has changed and no longer includes this connection."""
        self.on_removed()

    def stop(self) -> None:
        """The connection is over: no timer may act any more, what is buffered is lost."""

    def hit(self, size: int = 0) -> None:
        """Count one chunk of `size` bytes, or one end, that was acted on."""
        self.toxic.hits += 1
        self.toxic.bytes += size
        if not self._has_hit:
            self._has_hit = True
            self.direction.first_hit(self.toxic)

    def attribute(self, name: str) -> int:
        """An attribute, 0 when it is not given."""
        return self.toxic.attributes.get(name, 0)
