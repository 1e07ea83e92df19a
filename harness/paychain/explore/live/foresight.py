"""Minimises what looks wrong before it is known that no service settles it.

looks wrong ─> its variants are paid ─ broken when the time to settle is over ─> minimal by then
                                     └ settled: it was for nothing, twice at most for each rule
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from paychain.explore.live.batch import Batches
from paychain.explore.live.chains import Chains
from paychain.explore.live.judged import Batch, Judged
from paychain.explore.live.result import LiveSpec
from paychain.explore.live.steps import Steps, size

MAX_PAYMENTS = 96  # more variants wait until it is known that they are needed
MAX_SETTLED = 2  # times that a service has settled what looked wrong: it will again


class Foresight:
    """What looks wrong, and the batches that minimise it.

    `begin`: how a batch is begun, with so many controls. `variants`: the scripts that minimising
    one begins with.
    """

    def __init__(
        self,
        spec: LiveSpec,
        chains: Chains,
        *,
        begin: Callable[[Sequence[Steps], int], Batch],
        variants: Callable[[Steps], Sequence[Steps]],
    ) -> None:
        self._spec, self._chains, self._begin, self._variants = spec, chains, begin, variants
        self._wrong: dict[str, Steps] = {}  # by rule, until it is known
        self._begun: dict[Steps, tuple[Sequence[Steps], Batch]] = {}
        self._batches: Batches | None = None  # on the chain that all of these are on
        self._settled: Counter[str] = Counter()  # by rule, how often it was for nothing

    def begin(self, is_new: Callable[[str], bool]) -> bool:
        """Begin a batch for something that looks wrong; whether there was any.

        `is_new`: whether it matters that a rule is broken.
        """
        batches = self._chains.now
        if batches is not self._batches:  # what was begun on a chain that has stopped never ends
            self._batches = batches
            self._wrong.clear()
            self._begun.clear()
        for steps, rules in sorted(batches.suspects, key=lambda each: size(each[0])):
            rule = next(
                (rule for rule in sorted(rules) if is_new(rule) and self._may(rule, steps)), None
            )
            if rule is None or not steps:
                continue
            scripts = self._variants(steps)
            room = len(scripts) + self._spec.controls
            if len(scripts) <= MAX_PAYMENTS and self._chains.has_room(room):
                self._wrong[rule] = steps
                self._begun[steps] = scripts, self._begin(scripts, self._spec.controls)
                return True
        return False

    def _may(self, rule: str, steps: Steps) -> bool:
        """What is simpler takes the place of what is minimised already."""
        before = self._wrong.get(rule)
        is_better = before is None or size(steps) < size(before)
        return is_better and self._settled[rule] < MAX_SETTLED

    def note(self, order: Judged) -> None:
        """Note the verdict on an order: the suspicion came true, or a service settled the order."""
        for rule in [rule for rule, steps in self._wrong.items() if steps == order.steps]:
            del self._wrong[rule]
            self._settled[rule] += rule not in order.broken

    def begun(self, scripts: Sequence[Steps]) -> Batch | None:
        """The batch that has begun with these scripts on the chain that runs, if any."""
        tried, batch = self._begun.get(scripts[0], ((), None))
        is_same = self._batches is self._chains.now and list(tried) == list(scripts)
        return batch if is_same else None
