"""Whether this process keeps up: a heartbeat that comes late shows how long it stalled.

A process that does not get the processor, or is busy with something else, answers nothing then:
calls time out that the chain would have answered. A run must know that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

EVERY_S = 0.02
WORTH_S = 0.05  # a process that shares its processor is often late by less than this
# One that gets the processor in slices is late by less each time, but without end: together this
# much within a second is worth reporting as well.
SLICED_S = 0.3
WITHIN_S = 1.0


class StallDetector:
    """Expects `heartbeat` every `EVERY_S`; reports each one that is late by `WORTH_S` or more.

    Smaller ones are reported when they add up to `SLICED_S` within `WITHIN_S`.
    `now_ns` is any clock; `report` gets its readings when the heartbeat was due and when it came.
    """

    def __init__(self, now_ns: Callable[[], int], report: Callable[[int, int], None]) -> None:
        self._now_ns, self._report = now_ns, report
        self._due_ns = now_ns() + round(EVERY_S * 1e9)
        self._small: deque[tuple[int, int]] = deque()  # late heartbeats that were not reported
        self._small_ns = 0  # how late they were together

    def heartbeat(self) -> None:
        """Report a stall if this one is late."""
        now_ns = self._now_ns()
        if now_ns - self._due_ns >= WORTH_S * 1e9:
            self._report(self._due_ns, now_ns)
        else:
            self._add_small(self._due_ns, now_ns)
        self._due_ns = self._now_ns() + round(EVERY_S * 1e9)

    def _add_small(self, due_ns: int, now_ns: int) -> None:
        self._small.append((due_ns, now_ns))
        self._small_ns += now_ns - due_ns
        while self._small[0][1] < now_ns - WITHIN_S * 1e9:
            since, until = self._small.popleft()
            self._small_ns -= until - since
        if self._small_ns >= SLICED_S * 1e9:
            for since, until in self._small:
                self._report(since, until)
            self._small.clear()
            self._small_ns = 0

    def keep(self) -> None:
        """Send heartbeats from now on, as long as the loop runs."""
        self.heartbeat()
        asyncio.get_running_loop().call_later(EVERY_S, self.keep)
