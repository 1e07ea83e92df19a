"""What advice on a run is given by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from paychain.analysis.measures.measures import Break, MoneyRule, ToleranceResult
from paychain.model.chain import Chain
from paychain.model.loading import Loaded
from paychain.model.review import ReviewFinding, remedy_in
from paychain.model.review.remedy import Edit, Remedy

MAX_REMEDIES = 3  # of one finding: more are a list of everything that could be better


@dataclass(frozen=True, kw_only=True)
class Case:
    """What was declared, and what the run injected and found.

    `causes`: the review's findings that the run can show. `crashed`: the links that the experiment
    crashed. `not_of_code`: the rules that it breaks whatever the code of an own service does.
    `breaks`: where payments broke, most of them first. `last_s`: what links still did after the
    load, see `Recovery`. `bounds`: of the limits for the whole run, by measure, times in seconds.
    """

    chain: Loaded[Chain]
    causes: Sequence[ReviewFinding] = ()
    crashed: Collection[str] = ()
    not_of_code: Collection[str] = ()
    breaks: Sequence[Break] = ()
    last_s: Mapping[str, float] = field(default_factory=dict)
    bounds: Mapping[str, float] = field(default_factory=dict)

    def remedy(self, change: Edit, *, of: str, at: str) -> Remedy:
        """A change in the chain's file. `of`: the rule or measure that it is for. `at`: where."""
        return msgspec.structs.replace(remedy_in(self.chain, change), of=of, at=at)


# Both get what was found for it before, and return that with their own; a rule is a broken one.
RuleAdvice = Callable[[MoneyRule, Case, list[Remedy]], list[Remedy]]
MeasureAdvice = Callable[[ToleranceResult, Case], list[Remedy]]


def with_further(found: list[Remedy], further: Sequence[Remedy]) -> list[Remedy]:
    """Remedies with those of other places."""
    known = {remedy.at for remedy in found}
    return [*found, *(remedy for remedy in further if remedy.at not in known)]
