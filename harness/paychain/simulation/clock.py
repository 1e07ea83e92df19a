"""What the parts of a simulation need of its loop: virtual nanoseconds and events in them.

The network and its connections know the loop by this class only, so the imports of the room run
one way: `clock` ← `transport` ← `network` ← `loop` ← `simulate`.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class TimedEvent(Protocol):
    """Something other than a callback that happens at a time.

    The state has asyncio's names: the loop keeps events and asyncio's handles in one heap and asks
    both the same questions.
    """

    _cancelled: bool
    _scheduled: bool
    _context: None

    def happen(self) -> None:
        """Happen now. It handles its own errors."""


class SimulatedClock(asyncio.AbstractEventLoop):
    """An event loop whose time is a whole number of nanoseconds that only the loop moves."""

    now_ns: int

    def at_ns(self, when_ns: int, event: TimedEvent) -> None:
        """Let an event happen at a time, in nanoseconds since the loop was made."""
        raise NotImplementedError  # the loop has its own

    def forget_timer(self) -> None:
        """Note that a scheduled timer or event was cancelled and waits in the heap for nothing."""
        raise NotImplementedError  # the loop has its own

    def number_task(self) -> int:
        """Return the number of one more task."""
        raise NotImplementedError  # the loop has its own
