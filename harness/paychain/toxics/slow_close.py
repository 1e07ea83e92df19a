"""The toxic `slow_close`: the end is late (Toxiproxy: toxics/slow_close.go)."""

from __future__ import annotations

from collections.abc import Iterable

from paychain.toxics.buffered import Buffered


class SlowClose(Buffered):
    """Bytes pass at once; the end of the stream is late by `delay` milliseconds."""

    ATTRIBUTES = (("delay", "int64"),)
    GO_NAME = "SlowCloseToxic"

    def pieces(self, data: bytes, read_at: float) -> Iterable[tuple[float, bytes]]:
        return ((0.0, data),)

    def end_due(self) -> float:
        if self.attribute("delay") > 0:
            self.hit()
        return self.direction.loop.time() + self.attribute("delay") / 1000
