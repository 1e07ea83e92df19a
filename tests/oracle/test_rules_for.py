"""Which rules may answer for what is wrong in the world: none may hide behind another."""

from __future__ import annotations

import pytest

from tests.oracle.compare import compared
from tests.oracle.rules_for import OF_ANY_AMOUNT, ONLY_BESIDE, RULES_FOR, WITHOUT_MONEY
from tests.oracle.verdict import Wrongs

PAYMENT = "p0000000"


@pytest.mark.parametrize(("wrong", "rule"), sorted(ONLY_BESIDE))
def test_a_rule_about_something_else_answers_only_where_that_is_wrong_too(
    wrong: str, rule: str
) -> None:
    found = {rule: {PAYMENT: 100}}
    alone = [each.what for each in compared(_world(**{wrong: 100}), found)]
    assert alone == [f"invented: {rule}", f"missed: {wrong}"]
    for beside in ONLY_BESIDE[wrong, rule]:
        assert not _missed(_world(**{wrong: 100, beside: 100}), found, wrong)
        # More is wrong than that rule accounts for.
        is_more = _missed(_world(**{wrong: 101, beside: 100}), found, wrong)
        assert is_more != ((wrong, rule) in OF_ANY_AMOUNT)


@pytest.mark.parametrize("rule", sorted(WITHOUT_MONEY))
def test_a_rule_without_money_does_not_answer_for_books_that_differ(rule: str) -> None:
    world = _world(**{"books differ": 100})
    assert _missed(world, {rule: {PAYMENT: 0}}, "books differ")
    assert not _missed(world, {rule: {PAYMENT: 0}, "books_agree": {PAYMENT: 100}}, "books differ")


def _missed(world: Wrongs, found: dict[str, dict[str, int]], wrong: str) -> bool:
    return f"missed: {wrong}" in [each.what for each in compared(world, found)]


def _world(**wrong: int) -> Wrongs:
    return {name: {PAYMENT: wrong[name]} if name in wrong else {} for name in RULES_FOR}
