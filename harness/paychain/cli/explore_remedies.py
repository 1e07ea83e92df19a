"""What to change in a chain so that an outage that a search found breaks nothing any more."""

from __future__ import annotations

from pathlib import Path

from paychain.advice.advise import rule_with_remedies
from paychain.advice.case import Case
from paychain.analysis.measures.measures import MoneyRule
from paychain.analysis.money.findings import unknown_calls
from paychain.explore.result import SmallestOutage
from paychain.model.chain import Chain
from paychain.model.loading import Loaded, load_experiment
from paychain.model.review import review
from paychain.model.review.remedy import Remedy
from paychain.payments.rules import RULES


def outage_remedies(outage: SmallestOutage, written: Path, chain: Loaded[Chain]) -> list[Remedy]:
    """The remedies that a run of the outage names. `written`: its experiment file."""
    if outage.rule not in RULES:  # a tolerance, or a run that does not end
        return []
    experiment = load_experiment(str(written), chain.model)
    broken = MoneyRule(
        rule=outage.rule,
        title=outage.title,
        findings=1,
        amount=0,
        payments=[],
        unknown=unknown_calls(outage.stories),
    )
    case = Case(chain=chain, review=review(chain, experiment), experiment=experiment.model)
    return rule_with_remedies(broken, case).remedies
