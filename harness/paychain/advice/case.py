"""What advice on a run is based on."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from paychain.advice.causes import possible_causes
from paychain.advice.injected import Injected
from paychain.analysis.measures.measures import Break, MoneyRule, ToleranceResult
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.loading import Loaded
from paychain.model.review import ReviewFinding, remedy_in
from paychain.model.review.remedy import Edit, Remedy
from paychain.model.tolerance import Limit

MAX_REMEDIES = 3  # of one finding: more are a list of everything that could be better


@dataclass(frozen=True, kw_only=True)
class Case:
    """What was declared, and what a run of it found; what follows from both.

    `experiment` is None where no experiment was run: then every finding of the review may be a
    cause. `given_up`: the calls whose queues gave up something. `used`: by kind of fallback, the
    calls that used it; None where that is not known. `breaks`: where payments broke, most of them
    first. `last_s`: what links still did after the load, see `Recovery`.
    """

    chain: Loaded[Chain]
    review: Sequence[ReviewFinding] = ()
    experiment: Experiment | None = None
    given_up: Collection[str] = ()
    used: Mapping[str, Collection[str]] | None = None
    breaks: Sequence[Break] = ()
    last_s: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def _injected(self) -> Injected | None:
        experiment = self.experiment
        return Injected(self.chain.model, experiment) if experiment is not None else None

    @cached_property
    def causes(self) -> list[ReviewFinding]:
        """The review's findings that the run can show."""
        if self._injected is None:
            return list(self.review)
        return possible_causes(self.review, self._injected, self.given_up, self.used)

    @property
    def crashed(self) -> frozenset[str]:
        """The links that were crashed so that they lost what they had in memory."""
        return self._injected.crashed if self._injected is not None else frozenset()

    @property
    def not_of_code(self) -> frozenset[str]:
        """The money rules that the faults break whatever the code of an own service does."""
        return self._injected.falsely_approved if self._injected is not None else frozenset()

    def bound(self, measure: str) -> float:
        """The number of a limit for the whole run, a time in seconds; infinite: there is none."""
        tolerances = self.experiment.tolerances if self.experiment is not None else None
        limit = getattr(tolerances, measure, None)
        return limit.bound if isinstance(limit, Limit) else math.inf

    def remedy(self, change: Edit, *, of: str, at: str) -> Remedy:
        """A change in the chain's file. `of`: the rule or measure that it is for. `at`: where."""
        return msgspec.structs.replace(remedy_in(self.chain, change), of=of, at=at)


# On a broken rule: gets the remedies found so far, and returns them with its own. Where there is no
# room for all, it may leave some of them out.
RuleAdvice = Callable[[MoneyRule, Case, list[Remedy]], list[Remedy]]
# On a broken limit for which no remedy was found before.
MeasureAdvice = Callable[[ToleranceResult, Case], list[Remedy]]


def with_further(found: list[Remedy], further: Sequence[Remedy]) -> list[Remedy]:
    """Remedies with further ones, except where there is one for the place already."""
    known = {remedy.at for remedy in found}
    return [*found, *(remedy for remedy in further if remedy.at not in known)]
