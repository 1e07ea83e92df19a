"""Bulkhead: a limit of calls at a time, so that one slow target cannot take all.

Source: docs/domain.md §0.6: one scheme that timed out took down every other within 37 minutes.
"""

from __future__ import annotations

import asyncio
from collections import deque

from paychain.model.policy import Bulkhead


class CallSlots:
    """The places for calls at one target, and the calls that wait for one, in order."""

    def __init__(self, declared: Bulkhead) -> None:
        self.inside = 0
        self._declared = declared
        self._waiting: deque[asyncio.Future[bool]] = deque()

    def enter(self) -> bool:
        """Take a place when one is free. A call that entered must leave."""
        if self.inside >= self._declared.size:
            return False
        self.inside += 1
        return True

    async def wait(self) -> bool:
        """Take the place of a call that leaves; False when the queue is full or the wait too long.

        Places are handed over, never freed in between, so that no later call can overtake.
        """
        assert self.inside == self._declared.size  # there is nothing to wait for otherwise
        if len(self._waiting) >= self._declared.queue:
            return False
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(turn)
        timer = loop.call_later(self._declared.wait, self._time_out, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            # Cancelled in the very step in which a place was handed over: pass the place on.
            if turn.done() and not turn.cancelled() and turn.result():
                self.leave()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise
        finally:
            timer.cancel()

    def leave(self) -> None:
        """Hand the place to the call that has waited longest, or free it."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        self.inside -= 1
        assert self.inside >= 0  # each call leaves once

    def _time_out(self, turn: asyncio.Future[bool]) -> None:
        if not turn.done():
            self._waiting.remove(turn)
            turn.set_result(False)


class Compartments:
    """One compartment for all calls to a target, or one for each card scheme."""

    def __init__(self, declared: Bulkhead) -> None:
        self._declared = declared
        self._compartments: dict[str, CallSlots] = {}

    def compartment(self, scheme: str) -> CallSlots:
        """The compartment of a scheme's calls."""
        key = scheme if self._declared.per == "scheme" else ""
        slots = self._compartments.get(key)
        if slots is None:
            slots = self._compartments[key] = CallSlots(self._declared)
        return slots
