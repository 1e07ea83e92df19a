"""The toxic `reset_peer`."""

from __future__ import annotations

import asyncio

from harness.toxics.stage import Stage


class ResetPeer(Stage):
    """Resets the connection `timeout` ms after the first chunk, which is dropped, or the end."""

    ATTRIBUTES = (("timeout", "int64"),)
    GO_NAME = "ResetToxic"
    _timer: asyncio.TimerHandle | None = None

    def feed(self, data: bytes, read_at: float) -> None:
        self._start(len(data))

    def end(self) -> None:
        self._start(0)

    def _start(self, size: int) -> None:
        if self._timer is None:
            self.hit(size)
            after_s = max(0, self.attribute("timeout")) / 1000
            self._timer = self.direction.loop.call_later(after_s, self._strike)

    def _strike(self) -> None:
        self.direction.reset("reset_peer")

    def removed(self) -> None:
        if self._timer is not None:  # its first chunk is gone: it cannot be whole any more
            self._strike()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
