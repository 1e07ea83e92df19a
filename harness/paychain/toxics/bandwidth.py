"""The toxic `bandwidth`: at most `rate` kilobytes per second (Toxiproxy: toxics/bandwidth.go)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from paychain.toxics.buffered import NEVER, ON_TIME_S, Buffered

KB = 1000  # bytes
SLICE_S = 0.1  # a slow direction gets its bytes this often
AHEAD_S = 0.05  # what leaves in this time is buffered, so that a late timer finds bytes to send
MAX_AHEAD_BYTES = 8 * 1024 * 1024  # of one direction: a high rate must not cost all memory


class Bandwidth(Buffered):
    """At most `rate` kB/s in one direction of one connection; 0 stops it until it is lifted.

    A chunk is cut into slices of a tenth of a second; each is due when the rate allows its last
    byte. Chunks that leave at once, because the rate is above what they need, are no hits.
    """

    ATTRIBUTES = (("rate", "int64"),)
    GO_NAME = "BandwidthToxic"
    _free_at = 0.0  # loop time at which the last byte so far has left

    @classmethod
    def wrong(cls, attributes: dict[str, int]) -> str | None:
        return "rate must not be negative" if attributes["rate"] < 0 else None

    def max_buffered(self) -> int:
        ahead = int(self.attribute("rate") * KB * AHEAD_S)
        return max(self.BUFFER_BYTES, min(ahead, MAX_AHEAD_BYTES))

    def pieces(self, data: bytes, read_at: float) -> Iterable[tuple[float, bytes]]:
        if self.attribute("rate") == 0:
            self.hit(len(data))
            return ((NEVER, data),)
        return self._slices(data)

    def _slices(self, data: bytes) -> Iterator[tuple[float, bytes]]:
        rate = self.attribute("rate") * KB
        slice_bytes = int(rate * SLICE_S)
        at = self.begins_at(self._free_at)
        for start in range(0, len(data), slice_bytes):
            piece = data[start : start + slice_bytes]
            at += len(piece) / rate
            yield at, piece
        self._free_at = at
        # A rate that no byte had to wait for has done nothing.
        if at > self.direction.loop.time() + ON_TIME_S:
            self.hit(len(data))

    def on_updated(self) -> None:
        self._free_at = 0.0
        super().on_updated()
