"""When a link that leaves and comes back is there: drawn, and a function of the clock."""

from __future__ import annotations

from collections.abc import Callable
from math import log1p

from paychain.model.nodes import Churn

Draw = Callable[[str, int], float]


class Presence:
    """One link that is on and off in turn, each for an exponentially distributed time.

    It begins as it is at any moment: on with the declared share. Whether it is on depends on the
    time alone, never on how often it was asked; times are asked for in their order, in nanoseconds
    since the run's epoch.
    """

    def __init__(self, churn: Churn, draw: Draw) -> None:
        """`draw`: a number in [0, 1) for a word and a number."""
        self._churn = churn
        self._draw = draw
        self._number = 0  # of the time that it is in
        self._is_on = draw("on", 0) < churn.on
        self._until_ns = self._lasts_ns()

    def is_on(self, now_ns: int) -> bool:
        """Whether it answers now."""
        while now_ns >= self._until_ns:
            self._number += 1
            self._is_on = not self._is_on
            self._until_ns += self._lasts_ns()
        return self._is_on

    def _lasts_ns(self) -> int:
        mean_s = self._churn.lasts if self._is_on else self._churn.off_lasts
        return max(1, round(-mean_s * log1p(-self._draw("lasts", self._number)) * 1e9))
