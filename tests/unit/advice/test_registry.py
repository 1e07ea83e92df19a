"""Advice is registered by names that exist, and only what a run shows is taken for a cause."""

from __future__ import annotations

from paychain.advice.causes import _CONDITIONS
from paychain.advice.code import IN_CODE
from paychain.advice.registry import OF_MEASURES, OF_RULES
from paychain.advice.weaknesses import CAUSES
from paychain.model.finding_kinds import KINDS
from paychain.model.tolerance import Tolerances
from paychain.payments.rules import RULES

MEASURES = frozenset(Tolerances.model_fields)


def test_advice_is_on_rules_and_measures_that_are_judged() -> None:
    assert OF_RULES.keys() <= RULES.keys()
    assert IN_CODE.keys() <= RULES.keys()
    assert OF_MEASURES.keys() <= MEASURES
    assert CAUSES.keys() <= RULES.keys() | MEASURES


def test_causes_are_findings_of_the_review() -> None:
    assert {kind for kinds in CAUSES.values() for kind in kinds} <= KINDS.keys()
    # What a run has to show for a weakness matters only where that can be a cause.
    assert _CONDITIONS.keys() <= {kind for kinds in CAUSES.values() for kind in kinds}
