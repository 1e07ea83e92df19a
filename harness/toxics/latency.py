"""The toxic `latency`."""

from __future__ import annotations

from collections.abc import Iterable

from harness.toxics.stage import Held

LONGEST_MS = 2**53  # the original crashes on more jitter, and takes more latency for none


class Latency(Held):
    """Every chunk is late by latency ± jitter milliseconds; order is kept, the end is not late."""

    ATTRIBUTES = (("latency", "int64"), ("jitter", "int64"))
    GO_NAME = "LatencyToxic"
    HOLDS_BYTES = 1024 * 32_768  # as much as the original: latency must not limit the bandwidth
    _chunks = 0

    @classmethod
    def wrong(cls, attributes: dict[str, int]) -> str | None:
        for name, value in attributes.items():
            if abs(value) > LONGEST_MS:
                return f"{name} must be within ±2^53 ms"
        return None

    def pieces(self, data: bytes, read_at: float) -> Iterable[tuple[float, bytes]]:
        delay_ms = float(self.attribute("latency"))
        jitter_ms = self.attribute("jitter")
        if jitter_ms > 0:
            self._chunks += 1
            delay_ms += jitter_ms * (2 * self.chance(self._chunks) - 1)
        self.hit(len(data))
        due = read_at + delay_ms / 1000
        # The original moves a chunk's clock on, so that two latencies in series add up.
        self._read_at = max(due, self._read_at)
        return ((due, data),)
