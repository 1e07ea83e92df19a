"""On generated chains and faults the money rules name what is wrong in the world, and no more.

`python -m bench oracle --pair N --shrink` shows a pair that fails here, as small as it gets.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given

from tests.oracle.compare import differences
from tests.oracle.lost import differences_without, one_of_several
from tests.oracle.pairs import Pair, pairs, playing_many, run_numbered, run_pair
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


def _differences(number: int) -> tuple[bool, list[str]]:
    """Whether a pair came to rest, and where its verdict differs from the world's."""
    outcome = run_numbered(number)
    return not outcome.played.problems, [str(each) for each in differences(outcome)]


def _check(numbers: range) -> None:
    compared = 0
    found: list[str] = []
    with playing_many() as cycles:
        for number in numbers:
            is_compared, seen = _differences(number)
            compared += is_compared
            found += [f"pair {number}: {each}" for each in seen]
            cycles.collect()
    assert found == []
    assert compared >= 0.9 * len(numbers)  # the others had not come to rest


def test_rules_and_world_agree_on_orders_of_which_a_customers_record_is_lost() -> None:
    assert _check_lost(range(40)) > 10


@pytest.mark.slow
@pytest.mark.long(3)
def test_rules_and_world_agree_on_many_orders_of_which_a_customers_record_is_lost() -> None:
    assert _check_lost(range(40, 440)) > 100


def _check_lost(numbers: range) -> int:
    """Judge pairs of which records are lost; how many such runs there were."""
    compared = 0
    found: list[str] = []
    with playing_many() as cycles:
        for number in numbers:
            outcome = run_numbered(number)
            for nth in (0, -1):
                lost = one_of_several(outcome.world, nth)
                if not lost or outcome.played.problems:
                    continue
                compared += 1
                seen = differences_without(outcome, lost)
                found += [f"pair {number} without {nth}: {each}" for each in seen]
            cycles.collect()
    assert found == []
    return compared
