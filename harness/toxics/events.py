"""What the engine did and when: every switch and every connection, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, Literal

MOST_KEPT = 200_000  # events; about 50 MB
MOST_TOLD = 5_000  # events in one answer: the engine must not stand still to write more

Kind = Literal[
    "proxy_created", "proxy_enabled", "proxy_disabled", "proxy_deleted",
    "toxic_added", "toxic_updated", "toxic_removed", "reset",
    "stood_still",
    "connected", "refused", "dial_failed", "toxic_hit", "closed",
]  # fmt: skip
_FIELDS = ("seq", "at_ns", "kind", "proxy", "connection", "toxic", "detail")


class EventLog:
    """The newest events. What a full log drops is counted, so that a reader knows of the gap."""

    def __init__(self, now_ns: Callable[[], int], most: int = MOST_KEPT) -> None:
        self._now_ns = now_ns
        self._kept: deque[tuple[Any, ...]] = deque(maxlen=most)
        self.last = 0  # number of the newest event

    def add(
        self, kind: Kind, proxy: str, connection: int | None = None, toxic: str | None = None,
        detail: str = "",
    ) -> None:  # fmt: skip
        """Note one event, now."""
        self.last += 1
        self._kept.append((self.last, self._now_ns(), kind, proxy, connection, toxic, detail))

    def stood_still(self, from_ns: int, until_ns: int) -> None:
        """Note that the engine did nothing at all until now; the detail is for how long."""
        self.add("stood_still", "", detail=f"{(until_ns - from_ns) / 1e6:.1f} ms")

    def after(self, seq: int) -> dict[str, Any]:
        """Events that came after number `seq`, and `next`, the number to ask after then.

        At most MOST_TOLD at once: ask again with `next` until none come. `dropped` counts events
        after `seq` that the log no longer has.
        """
        first = self.last - len(self._kept) + 1
        seq = max(seq, 0)
        start = max(seq - first + 1, 0)
        told = [
            dict(zip(_FIELDS, event, strict=True))
            for event in islice(self._kept, start, start + MOST_TOLD)
        ]
        return {
            "next": told[-1]["seq"] if told else seq,
            "dropped": max(0, first - 1 - seq),
            "events": told,
        }
