"""A rate limit as a link keeps it: a number of requests in any window of about a second."""

from __future__ import annotations

from collections import deque

WINDOW_S = 1.0  # of a rate that is a whole number of requests per second


class RateWindow:
    """The requests that were admitted within the last window.

    The window is as long as a whole number of requests takes at the rate: 1 s at 50/s, 0.8 s at
    2.5/s, 2 s at 0.5/s. Law: no window holds more admitted requests than `_most`.
    """

    def __init__(self, rate_per_s: float) -> None:
        assert rate_per_s > 0, "a rate limit that admits nothing is another fault"
        self._most = max(1, int(rate_per_s * WINDOW_S))
        self._window_ns = round(self._most / rate_per_s * 1e9)
        self._admitted: deque[int] = deque()

    def admits(self, now_ns: int) -> bool:
        """Whether one more request is within the rate; then it counts."""
        while self._admitted and self._admitted[0] <= now_ns - self._window_ns:
            self._admitted.popleft()
        if len(self._admitted) >= self._most:
            return False
        self._admitted.append(now_ns)
        return True
