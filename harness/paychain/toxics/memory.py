"""How many bytes an engine holds back over all connections, for which nobody reads yet.

    stages (latency, bandwidth, …) ──┐
    sockets whose peer does not read ─┴─> held ──> above MAX_HELD_BYTES: small buffers only

Each direction may hold much (a latency must not limit the bandwidth), so a few hundred stalled
readers of fast sources would take gigabytes. Above the limit each direction is read only up to
SMALL_BYTES: payments go on, bulk waits.
"""

from __future__ import annotations

MAX_HELD_BYTES = 256 * 1_048_576  # of one engine
SMALL_BYTES = 65_536  # that a direction may hold even then: a payment's message is one chunk


class HeldBytes:
    """The bytes that one engine holds back. Always true: never below zero."""

    def __init__(self, limit: int = MAX_HELD_BYTES) -> None:
        self.bytes = 0
        self._limit = limit

    def add(self, size: int) -> None:
        """Count `size` bytes that came, or that left when it is negative."""
        self.bytes += size
        assert self.bytes >= 0, "only what came in can go out"

    def allowed(self, wanted: int) -> int:
        """How many bytes a direction that wants to hold `wanted` may hold now."""
        return wanted if self.bytes < self._limit else min(wanted, SMALL_BYTES)
