"""When an order is at rest, and how long somebody may still do something about it."""

from __future__ import annotations

from collections.abc import Collection

from paychain.environment.running_chain import RunningChain
from paychain.explore.live.orders import LiveOrder

# Without a record of it an order is at rest after so long: longer than a service usually waits
# before it tries again, or looks for what is due. What comes later is judged later.
QUIET_S = 2.5
FLUSHED_S = 0.5  # the same where all of its requests are known: records are flushed by then
MORE_TIME = 2  # times what is declared: what is not settled then never is
# The same: an order about which something is recorded whenever books are read is judged then.
MOST_TIME = 3
# Between two payments that are to be alone: as long as most services wait for an answer. Where that
# is not enough, what is not known after the longer time keeps no other payment waiting.
APART_S, ALONE_S = 2.0, 10.0
# Of the time that it has lasted: how long an end in virtual time is left alone between two looks.
VIRTUAL_LOOK_SHARE = 0.05


class Rest:
    """Tells for the orders on one running chain. `has_own`: own services work for them."""

    def __init__(self, running: RunningChain, *, has_own: bool) -> None:
        self._running, self._has_own = running, has_own

    def moment_s(self, orders: Collection[LiveOrder]) -> float:
        """How long until these orders, all that are in flight, are worth another look."""
        every_s = self._running.look_every_s
        if not self._running.is_virtual or not orders:
            return every_s
        # Webhooks are repeated for days there, and each look costs the same.
        newest_ns = max(order.begun_ns for order in orders)
        waited_s = (self._running.now_ns() - newest_ns) / 1e9
        return max(every_s, VIRTUAL_LOOK_SHARE * waited_s)

    def is_due(self, order: LiveOrder, is_pending: bool, is_unknown: bool) -> bool:
        """Whether an order is to be judged now."""
        if order.over_ns is None:
            return False
        waited_s = order.waited_s(self._running.now_ns())
        settles_s = self._running.settles_within_s
        if waited_s >= MORE_TIME * settles_s:
            return True
        quiet_s = (self._running.now_ns() - order.active_ns) / 1e9
        if is_pending or quiet_s < self._quiet_s:
            return False
        # What is unknown is only seen, once, as long as a service may settle it.
        is_waiting = order.looks_wrong or (is_unknown and order.was_seen)
        return waited_s >= settles_s or not is_waiting

    def is_over(self, order: LiveOrder, is_pending: bool) -> bool:
        """Whether nothing is to come any more about an order that was judged."""
        waited_s, settles_s = order.waited_s(self._running.now_ns()), self._running.settles_within_s
        return waited_s >= (MORE_TIME * settles_s if is_pending else settles_s)

    def is_read(self, order: LiveOrder, noted: int | None) -> bool:
        """Whether books say all about an order. `noted`: when reading began, None: not of it."""
        if noted is None or noted == order.noted:
            return noted is not None
        return order.waited_s(self._running.now_ns()) >= MOST_TIME * self._running.settles_within_s

    def may_settle(self, order: LiveOrder) -> bool:
        """Whether an own service still has time to do more about an order."""
        has_time = order.waited_s(self._running.now_ns()) < self._running.settles_within_s
        return self._has_own and not self._running.is_virtual and has_time

    def is_busy_with(self, order: LiveOrder, *, at_rest: bool) -> bool:
        """Whether somebody still does something about an order, as far as one can tell."""
        now_ns = self._running.now_ns()
        if order.over_ns is None or now_ns < order.begun_ns + APART_S * 1e9:
            return True
        is_long_over = order.waited_s(now_ns) >= ALONE_S
        return at_rest and self._has_own and not (order.looks_wrong or is_long_over)

    @property
    def _quiet_s(self) -> float:
        if self._running.is_virtual:
            return 0.0  # every record is there at once
        return QUIET_S if self._has_own else FLUSHED_S
