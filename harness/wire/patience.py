"""How long one end of a connection waits, one wait after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Patience:
    """One wait at a time. The timer stays when a wait is over: the next one mostly ends later, and
    a connection that is used again and again would make and cancel a timer for each message."""

    __slots__ = ("_loop", "_rings_s", "_then", "_timer", "_until_s")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._then: Callable[[], None] | None = None
        self._until_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._rings_s = 0.0  # when the timer fires

    def until(self, when_s: float, then: Callable[[], None]) -> None:
        """Do something at a time of the loop, instead of what was waited for before."""
        self._then, self._until_s = then, when_s
        if self._timer is not None:
            if self._rings_s <= when_s:
                return
            self._timer.cancel()
        self._wait()

    def _wait(self) -> None:
        self._rings_s = self._until_s
        self._timer = self._loop.call_at(self._until_s, self._ring)

    def _ring(self) -> None:
        self._timer = None
        then = self._then
        if then is None:
            return
        if self._loop.time() < self._until_s:
            self._wait()
            return
        self._then = None
        then()

    def forget(self) -> None:
        """Wait no longer."""
        self._then = None

    def end(self) -> None:
        """Wait no longer, and never again: the connection is over."""
        self._then = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
