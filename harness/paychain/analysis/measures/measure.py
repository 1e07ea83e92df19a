"""What a measure is: a function of a run that is over, which may use other measures.

    @measure("hops")
    def hops(run: MeasuredRun) -> list[HopMeasure]:
        ... run[breaks] ...        another measure, computed once however many use it

The measures that result.json reports are listed in `registry.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from paychain.analysis.store.facts import RunFacts
from paychain.analysis.store.store import RunStore
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment, Times

Value = TypeVar("Value")
Found = TypeVar("Found", covariant=True)


@dataclass(frozen=True, eq=False)
class Measure(Generic[Found]):
    """Something that is measured of a run. The docstring of `compute` says what."""

    name: str
    compute: Callable[[MeasuredRun], Found]


def measure(name: str) -> Callable[[Callable[[MeasuredRun], Value]], Measure[Value]]:
    """Make a measure of a function. One that is reported has the name of its field of `Result`."""

    def named(compute: Callable[[MeasuredRun], Value]) -> Measure[Value]:
        return Measure(name, compute)

    return named


class MeasuredRun:
    """A run that is over: its records, what was declared, its facts, and its measures so far.

    No measure may hold all rows of a run in memory: rows pass by once, or the database adds up.
    """

    def __init__(
        self, store: RunStore, chain: Chain, experiment: Experiment, facts: RunFacts
    ) -> None:
        self.store = store
        self.chain = chain
        self.experiment = experiment
        self.facts = facts
        self._values: dict[Measure[Any], Any] = {}

    def with_values(self, values: Mapping[Measure[Any], Any]) -> MeasuredRun:
        """The same run with these values of some measures; others are computed from them."""
        other = MeasuredRun(self.store, self.chain, self.experiment, self.facts)
        other._values = dict(values)
        return other

    def know(self, measure: Measure[Value], value: Value) -> None:
        """What a measure found, where it was made elsewhere."""
        self._values[measure] = value

    @property
    def times(self) -> Times:
        """When the load and its phases began and ended."""
        return self.facts.times

    @property
    def is_drained(self) -> bool:
        """Whether every request and reversal was final in the end."""
        return self.facts.drained_s is not None

    def __getitem__(self, measure: Measure[Value]) -> Value:
        """What a measure found."""
        if measure not in self._values:
            self._values[measure] = measure.compute(self)
        return cast(Value, self._values[measure])
