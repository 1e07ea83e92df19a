"""What a search found: the smallest outage of each broken rule, and how much was searched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from paychain.analysis.store.store import RecordedPayment
from paychain.explore.checks import RuleBreak
from paychain.explore.minimise import FaultLimits
from paychain.explore.schedules import Schedule
from paychain.payments.journal import FaultSwitch


@dataclass(frozen=True, kw_only=True)
class SmallestOutage:
    """The smallest schedule found that breaks a rule.

    `at_schedule`: how many schedules had been tried when the rule first broke. `with_margin`: the
    schedule for real runs, empty when the search ended before it was looked for.
    """

    rule: str
    title: str
    schedule: Schedule
    interleaving: int  # 0: events in their usual order
    broken: RuleBreak
    limits: tuple[FaultLimits, ...]  # of each fault; empty when the search ended before
    at_schedule: int
    with_margin: Schedule = ()
    stories: tuple[RecordedPayment, ...] = ()  # all payments of the first order that shows it
    switches: tuple[FaultSwitch, ...] = ()  # when its faults were injected and healed


@dataclass
class SearchResult:
    """What a search has done so far. It is filled while the search runs, so that Ctrl-C loses
    nothing."""

    found: dict[str, SmallestOutage] = field(default_factory=dict)  # by rule
    schedules: int = 0
    virtual_s: float = 0.0
    took_s: float = 0.0
    was_interrupted: bool = False
    # What an own service did that virtual time has no room for: the search is over.
    refused: str = ""
    best: str = ""  # the smallest so far of what is being minimised, in words

    @property
    def rate(self) -> float:
        """Schedules per minute."""
        return 60 * self.schedules / self.took_s if self.took_s else 0.0


OnProgress = Callable[[SearchResult], None]
