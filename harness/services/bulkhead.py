"""Bulkhead: so many calls at a time and no more, so that one slow target cannot take all.

Source: domain.md §0.6: one scheme that timed out took down every other within 37 minutes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from harness.model.policy import Bulkhead as Declared


@dataclass(slots=True)
class _Room:
    inside: int = 0
    waiting: deque[asyncio.Future[bool]] = field(default_factory=deque)


class Bulkhead:
    """The places at one target, in one room or in one for each card scheme."""

    def __init__(self, declared: Declared) -> None:
        self._declared = declared
        self._rooms: dict[str, _Room] = {}

    def inside(self, scheme: str) -> int:
        """Calls that have a place now."""
        return self._room(scheme).inside

    async def enter(self, scheme: str) -> bool:
        """Take a place, waiting for one at most as long as declared; False when there is none.

        Whoever entered must leave.
        """
        room = self._room(scheme)
        if room.inside < self._declared.size:
            room.inside += 1
            return True
        if len(room.waiting) >= self._declared.queue:
            return False
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        room.waiting.append(turn)
        timer = loop.call_later(self._declared.wait, _too_late, turn, room)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self.leave(scheme)  # it was given a place it no longer wants
            elif turn in room.waiting:
                room.waiting.remove(turn)
            raise
        finally:
            timer.cancel()

    def leave(self, scheme: str) -> None:
        """Give the place to whoever has waited longest, or leave it free."""
        room = self._room(scheme)
        while room.waiting:
            turn = room.waiting.popleft()
            if not turn.done():
                turn.set_result(True)
                return
        room.inside -= 1

    def _room(self, scheme: str) -> _Room:
        key = scheme if self._declared.per == "scheme" else ""
        room = self._rooms.get(key)
        if room is None:
            room = self._rooms[key] = _Room()
        return room


def _too_late(turn: asyncio.Future[bool], room: _Room) -> None:
    if not turn.done():
        room.waiting.remove(turn)
        turn.set_result(False)
