"""Orders in flight, and how controls are spread among those with a script."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from paychain.explore.live.judged import Batch, Judged
from paychain.explore.live.steps import Steps

SETTLED = 16  # orders by which it is known how long settling takes
RECENT_NS = 10_000_000_000
FEW = 4  # orders say nothing: their scripts may be why they take long


@dataclass(kw_only=True)
class LiveOrder:
    """An order in flight. `over_ns`: when its customer was seen to be done."""

    steps: Steps
    payment: str
    batch: Batch
    begun_ns: int
    active_ns: int  # when something was recorded about it last
    noted: int = 0  # how often something was
    over_ns: int | None = None
    is_unknown: bool = False  # something about it is, since its customer was done
    looks_wrong: bool = False  # it broke a rule when it came to rest first
    was_seen: bool = False  # judged while something about it was unknown: only to suspect it
    judged: Judged | None = None  # when it came to rest; it is watched since
    has_stirred: bool = False  # something was recorded about it since, or it is to be judged again

    @property
    def is_control(self) -> bool:
        """Nothing happens to it that does not happen to others."""
        return not self.steps and self.batch.outage is None

    def waited_s(self, now_ns: int) -> float:
        """Seconds since its customer was done."""
        assert self.over_ns is not None, "its customer is done"
        return (now_ns - self.over_ns) / 1e9


class Settling:
    """How long own services take to settle what is unknown about orders."""

    def __init__(self) -> None:
        self._took: deque[tuple[int, float]] = deque(maxlen=SETTLED)  # when, and seconds
        self._left = 0  # orders that are still to be settled

    def note(self, orders: Iterable[LiveOrder], unknown: Collection[str], now_ns: int) -> None:
        """See which orders have been settled since the last look."""
        self._left = 0
        for order in orders:
            if order.over_ns is None:
                continue
            is_unknown = order.payment in unknown
            self._left += is_unknown
            if order.is_unknown and not is_unknown:
                self._took.append((now_ns, order.waited_s(now_ns)))
            order.is_unknown = is_unknown

    def lag_s(self, now_ns: int) -> float:
        """How long it took of late, from when their customers were done; 0 while few are left."""
        recent = [took_s for at_ns, took_s in self._took if at_ns > now_ns - RECENT_NS]
        return median(recent) if self._left > FEW and len(recent) > FEW else 0.0


def with_controls(scripts: Sequence[Steps], controls: int) -> list[Steps]:
    """The scripts with so many empty ones (`controls`) spread evenly among them."""
    every = max(1, len(scripts) // controls) if controls else 0
    mixed: list[Steps] = []
    for place, steps in enumerate(scripts):
        if every and place % every == 0 and place // every < controls:
            mixed.append(())
        mixed.append(steps)
    mixed += [()] * (controls - mixed.count(()))
    return mixed
