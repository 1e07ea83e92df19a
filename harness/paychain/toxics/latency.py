"""The toxic `latency`: every chunk is late (Toxiproxy: toxics/latency.go)."""

from __future__ import annotations

from collections.abc import Iterable

from paychain.toxics.buffered import Buffered

MAX_MS = 2**53  # Toxiproxy crashes on more jitter, and treats more latency as none


class Latency(Buffered):
    """Every chunk is late by `latency` ± `jitter` ms; the order is kept, the end is not late.

    A chunk is one piece, due so long after it was read; one behind it never overtakes it.
    """

    ATTRIBUTES = (("latency", "int64"), ("jitter", "int64"))
    GO_NAME = "LatencyToxic"
    BUFFER_BYTES = 1024 * 32_768  # as much as Toxiproxy's: latency must not limit the bandwidth
    _chunks = 0

    @classmethod
    def wrong(cls, attributes: dict[str, int]) -> str | None:
        for name, value in attributes.items():
            if abs(value) > MAX_MS:
                return f"{name} must be within ±2^53 ms"
        return None

    def pieces(self, data: bytes, read_at: float) -> Iterable[tuple[float, bytes]]:
        delay_ms = float(self.attribute("latency"))
        jitter_ms = self.attribute("jitter")
        if jitter_ms > 0:
            self._chunks += 1
            delay_ms += jitter_ms * (2 * self.chance(self._chunks) - 1)
        if delay_ms > 0:
            self.hit(len(data))
        due = read_at + delay_ms / 1000
        # The chunk leaves later than it was read: the next stage counts from there, so that two
        # latencies in series add up.
        self._read_at = max(due, self._read_at)
        return ((due, data),)
