"""What a link can carry: requests worked on at once, requests waiting; the rest is refused.

    request ─▶ place free ─▶ work ─▶ leave ─▶ the longest waiting request gets the place
        └─▶ queue ─▶ (waits its turn)
              └─ full ─▶ refused before any work

A request keeps its place until its work is done, whether its caller still waits for it or not: a
link does not know. That is how an overload outlives its cause when callers retry.
"""

from __future__ import annotations

import asyncio
from collections import deque

from paychain.model.lifecycle import Capacity


class AdmissionQueue:
    """The places and the queue of one link. Law: nobody waits while a place is free."""

    def __init__(self, declared: Capacity) -> None:
        self._free = declared.concurrency
        self._max_waiting = declared.queue
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> bool:
        """Take a place, maybe after a wait; False at once when the queue is full."""
        assert not (self._free and self._waiting), "somebody waits while a place is free"
        if self._free:
            self._free -= 1
            return True
        if len(self._waiting) >= self._max_waiting:
            return False
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # The link dies. A place that was handed over at the same moment goes to the next.
            if turn.done() and not turn.cancelled():
                self.leave()
            # Somebody who left before has taken it out of the queue already.
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise
        return True

    def leave(self) -> None:
        """Give the place back: to the request that has waited longest, if any does."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
