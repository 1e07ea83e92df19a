"""The toxic `slicer`: chunks become small packets (Toxiproxy: toxics/slicer.go)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from paychain.toxics.buffered import ON_TIME_S, Buffered


class Slicer(Buffered):
    """Chunks are cut into slices of about `average_size` bytes, `delay` microseconds apart.

    `size_variation`: by how many bytes a slice may be larger or smaller.
    """

    ATTRIBUTES = (("average_size", "int"), ("size_variation", "int"), ("delay", "int"))
    GO_NAME = "SlicerToxic"
    YIELDS_BETWEEN_PIECES = True
    _cuts = 0  # drawn so far
    _free_at = 0.0  # loop time at which the delay after the last slice is over

    @classmethod
    def wrong(cls, attributes: dict[str, int]) -> str | None:
        """Toxiproxy recurses without end on these and dies."""
        if attributes["average_size"] < 1:
            return "average_size must be at least 1"
        if not 0 <= attributes["size_variation"] < attributes["average_size"]:
            return "size_variation must be at least 0 and less than average_size"
        return None

    def pieces(self, data: bytes, read_at: float) -> Iterable[tuple[float, bytes]]:
        delay_s = max(0, self.attribute("delay")) / 1e6
        at = self.begins_at(self._free_at)
        slices = list(self._slices(len(data)))
        # A chunk that is small enough and need not wait is not touched.
        if len(slices) > 1 or at > self.direction.loop.time() + ON_TIME_S:
            self.hit(len(data))
        for start, end in slices:
            yield at, data[start:end]
            at += delay_s
        self._free_at = at

    def _slices(self, size: int) -> Iterator[tuple[int, int]]:
        """Halve until a part is within average + variation; each cut varies by the variation.

        The parts are walked from left to right on a stack of (start, end).
        """
        variation = self.attribute("size_variation")
        max_size = self.attribute("average_size") + variation
        parts = [(0, size)]
        while parts:
            start, end = parts.pop()
            if end - start <= max_size:
                yield start, end
                continue
            middle = start + (end - start) // 2
            if variation > 0:
                self._cuts += 1
                middle += int(self.chance(self._cuts) * 2 * variation) - variation
            parts += ((middle, end), (start, middle))

    def on_updated(self) -> None:
        self._free_at = 0.0
        super().on_updated()
