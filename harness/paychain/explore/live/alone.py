"""Scripts that were followed alone, on a chain that was started afresh, and what came of it.

one customer after another ─> all break the rule
                           └> not all: once more, each when the order of the last one is at rest

A payment that is declined for a reason of its own shows nothing: another one follows the script.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from paychain.explore.live.chains import Chains
from paychain.explore.live.judged import Batch, Judged
from paychain.explore.live.result import REPRODUCTIONS
from paychain.explore.live.steps import Steps

_ROUNDS = (False, True)  # whether each waits until the order of the last one is at rest
MAX_IN_PLACE = 2  # times that others pay in the place of those that showed nothing


class Alone:
    """What was followed alone. `on_alone` gets each batch; `is_late`: no time is left for any."""

    def __init__(
        self, chains: Chains, *, on_alone: Callable[[Batch], None], is_late: Callable[[], bool]
    ) -> None:
        self._chains, self._on_alone, self._is_late = chains, on_alone, is_late
        self._tried: defaultdict[Steps, list[Batch]] = defaultdict(list)
        self._rounds: Counter[Steps] = Counter()

    def follow(self, steps: Steps, rule: str) -> None:
        """Let fresh payments follow a script; as many again where not all of them break the rule.

        One script may break several rules: it is followed once for all of them.
        """
        for number, at_rest in enumerate(_ROUNDS):
            if self._is_late() or self._rounds[steps] > number or self.is_sure(steps, rule):
                continue
            self._rounds[steps] += 1
            self._chains.start_afresh()
            self._pay(steps, at_rest=at_rest)

    def _pay(self, steps: Steps, *, at_rest: bool) -> None:
        missing = REPRODUCTIONS
        for _ in range(1 + MAX_IN_PLACE):
            batch = self._chains.now.run_alone(steps, missing, at_rest=at_rest)
            self._tried[steps].append(batch)
            self._on_alone(batch)
            missing -= sum(order.tells for order in batch.orders)
            if not missing or self._is_late():
                return

    def number(self, steps: Steps) -> int:
        """How many payments have followed a script, without those declined by a declared share."""
        return sum(order.tells for batch in self._tried[steps] for order in batch.orders)

    def in_vain(self, steps: Steps) -> int:
        """How many have followed it of which each was declined, when no others are to pay."""
        if self.number(steps) or self._rounds[steps] < len(_ROUNDS):
            return 0
        return sum(len(batch.orders) for batch in self._tried[steps])

    def breaking(self, steps: Steps, rule: str) -> list[tuple[Judged, Batch]]:
        """Those of them that broke a rule."""
        return [
            (order, batch)
            for batch in self._tried[steps]
            for order in batch.orders
            if rule in order.broken
        ]

    def is_sure(self, steps: Steps, rule: str) -> bool:
        """Whether payments have followed it, and all of them broke the rule."""
        return 0 < self.number(steps) == len(self.breaking(steps, rule))
