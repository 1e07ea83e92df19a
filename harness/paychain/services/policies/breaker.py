"""Circuit breaker: stop calling a target that fails technically or is slow, probe it later."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum

from paychain.model.policy import Breaker


class BreakerState(StrEnum):
    """Closed lets calls pass, open refuses them, half-open admits a few probes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


_CLOSED = BreakerState.CLOSED  # looked up once: an enum's member costs as much as a call


class CircuitBreaker:
    """One breaker. `now` is in seconds; `on_change` is called with each new state and its reason.

        CLOSED ── too many failures ──▶ OPEN ── open_for ──▶ HALF_OPEN ── probes worked ──▶ CLOSED
                                          ◀── a probe failed ───┘

    Each admitted call holds a ticket until it returns it with its result. A ticket of an earlier
    state counts for nothing: a late answer from before the breaker opened neither opens nor closes
    it, and takes no probe's place.
    """

    def __init__(
        self,
        declared: Breaker,
        now: Callable[[], float],
        on_change: Callable[[BreakerState, str], None],
    ) -> None:
        self.state = BreakerState.CLOSED
        self.times_calls = declared.slow_after is not None  # record wants to know how long
        self._declared = declared
        self._now = now
        self._on_change = on_change
        self._term = 0  # counts the states it was in
        self._results: deque[tuple[float, bool, bool]] = deque()  # (when, failed, slow)
        self._failures = self._slow = self._in_a_row = 0
        self._opened_at = 0.0
        self._probes = self._probes_good = 0

    @property
    def refuses(self) -> bool:
        """Whether a call would be refused now; asking changes nothing."""
        if self.state is BreakerState.HALF_OPEN:
            return self._probes >= self._declared.probes
        return self.state is BreakerState.OPEN and self._open_for() < self._declared.open_for

    def admit(self) -> int | None:
        """A ticket for one call that is sent now, None when it is refused."""
        if self.state is _CLOSED:
            return self._term
        if self.refuses:
            return None
        # Open for long enough: this call is the first probe.
        if self.state is BreakerState.OPEN:
            self._change(BreakerState.HALF_OPEN, f"after {self._declared.open_for:g} s")
        self._probes += 1
        assert self._probes <= self._declared.probes  # `refuses` was asked in the same step
        return self._term

    def record(self, ticket: int, *, failed: bool, took_s: float = 0.0) -> None:
        """The result of an admitted call: `failed` for technical reasons only."""
        # The state has changed since the call was admitted: its result says nothing about now.
        if ticket != self._term:
            return
        is_slow = self.times_calls and took_s >= (self._declared.slow_after or 0.0)
        if self.state is _CLOSED:
            self._record_call(failed, is_slow)
        else:
            self._record_probe(failed, is_slow)

    def withdraw(self, ticket: int) -> None:
        """Give back the ticket of a call that ended without a result."""
        if ticket == self._term and self.state is BreakerState.HALF_OPEN:
            self._probes -= 1
            assert self._probes >= self._probes_good >= 0  # a probe with a result has no ticket

    def _record_call(self, failed: bool, is_slow: bool) -> None:
        now, results = self._now(), self._results
        results.append((now, failed, is_slow))
        # A closed breaker judges the calls of its window only: what is older is taken out again.
        while results[0][0] <= now - self._declared.window:
            _, was_failed, was_slow = results.popleft()
            self._failures -= was_failed
            self._slow -= was_slow
        # Only a bad call can open the breaker; a good one ends the row of failures.
        if failed or is_slow:
            self._failures += failed
            self._slow += is_slow
            assert 0 <= self._failures <= len(results)
            self._in_a_row = self._in_a_row + 1 if failed else 0
            self._open_if_due(failed, is_slow)
        else:
            self._in_a_row = 0

    def _open_if_due(self, failed: bool, is_slow: bool) -> None:
        declared, calls = self._declared, len(self._results)
        if declared.consecutive is not None and self._in_a_row >= declared.consecutive:
            self._open(f"{self._in_a_row} calls in a row failed")
        elif calls < declared.minimum_calls:
            return
        elif failed and self._failures >= declared.failure_rate * calls:
            self._open(f"{self._failures} of {calls} calls failed")
        elif is_slow and self._slow >= declared.slow_rate * calls:
            self._open(f"{self._slow} of {calls} calls took {declared.slow_after:g} s or longer")

    def _record_probe(self, failed: bool, is_slow: bool) -> None:
        # One bad probe is enough: the target is not well yet.
        if failed or is_slow:
            self._open("a probe failed" if failed else "a probe was slow")
            return
        self._probes_good += 1
        if self._probes_good >= self._declared.probes:
            self._change(BreakerState.CLOSED, f"{self._probes_good} probes succeeded")

    def _open(self, reason: str) -> None:
        self._opened_at = self._now()
        self._change(BreakerState.OPEN, reason)

    def _open_for(self) -> float:
        return self._now() - self._opened_at

    def _change(self, state: BreakerState, reason: str) -> None:
        self.state = state
        self._term += 1
        self._results.clear()
        self._failures = self._slow = self._in_a_row = 0
        self._probes = self._probes_good = 0
        self._on_change(state, reason)
