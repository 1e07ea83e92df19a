"""How fast a search pays, and how large its batches are, as payments without a script show it.

not measured ── BASE payments ──▶ rising ──┬─▶ faster while they take as long as at first
                                           └─▶ slower, and rising no more, when they take longer
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median

from paychain.payments.errors import UserError

MIN_RATE = 2.0  # payments per second: batches are not spaced further
# Payments per second, until it is known what the service can do: as many at most, and so many times
# as many as it does one after the other. A service on a busy machine is not to drown in its first
# batch, and what is broken then to be its load's doing.
FIRST_RATE, AT_FIRST = 12.0, 1.5
BATCH_S = 8.0  # a batch takes about as long at most: the rate holds for all of it
RISING_S = 2.0  # the same until it is known what the service can do: each may be faster
MIN_SCRIPTS = 8  # of a batch
MIN_BASE_S = 0.001
BASE = 8  # payments without failures: how long one takes, and what it requests
# Payments without a script by which the rate is set: half of those of a batch, so that the next one
# may be faster.
WINDOW = 4
SLOWED = 3.0  # times as long as at first: the service has more than it can do
SLOWED_S = 0.3  # and so much longer: what takes milliseconds varies by more
FASTER, SLOWER = 1.5, 0.6  # times the rate
UNANSWERED = 0.95  # of the deadline: who began a little late waits no longer


class Pace:
    """The rate of a search, in payments per second.

    `at_most`: the rate that is wanted. `batch`: the most scripts at once. `deadline_s`: how long a
    customer waits for an answer.
    """

    def __init__(self, at_most: float, batch: int, deadline_s: float) -> None:
        self.rate = min(FIRST_RATE, at_most)
        self._limit = at_most  # of the rate, once payments without a script have failed
        self._batch, self._deadline_s = batch, deadline_s
        self._is_rising = True  # the rate: the service has kept up with it so far
        self._base_s: float | None = None  # what a payment takes where nothing else happens
        self._took_s: deque[float] = deque()

    @property
    def is_measured(self) -> bool:
        """Whether it is known what a payment takes where nothing else happens."""
        return self._base_s is not None

    @property
    def slow_s(self) -> float:
        """What payments without a script take when the service has more than it can do."""
        if self._base_s is None:
            return math.inf
        return max(SLOWED * self._base_s, self._base_s + SLOWED_S)

    @property
    def scripts_at_once(self) -> int:
        """How many scripts a batch may have: a slow service gets smaller ones."""
        lasts_s = RISING_S if self._is_rising else BATCH_S
        return min(self._batch, max(MIN_SCRIPTS, int(lasts_s * self.rate)))

    def note_paid(self, took_s: float, rate: float) -> None:
        """Pay faster while payments without a script take as long as at first, else slower.

        `rate`: of the batch of the payment. Raises UserError when payments get no answer although
        nothing fails.
        """
        if self._base_s is not None and rate != self.rate:
            return  # it says nothing about the rate now
        self._took_s.append(took_s)
        if len(self._took_s) < (BASE if self._base_s is None else WINDOW):
            return
        now_s = median(self._took_s)
        self._took_s.clear()
        if self._base_s is None:
            self._check_answers(now_s)
            self._base_s = now_s
            self.rate = max(MIN_RATE, min(self.rate, AT_FIRST / max(now_s, MIN_BASE_S)))
        elif now_s > self.slow_s:
            self._is_rising = False
            self.rate = max(MIN_RATE, SLOWER * self.rate)
        else:
            self.rate = min(self._limit, FASTER * self.rate)

    def _check_answers(self, took_s: float) -> None:
        if took_s >= UNANSWERED * self._deadline_s:
            what = (
                "most payments without a script got no answer within "
                f"{self._deadline_s:g} s (deadline)"
            )
            hint = "see how one goes with paychain up, or search on a machine that is less busy"
            raise UserError(what, hint=hint)

    def space(self) -> bool:
        """Pay half as fast, and never faster than that again; False where that is too slow."""
        if self.rate <= MIN_RATE:
            return False
        self._is_rising = False
        self.rate = self._limit = max(MIN_RATE, self.rate / 2)
        return True
