"""The toxic `reset_peer`: a TCP reset in the midst of it (Toxiproxy: toxics/reset_peer.go)."""

from __future__ import annotations

import asyncio

from paychain.toxics.stage import Stage


class ResetPeer(Stage):
    """Resets the connection `timeout` ms after the first chunk or the end; no byte passes."""

    ATTRIBUTES = (("timeout", "int64"),)
    GO_NAME = "ResetToxic"
    _timer: asyncio.TimerHandle | None = None

    def feed(self, data: bytes, read_at: float) -> None:
        self._schedule(len(data))

    def end(self) -> None:
        self._schedule(0)

    def _schedule(self, size: int) -> None:
        if self._timer is None:
            self.hit(size)
            after_s = max(0, self.attribute("timeout")) / 1000
            self._timer = self.direction.loop.call_later(after_s, self._reset)

    def _reset(self) -> None:
        self.direction.reset("reset_peer")

    def on_removed(self) -> None:
        if self._timer is not None:  # the first chunk was dropped: the stream cannot be whole
            self._reset()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
