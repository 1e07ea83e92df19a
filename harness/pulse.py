"""Does this process keep up? A beat that comes late says for how long it stood still.

A process that does not get the processor, or is busy with something else, answers nobody meanwhile:
calls time out that the chain would have answered. A run must know that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

EVERY_S = 0.02
WORTH_S = 0.05  # less than this is a process that shares its processor with others


class Pulse:
    """To be called `EVERY_S` after it was last; tells of each time that came late by `WORTH_S`.

    `now_ns` is any clock; `told` gets its readings when the beat was due and when it came.
    """

    def __init__(self, now_ns: Callable[[], int], told: Callable[[int, int], None]) -> None:
        self._now_ns, self._told = now_ns, told
        self._due_ns = now_ns() + round(EVERY_S * 1e9)

    def beat(self) -> None:
        """It is time."""
        now_ns = self._now_ns()
        if now_ns - self._due_ns >= WORTH_S * 1e9:
            self._told(self._due_ns, now_ns)
        self._due_ns = self._now_ns() + round(EVERY_S * 1e9)

    def keep(self) -> None:
        """Beat from now on, as long as the loop runs."""
        self.beat()
        asyncio.get_running_loop().call_later(EVERY_S, self.keep)
