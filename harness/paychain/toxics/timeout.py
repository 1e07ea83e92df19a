"""The toxic `timeout`: no byte passes (Toxiproxy: toxics/timeout.go)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from paychain.toxics.stage import Direction, Stage
from paychain.toxics.toxic import Toxic


class Timeout(Stage):
    """Drops every byte; closes after `timeout` ms without a chunk, never when that is 0."""

    ATTRIBUTES = (("timeout", "int64"),)
    GO_NAME = "TimeoutToxic"

    def __init__(self, toxic: Toxic, direction: Direction, chance: Callable[[int], float]) -> None:
        super().__init__(toxic, direction, chance)
        self._timer: asyncio.TimerHandle | None = None
        self._restart_timer()

    def _restart_timer(self) -> None:
        self.stop()
        if self.attribute("timeout") > 0:
            after_s = self.attribute("timeout") / 1000
            self._timer = self.direction.loop.call_later(after_s, self._expire)

    def _expire(self) -> None:
        self.hit()
        self.direction.close("timeout")

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def feed(self, data: bytes, read_at: float) -> None:
        self.hit(len(data))
        self._restart_timer()

    def end(self) -> None:
        self.direction.close("ended")

    def on_updated(self) -> None:
        self._restart_timer()

    def on_removed(self) -> None:
        """Close: bytes may be missing, so the connection cannot go on."""
        self.direction.close("timeout removed")

    def on_excluded(self) -> None:
        # A connection of which nothing was dropped is whole and lives on.
        if self._has_hit:
            self.on_removed()
        else:
            self.stop()
