"""The toxic `limit_data`: the first `bytes` of a stream pass (Toxiproxy: toxics/limit_data.go)."""

from __future__ import annotations

from paychain.toxics.stage import Stage


class LimitData(Stage):
    """Passes `bytes` bytes, then closes; the count survives an update."""

    ATTRIBUTES = (("bytes", "int64"),)
    GO_NAME = "LimitDataToxic"
    _passed = 0  # bytes

    def feed(self, data: bytes, read_at: float) -> None:
        left = max(0, self.attribute("bytes") - self._passed)
        passing = data[:left]
        self._passed += len(passing)
        if passing:
            self.forward(passing, read_at)
        if len(data) >= left:
            self.hit(len(data))
            self.direction.close("limit_data")
