"""Orders of a live search that were judged, and the batches that they came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from paychain.analysis.attribution.observed import ObservedRequest
from paychain.analysis.store.store import RecordedPayment
from paychain.explore.live.outages import LiveOutage
from paychain.explore.live.steps import Place, Steps, size
from paychain.payments.rules import Finding


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One order of a batch. `steps`: its script, empty for a control.

    `broken`: what it breaks, by rule. `met`: places of the steps that met a request. `asked`: how
    often each thing that a step can be at was asked for. `declined_at`: links that decline a share
    of all payments, and have declined it.
    """

    steps: Steps
    payment: str  # the first of the order
    broken: dict[str, Finding]
    met: frozenset[int]
    asked: Mapping[Place, int]
    failed: bool  # a payment of it failed technically
    took_s: float  # how long its customer waited
    requests: Sequence[Sequence[ObservedRequest]] = ()  # of own services, where they are kept
    declined_at: frozenset[str] = frozenset()

    @property
    def tells(self) -> bool:
        """Whether it shows what its script does: it was not declined for a reason of its own."""
        scripted = {step.place[1] for step in self.steps if step.place[0] == "link"}
        return bool(self.broken) or self.declined_at <= scripted


@dataclass(kw_only=True, eq=False)
class Batch:
    """What became of the orders of one batch, and the records of those that broke a rule.

    `number`: how many orders it has. `is_cut`: its chain was stopped while some of them, which were
    judged, had to be judged again. `rate`: payments per second that it began with. `outage`: what
    all of them met beside their scripts. `suspects`: scripts of orders that are not judged yet, and
    the rules that they break unless an own service still settles them, by order.
    """

    number: int
    rate: float
    outage: LiveOutage | None = None
    orders: list[Judged] = field(default_factory=list)
    is_cut: bool = False
    undecided: int = 0  # orders still in progress when waiting ended
    stories: dict[str, tuple[RecordedPayment, ...]] = field(default_factory=dict)  # by order
    suspects: dict[str, tuple[Steps, frozenset[str]]] = field(default_factory=dict)

    @property
    def looks_broken(self) -> set[str]:
        """Rules that its orders break, or do unless an own service still settles them."""
        judged = {rule for order in self.orders for rule in order.broken}
        return judged.union(*(rules for _, rules in self.suspects.values()))

    @property
    def is_whole(self) -> bool:
        """Every order of it was judged."""
        return len(self.orders) == self.number

    def is_decided(self, scripts: Mapping[str, Steps]) -> bool:
        """Whether what is not judged of it can only confirm these scripts, by the rules they broke.

        Anything else that looks wrong may turn out to be so, and be simpler.
        """
        suspects = self.suspects.values()
        is_whole = len(self.orders) + len(suspects) == self.number and not self.is_cut
        return is_whole and all(
            steps in scripts.values()
            and not any(size(steps) < size(scripts[rule]) for rule in broken & scripts.keys())
            for steps, broken in suspects
        )

    @property
    def controls(self) -> list[Judged]:
        """The orders without a script."""
        return [order for order in self.orders if not order.steps]

    @property
    def scripts(self) -> int:
        """How many orders with a script were judged."""
        return len(self.orders) - len(self.controls)

    def breaking(self, rule: str) -> list[Judged]:
        """Orders with a script that break a rule."""
        return [order for order in self.orders if order.steps and rule in order.broken]
