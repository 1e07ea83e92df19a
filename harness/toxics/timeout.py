"""The toxic `timeout`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from harness.toxics.stage import Direction, Stage
from harness.toxics.toxic import Toxic


class Timeout(Stage):
    """Drops everything; closes after `timeout` ms without a chunk, never when 0."""

    ATTRIBUTES = (("timeout", "int64"),)
    GO_NAME = "TimeoutToxic"

    def __init__(
        self, toxic: Toxic, direction: Direction, chance: Callable[[int], float]
    ) -> None:  # fmt: skip
        super().__init__(toxic, direction, chance)
        self._timer: asyncio.TimerHandle | None = None
        self._arm()

    def _arm(self) -> None:
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
        self._arm()

    def end(self) -> None:
        self.direction.close("ended")

    def updated(self) -> None:
        self._arm()

    def removed(self) -> None:
        """Bytes may be missing: the connection cannot go on."""
        self.direction.close("timeout removed")

    def spared(self) -> None:
        if self._has_hit:
            self.removed()
        else:
            self.stop()
