"""How far another machine's monotonic clock is from this one's, by the time messages take.

A question leaves at t1 of our clock, arrives at t2 of theirs, is answered at t3 of theirs and the
answer is back at t4 of ours. Neither way takes less than no time, so their clock minus ours lies
between t3 - t4 and t2 - t1: the middle is off by half the time on the way at most. The quickest of
many exchanges is the best measure (as in NTP: RFC 5905 §10).
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import msgspec

ENOUGH = 20  # exchanges before a clock counts as measured
LATEST = 20  # exchanges that show how far the clocks have drifted since


class ClockExchange(NamedTuple):
    """One question and its answer; the outer two times are of our clock, the inner of theirs."""

    sent_ns: int
    received_ns: int
    answered_ns: int
    returned_ns: int

    @property
    def way_ns(self) -> int:
        """Time on the way, there and back."""
        return self.returned_ns - self.sent_ns - (self.answered_ns - self.received_ns)

    @property
    def offset(self) -> ClockOffset:
        """Their clock by this exchange alone."""
        lowest = self.answered_ns - self.returned_ns
        highest = self.received_ns - self.sent_ns
        return ClockOffset((lowest + highest) // 2, -(-self.way_ns // 2))


class ClockOffset(msgspec.Struct, frozen=True):
    """Their clock minus ours, and how far it can be from that."""

    ns: int
    uncertainty_ns: int


class ClockMeasure:
    """Exchanges with one other clock."""

    def __init__(self) -> None:
        self._count = 0
        self._best: ClockExchange | None = None
        self._latest: deque[ClockExchange] = deque(maxlen=LATEST)

    def add(self, exchange: ClockExchange) -> None:
        """Count an exchange; an impossible one (answered before it was sent) is ignored."""
        if exchange.way_ns < 0 or exchange.answered_ns < exchange.received_ns:
            return
        self._count += 1
        self._latest.append(exchange)
        if self._count <= ENOUGH and (self._best is None or exchange.way_ns < self._best.way_ns):
            self._best = exchange

    @property
    def offset(self) -> ClockOffset | None:
        """By the first exchanges, once they are enough; it does not change after that."""
        return self._best.offset if self._best is not None and self._count >= ENOUGH else None

    @property
    def offset_now(self) -> ClockOffset | None:
        """By the latest exchanges."""
        quickest = min(self._latest, key=lambda exchange: exchange.way_ns, default=None)
        return quickest.offset if quickest is not None else None
