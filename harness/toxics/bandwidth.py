"""The toxic `bandwidth`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.toxics.stage import Held

KB = 1000
SLICE_S = 0.1  # a slow direction gets its bytes this often
AHEAD_S = 0.05  # as much is held as goes in this time, so that a late timer never finds nothing
MOST_AHEAD_BYTES = 8 * 1024 * 1024


class Bandwidth(Held):
    """At most `rate` kB/s in one direction of one connection; 0 stalls until it is lifted."""

    ATTRIBUTES = (("rate", "int64"),)
    GO_NAME = "BandwidthToxic"
    _free_at = 0.0  # when the last byte so far has gone

    @classmethod
    def wrong(cls, attributes: dict[str, int]) -> str | None:
        return "rate must not be negative" if attributes["rate"] < 0 else None

    def most_held(self) -> int:
        ahead = int(self.attribute("rate") * KB * AHEAD_S)
        return max(self.HOLDS_BYTES, min(ahead, MOST_AHEAD_BYTES))

    def pieces(self, data: bytes, read_at: float) -> Iterable[tuple[float, bytes]]:
        self.hit(len(data))
        if self.attribute("rate") == 0:
            return ((float("inf"), data),)
        return self._slices(data)

    def _slices(self, data: bytes) -> Iterator[tuple[float, bytes]]:
        rate = self.attribute("rate") * KB
        most = int(rate * SLICE_S)
        at = self.begins_at(self._free_at)
        for start in range(0, len(data), most):
            piece = data[start : start + most]
            at += len(piece) / rate
            yield at, piece
        self._free_at = at

    def updated(self) -> None:
        self._free_at = 0.0
        super().updated()
