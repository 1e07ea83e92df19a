"""On generated chains and faults the money rules name what is wrong in the world, and no more.

`python -m bench oracle --pair N --shrink` shows a pair that fails here, as small as it gets.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given

from paychain.simulation.guard import guards_installed
from tests.oracle.compare import differences
from tests.oracle.pairs import Pair, pairs, run_numbered, run_pair
from tests.support.laws import examples


def test_rules_and_world_agree_on_numbered_pairs() -> None:
    _check(range(10))


@pytest.mark.slow
@pytest.mark.long(5)
@pytest.mark.parametrize("first", range(25, 2_025, 50))
def test_rules_and_world_agree_on_many_numbered_pairs(first: int) -> None:
    _check(range(first, first + 50))


@examples(
    80,
    derandomize=True,
    suppress_health_check=[HealthCheck.data_too_large],
)
@given(pairs())
def test_rules_and_world_agree_on_pairs_that_hypothesis_draws(pair: Pair) -> None:
    assert [str(each) for each in differences(run_pair(pair))] == []


def _check(numbers: range) -> None:
    compared = 0
    found: Counter[str] = Counter()
    # The guards of the simulation are put in place once: it takes as long as some payments.
    with guards_installed():
        for number in numbers:
            outcome = run_numbered(number)
            compared += not outcome.played.problems
            found.update(f"pair {number}: {each}" for each in differences(outcome))
    assert list(found) == []
    assert compared >= 0.9 * len(numbers)  # the others had not come to rest
