"""When the next payment starts: decided here, without a clock, for every driver that has one.

Schedule ─ next_s() ─> Pace ─ Wait | Start ─> driver: gevent or asyncio
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from paychain.load.traffic.arrivals import Arrival


class Schedule(Protocol):
    """When payments arrive, in seconds since the start of the load."""

    def next_s(self) -> float | None:
        """When the next payment arrives; None when none is to come as things are."""

    def take(self) -> Arrival:
        """The next payment; from now on the one after it is next."""


class PlannedSchedule:
    """A schedule that is known from the start."""

    def __init__(self, arrivals: Iterable[Arrival]) -> None:
        self._arrivals = iter(arrivals)
        self._next = next(self._arrivals, None)

    def next_s(self) -> float | None:
        """When the next payment arrives; None after the last."""
        return self._next.at_s if self._next is not None else None

    def take(self) -> Arrival:
        """The next payment."""
        arrival = self._next
        assert arrival is not None, "no payment is left to take"
        self._next = next(self._arrivals, None)
        return arrival


class WaitUntil(NamedTuple):
    """Nothing is due before this moment. One that has passed is waited for, too: payments under
    way must go on, also when the load is behind its schedule."""

    until_ns: int


class Start(NamedTuple):
    """This payment is due now, whatever became of those before it."""

    arrival: Arrival
    intended_ns: int


class Pace:
    """Walks a schedule. `start_ns`: when the load starts, on the driver's clock.

    `give_up_ns`: a load that is behind schedule at this moment starts no further payment; those
    that were due are reported as missing.
    """

    def __init__(self, schedule: Schedule, start_ns: int, give_up_ns: int | None = None) -> None:
        self._schedule = schedule
        self._start_ns = start_ns
        self._give_up_ns = give_up_ns
        self._has_waited = False  # for the next payment

    def decide(self, now_ns: int) -> WaitUntil | Start | None:
        """What to do at this moment; None when no payment is to come."""
        next_s = self._schedule.next_s()
        if next_s is None or (self._give_up_ns is not None and now_ns > self._give_up_ns):
            return None
        intended_ns = self._start_ns + int(next_s * 1e9)
        if now_ns < intended_ns or not self._has_waited:
            self._has_waited = True
            return WaitUntil(intended_ns)
        self._has_waited = False
        return Start(self._schedule.take(), intended_ns)
