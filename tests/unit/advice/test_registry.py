"""Advice is registered by names that exist, and only what a run shows is taken for a cause."""

from __future__ import annotations

import pytest

from paychain.advice import registry
from paychain.advice.causes import _CONDITIONS
from paychain.advice.code import IN_CODE
from paychain.advice.queues import without_queues
from paychain.advice.registry import OF_MEASURES, OF_RULES, advice_on
from paychain.advice.weaknesses import CAUSES
from paychain.model.finding_kinds import KINDS
from paychain.model.tolerance import Tolerances
from paychain.payments.rules import RULES

MEASURES = frozenset(Tolerances.model_fields)


def test_advice_is_on_rules_and_measures_that_are_judged() -> None:
    assert {rule for _, rules in OF_RULES for rule in rules} <= RULES.keys()
    assert IN_CODE.keys() <= RULES.keys()
    assert OF_MEASURES.keys() <= MEASURES
    assert CAUSES.keys() <= RULES.keys() | MEASURES


def test_causes_are_findings_of_the_review() -> None:
    assert {kind for kinds in CAUSES.values() for kind in kinds} <= KINDS.keys()
    # What a run has to show for a weakness matters only where that can be a cause.
    assert _CONDITIONS.keys() <= {kind for kinds in CAUSES.values() for kind in kinds}


def test_further_advice_on_a_rule_leaves_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for rule in ("no_orphaned_authorisation", "books_agree"):
        before = advice_on(rule)
        with monkeypatch.context() as patch:
            patch.setattr(registry, "OF_RULES", (*OF_RULES, (without_queues, (rule,))))
            assert advice_on(rule) == [*before, without_queues]
