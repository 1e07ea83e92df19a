"""Circuit breaker: stop calling a target that fails technically, probe it after a while."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum

from harness.model.policy import Breaker as Declared


class State(StrEnum):
    """Closed lets calls pass, open refuses them, half-open admits a few probes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """One breaker. `now` is in seconds; `on_change` hears every change of state with its reason."""

    def __init__(
        self,
        declared: Declared,
        now: Callable[[], float],
        on_change: Callable[[State, str], None],
    ) -> None:
        self.state = State.CLOSED
        self._declared = declared
        self._now = now
        self._on_change = on_change
        self._results: deque[tuple[float, bool]] = deque()  # (when, failed) inside the window
        self._failures = 0
        self._opened_at = 0.0
        self._probes_out = 0
        self._probes_good = 0

    def admits(self) -> bool:
        """Whether a call may be sent now; a call that is admitted must be recorded afterwards."""
        if self.state is State.OPEN and self._now() - self._opened_at >= self._declared.open_for:
            self._probes_out = self._probes_good = 0
            self._change(State.HALF_OPEN, f"after {self._declared.open_for:g} s")
        if self.state is State.OPEN:
            return False
        if self.state is State.HALF_OPEN:
            if self._probes_out + self._probes_good >= self._declared.probes:
                return False
            self._probes_out += 1
        return True

    def record(self, *, failed: bool) -> None:
        """The result of an admitted call: `failed` for technical reasons only."""
        match self.state:
            case State.CLOSED:
                self._record_closed(failed=failed)
            case State.HALF_OPEN:
                self._record_probe(failed=failed)
            case State.OPEN:  # a call admitted before it opened
                pass

    def _record_closed(self, *, failed: bool) -> None:
        now = self._now()
        self._results.append((now, failed))
        self._failures += failed
        while self._results[0][0] <= now - self._declared.window:
            self._failures -= self._results.popleft()[1]
        calls = len(self._results)
        if (
            failed
            and calls >= self._declared.minimum_calls
            and self._failures >= self._declared.failure_rate * calls
        ):
            self._open(f"{self._failures} of {calls} calls failed")

    def _record_probe(self, *, failed: bool) -> None:
        # A late result of a call from before it opened may arrive here: it counts as a probe's.
        self._probes_out = max(0, self._probes_out - 1)
        if failed:
            self._open("a probe failed")
            return
        self._probes_good += 1
        if self._probes_good >= self._declared.probes:
            self._results.clear()
            self._failures = 0
            self._change(State.CLOSED, f"{self._probes_good} probes succeeded")

    def _open(self, reason: str) -> None:
        self._opened_at = self._now()
        self._change(State.OPEN, reason)

    def _change(self, state: State, reason: str) -> None:
        self.state = state
        self._on_change(state, reason)
