"""A schedule whose rate is changed while it runs, by hand."""

from __future__ import annotations

from math import floor


class SteeredSchedule:
    """When payments arrive: the moments that a plan with the same steps would give.

    Times are seconds since the load began, in whole milliseconds, as a file writes them.
    """

    def __init__(self) -> None:
        self.changes: list[tuple[float, float]] = []  # (at second, payments a second)
        self.taken = 0  # payments that have arrived
        self._passed = 0.0  # payments due until the last change

    @property
    def rate(self) -> float:
        """Payments a second from the last change on."""
        return self.changes[-1][1] if self.changes else 0.0

    def change(self, at_s: float, rate: float) -> None:
        """From here on payments arrive at this rate. A change within a millisecond replaces.

        It is never after the moment of a payment that has not arrived: a load that has fallen
        behind must not leave a schedule with payments in it that nobody made.
        """
        at_s, due_s = round(at_s, 3), self.next_s()
        if due_s is not None and due_s < at_s:
            at_s = floor(due_s * 1e3 + 1e-5) / 1e3
        if self.changes and at_s <= self.changes[-1][0]:
            at_s, _ = self.changes.pop()
        elif self.changes:
            since_s, was = self.changes[-1]
            self._passed += was * (at_s - since_s)
        if rate != self.rate or not self.changes:
            self.changes.append((at_s, rate))
            return
        since_s, _ = self.changes[-1]  # back to what it was: nothing has changed
        self._passed -= rate * (at_s - since_s)

    def next_s(self) -> float | None:
        """When the next payment arrives at this rate; None when none does."""
        if self.rate <= 0:
            return None
        since_s, rate = self.changes[-1]
        return since_s + max(0.0, self.taken - self._passed) / rate

    def take(self) -> int:
        """The number of the payment that arrives now."""
        self.taken += 1
        return self.taken - 1
