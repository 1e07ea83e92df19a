"""What the engine did and when: every switch and every connection, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, Literal

MAX_EVENTS = 200_000  # kept at once; about 50 MB
MAX_EVENTS_PER_REPLY = 5_000  # writing more at once would stall the engine

Kind = Literal[
    "proxy_created",
    "proxy_enabled",
    "proxy_disabled",
    "proxy_deleted",
    "toxic_added",
    "toxic_updated",
    "toxic_removed",
    "reset",
    "stalls",
    "connected",
    "refused",
    "dial_failed",
    "toxic_hit",
    "closed",
    "unreadable",
]
_FIELDS = ("seq", "at_ns", "kind", "proxy", "connection", "toxic", "detail")


class EventLog:
    """The newest events. What a full log drops is counted, so that a reader knows of the gap.

    `now_ns` is the clock of the events, in nanoseconds; at most `max_events` are kept.
    """

    def __init__(self, now_ns: Callable[[], int], max_events: int = MAX_EVENTS) -> None:
        self._now_ns = now_ns
        self._kept: deque[tuple[Any, ...]] = deque(maxlen=max_events)
        self.last = 0  # number of the newest event

    def add(
        self,
        kind: Kind,
        proxy: str,
        connection: int | None = None,
        toxic: str | None = None,
        detail: str = "",
    ) -> None:
        """Record an event at the current time; `connection`: its number at the proxy."""
        self.last += 1
        self._kept.append((self.last, self._now_ns(), kind, proxy, connection, toxic, detail))

    def stalls(self, from_ns: int, until_ns: int) -> None:
        """Note that the engine did nothing between two times; the detail says for how long."""
        self.add("stalls", "", detail=f"{(until_ns - from_ns) / 1e6:.1f} ms")

    def after(self, seq: int) -> dict[str, Any]:
        """Events after number `seq`, and `next`, the number to pass the next time.

        At most MAX_EVENTS_PER_REPLY at once: repeat with `next` until none come. `dropped` counts
        the events after `seq` that the log no longer has.
        """
        first = self.last - len(self._kept) + 1
        seq = max(seq, 0)
        start = max(seq - first + 1, 0)
        events = [
            dict(zip(_FIELDS, event, strict=True))
            for event in islice(self._kept, start, start + MAX_EVENTS_PER_REPLY)
        ]
        return {
            "next": events[-1]["seq"] if events else seq,
            "dropped": max(0, first - 1 - seq),
            "events": events,
        }
