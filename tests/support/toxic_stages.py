"""Stages on a clock of the test's own, with a direction that notes what comes out."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from paychain.toxics.memory import HeldBytes
from paychain.toxics.registry import stage_for
from paychain.toxics.stage import Stage
from paychain.toxics.toxic import Toxic


@dataclass
class Timer:
    work: Callable[[], None]
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Clock:
    """The part of a loop that stages use; time moves when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = count()

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, work: Callable[[], None]) -> Timer:
        timer = Timer(work)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def call_later(self, delay: float, work: Callable[[], None]) -> Timer:
        return self.call_at(self.now + delay, work)

    def call_soon(self, work: Callable[[], None]) -> Timer:
        return self.call_at(self.now, work)

    def run(self, for_s: float) -> None:
        until = self.now + for_s
        while self._timers and self._timers[0][0] <= until:
            when, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            if not timer.is_cancelled:
                timer.work()
        self.now = until


@dataclass
class Sink:
    """A direction that notes what comes out at its end."""

    loop: Any = field(default_factory=Clock)
    held: HeldBytes = field(default_factory=HeldBytes)
    out: list[tuple[float, bytes | str]] = field(default_factory=list)
    pauses: list[str] = field(default_factory=list)
    first_hits: int = 0

    def pause(self, reader: object) -> None:
        self.pauses.append("pause")

    def resume(self, reader: object) -> None:
        self.pauses.append("resume")

    def close(self, reason: str) -> None:
        self.note(f"close: {reason}")

    def reset(self, reason: str) -> None:
        self.note(f"reset: {reason}")

    def first_hit(self, toxic: Toxic) -> None:
        self.first_hits += 1

    def note(self, what: bytes | str) -> None:
        self.out.append((round(self.loop.now - 100, 6), what))


def stage_of(sink: Sink, kind: str, seed: int = 1, connection: int = 1, **attributes: int) -> Stage:
    toxic = Toxic(name="t", type=kind, stream="downstream", toxicity=1.0, attributes=attributes)
    made = stage_for(toxic, sink, seed, "proxy", connection)
    made.forward = lambda data, _: sink.note(data)
    made.finish = lambda: sink.note("end")
    return made


def feed(sink: Sink, stage: Stage, data: bytes) -> None:
    stage.feed(data, sink.loop.now)
