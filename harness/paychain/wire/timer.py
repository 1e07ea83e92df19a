"""How long one end of a connection waits, one wait after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class WaitTimer:
    """One wait at a time, on one timer of the loop that outlives the wait.

    The next wait mostly ends later than the last one would have, so the timer is left running and
    moved when it fires. A connection that is used again and again would otherwise make and cancel a
    timer for each message.
    """

    __slots__ = ("_action", "_fires_at_s", "_loop", "_timer", "_until_s")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._action: Callable[[], None] | None = None  # None: nothing is waited for
        self._until_s = 0.0  # loop time at which the wait is over
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at_s = 0.0  # loop time at which the timer fires: never after a wait's end

    def start(self, when_s: float, action: Callable[[], None]) -> None:
        """Call `action` at a loop time in seconds, in place of what was waited for before."""
        self._action, self._until_s = action, when_s
        if self._timer is not None:
            if self._fires_at_s <= when_s:
                return
            self._timer.cancel()
        self._schedule()

    def _schedule(self) -> None:
        self._fires_at_s = self._until_s
        self._timer = self._loop.call_at(self._until_s, self._fire)

    def _fire(self) -> None:
        self._timer = None
        action = self._action
        # Three cases: the wait was cancelled; it was replaced by one that ends later; it is over.
        if action is None:
            return
        if self._loop.time() < self._until_s:
            self._schedule()
            return
        self._action = None
        action()

    def cancel(self) -> None:
        """Wait for nothing; the timer stays for the next wait."""
        self._action = None

    def close(self) -> None:
        """Wait for nothing, and never again: the connection is over."""
        self._action = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
