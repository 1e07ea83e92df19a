"""The toxic `bandwidth`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.toxics.stage import Held

KB = 1000
SLICE_S = 0.1  # a slow direction gets its bytes this often


class Bandwidth(Held):
    """At most `rate` kB/s in one direction of one connection; 0 stalls until it is lifted."""

    ATTRIBUTES = (("rate", "int64"),)
    GO_NAME = "BandwidthToxic"
    _free_at = 0.0  # when the last byte so far has gone

    @classmethod
    def wrong(cls, attributes: dict[str, int]) -> str | None:
        return "rate must not be negative" if attributes["rate"] < 0 else None

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
