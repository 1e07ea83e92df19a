"""Orders in flight, and how controls are spread among those with a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paychain.explore.live.judged import Batch, Judged
from paychain.explore.live.steps import Steps


@dataclass(kw_only=True)
class Order:
    """An order in flight. `over_ns`: when its customer was seen to be done."""

    steps: Steps
    payment: str
    batch: Batch
    begun_ns: int
    active_ns: int  # when something was recorded about it last
    over_ns: int | None = None
    looks_wrong: bool = False  # it broke a rule when it came to rest first
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


def with_controls(scripts: Sequence[Steps], controls: int) -> list[Steps]:
    """The scripts with empty ones spread evenly among them."""
    every = max(1, len(scripts) // controls) if controls else 0
    mixed: list[Steps] = []
    for place, steps in enumerate(scripts):
        if every and place % every == 0 and place // every < controls:
            mixed.append(())
        mixed.append(steps)
    mixed += [()] * (controls - mixed.count(()))
    return mixed
