"""The timeline of a recording: the rates and faults of a run by hand, in seconds since its load."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

MAX_FAULTS = 1_000  # in one file: the limit of the model
Step = tuple[float, float]  # second from which a rate applies, payments per second


@dataclass(frozen=True)
class FaultWindow:
    """When a fault was on, in seconds since the load began."""

    fault: dict[str, Any]  # as an experiment declares it, without times
    from_s: float
    until_s: float | None = None  # None: it is still on


@dataclass
class FaultTimeline:
    """The rates and faults since the load began. Times are seconds since then."""

    rates: list[Step] = field(default_factory=list)
    faults: dict[str, FaultWindow] = field(default_factory=dict)  # by id, in order of injection

    def inject(self, fault_id: str, fault: dict[str, Any], at_s: float) -> None:
        """A fault took effect. Before the load began it counts from the start of the load."""
        self.faults[fault_id] = FaultWindow(fault, round(max(0.0, at_s), 3))

    def heal(self, fault_id: str, at_s: float) -> None:
        """A fault was healed. If that was before the load began, it is not part of the timeline."""
        window = self.faults.pop(fault_id)
        if at_s > 0:
            # A fault of no duration would be invalid in a file.
            until_s = max(round(at_s, 3), window.from_s + 0.001)
            self.faults[fault_id] = replace(window, until_s=until_s)

    @property
    def is_full(self) -> bool:
        """No further fault fits into one file."""
        return len(self.faults) >= MAX_FAULTS

    def end_s(self, now_s: float) -> float:
        """The end: the last payment or the last heal. Idle time after that is omitted."""
        if any(window.until_s is None for window in self.faults.values()) or not self.rates:
            return now_s
        last_s, rate = self.rates[-1]
        ends = [window.until_s or 0.0 for window in self.faults.values()]
        return max([last_s if rate == 0 else now_s, *ends])
