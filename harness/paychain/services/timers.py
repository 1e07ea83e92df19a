"""What a link does at a time of the calendar, in seconds since 1970."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from paychain.services.context import Context


class Timers:
    """What is still to be done; the clock is that of the context."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waiting: dict[asyncio.TimerHandle, None] = {}

    def now_s(self) -> int:
        """Seconds since 1970."""
        return (self._context.wall_epoch_ns + self._context.now_ns()) // 1_000_000_000

    def at(self, at_s: int, then: Callable[[], None]) -> None:
        """Do something at a time of `now_s`, unless all is cancelled before."""

        def due() -> None:
            del self._waiting[timer]
            then()

        left_ns = at_s * 1_000_000_000 - self._context.wall_epoch_ns - self._context.now_ns()
        # A microsecond more: rounding must not make it too early.
        timer = asyncio.get_running_loop().call_later(max(0, left_ns) / 1e9 + 1e-6, due)
        self._waiting[timer] = None

    def cancel(self) -> None:
        """Do nothing of what is still to be done."""
        for timer in self._waiting:
            timer.cancel()
        self._waiting.clear()
