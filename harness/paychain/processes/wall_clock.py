"""Whether the machine's clock was moved: our times come from a monotonic clock.

steady  ──┬────┬────┬────┬──
wall    ──┬────┬───────────┬────┬──      set by somebody, or the machine slept
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MOVED_S = 1.0  # between two looks; what keeps a clock right moves it by milliseconds a second


@dataclass(frozen=True)
class ClockStart:
    """A moment from which time is counted by the steady clock: no length of it is ever wrong."""

    at: datetime  # UTC
    steady_ns: int

    @classmethod
    def now(cls) -> ClockStart:
        """This moment."""
        return cls(datetime.now(UTC), time.monotonic_ns())

    def until_now(self) -> datetime:
        """The time now, as if the machine's clock had not been moved since."""
        return self.at + timedelta(microseconds=(time.monotonic_ns() - self.steady_ns) // 1_000)


class WallClock:
    """Compares the machine's clock with the steady one at each `look`, a second or so apart.

    The clocks are any readings in nanoseconds.
    """

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        steady_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall_ns, self._steady_ns = wall_ns, steady_ns
        self._ahead_ns = self._ahead()
        self._moved_ns = 0
        self._furthest_ns = 0

    def look(self) -> None:
        """Note whether it was moved since the last look."""
        ahead_ns = self._ahead()
        if abs(ahead_ns - self._ahead_ns) >= MOVED_S * 1e9:
            self._moved_ns += ahead_ns - self._ahead_ns
            self._furthest_ns = max(self._furthest_ns, self._moved_ns, key=abs)
        self._ahead_ns = ahead_ns

    @property
    def moved_s(self) -> float:
        """How far it was moved at the most, negative when back; 0 for a clock that was not."""
        return self._furthest_ns / 1e9

    def _ahead(self) -> int:
        return self._wall_ns() - self._steady_ns()
