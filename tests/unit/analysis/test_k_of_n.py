"""The formulas of k of n, against published arithmetic and against drawing it all by chance."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt
from random import Random

import pytest

from paychain.analysis.nodes.k_of_n import (
    enough,
    exact,
    how_many,
    spread_of_states,
    unavailability,
    worth,
)

MINUTES = 365.25 * 24 * 60
DRAWS = 4_000


@pytest.mark.parametrize(
    ("n", "k", "q", "beta", "gateway", "minutes"),
    [
        (1, 1, 1e-3, 0.0, 0.0, 526),
        (2, 1, 1e-3, 0.0, 0.0, 0.53),
        (2, 1, 1e-3, 0.02, 0.0, 11),
        (2, 1, 1e-3, 0.1, 0.0, 53),
        (2, 1, 1e-3, 0.5, 0.0, 263),
        (3, 2, 1e-3, 0.0, 0.0, 1.6),
        (3, 2, 1e-3, 0.1, 0.0, 54),
        (20, 10, 0.33, 0.0, 0.0, 18_400),
        (20, 11, 0.33, 0.0, 0.0, 45_500),
        (20, 2, 0.33, 0.0, 5e-4, 263),
    ],
)
def test_minutes_a_year_are_as_worked_out_by_hand(
    n: int, k: int, q: float, beta: float, gateway: float, minutes: float
) -> None:
    found = unavailability(n, k, q, beta=beta, gateway=gateway) * MINUTES
    assert found == pytest.approx(minutes, rel=0.03)


@pytest.mark.parametrize("seed", range(6))
def test_the_beta_formula_is_what_drawing_failures_gives(seed: int) -> None:
    chance = Random(seed)
    n = chance.randint(1, 8)
    k = chance.randint(1, n)
    q, beta, gateway = chance.uniform(0.1, 0.6), chance.uniform(0, 1), chance.uniform(0, 0.3)
    away = 0
    for _ in range(DRAWS):
        is_gone = chance.random() < gateway or chance.random() < beta * q
        alive = sum(chance.random() >= (1 - beta) * q for _ in range(n))
        away += is_gone or alive < k
    expected = unavailability(n, k, q, beta=beta, gateway=gateway)
    assert abs(away / DRAWS - expected) < 4.5 * sqrt(max(expected * (1 - expected), 1e-4) / DRAWS)


@pytest.mark.parametrize("seed", range(8))
def test_asking_nodes_at_random_finds_enough_as_often_as_the_formula_says(seed: int) -> None:
    chance = Random(100 + seed)
    n = chance.randint(2, 12)
    asked = chance.randint(1, n)
    needed = chance.randint(1, asked)
    zones = [chance.choice([0.0, 1.0, chance.uniform(0.2, 0.9)]) for _ in range(3)]
    on = [chance.choice(zones) for _ in range(n)]
    hits = sum(
        sum(chance.random() < each for each in chance.sample(on, asked)) >= needed
        for _ in range(DRAWS)
    )
    expected = enough(on, needed, asked)
    assert abs(hits / DRAWS - expected) <= 4.5 * sqrt(max(expected * (1 - expected), 1e-6) / DRAWS)


@pytest.mark.parametrize(
    ("down", "transfer", "read"),
    [
        ("", Fraction(671, 672), Fraction(79, 84)),
        ("a", Fraction(29, 32), Fraction(1, 2)),
        ("o", Fraction(83, 84), Fraction(65, 84)),
        ("ab", Fraction(295, 672), Fraction(5, 84)),
    ],
)
def test_three_of_nine_nodes_as_worked_out_by_hand(
    down: str, transfer: Fraction, read: Fraction
) -> None:
    # Three zones of three; the nodes of "o" are on half of the time. Of the 84 ways to draw three,
    # 20 have none of one zone, 45 one, 18 two and one all three. With all zones up a read finds two
    # in all of the first 65, in 3/4 of the 18 and in 1/2 of the last: (65 + 13.5 + 0.5) / 84.
    chances = {"a": 1.0, "b": 1.0, "o": 0.5} | dict.fromkeys(down, 0.0)
    on = [chances[zone] for zone in "aaabbbooo"]
    assert enough(on, 1, 3) == pytest.approx(float(transfer))
    assert enough(on, 2, 3) == pytest.approx(float(read))


def test_chances_of_numbers_add_up_and_all_asked_is_a_binomial() -> None:
    assert [sum(row) for row in how_many([0.3, 0.9, 0.5], 3)] == pytest.approx([1.0] * 4)
    assert enough([0.67] * 20, 2, 20) == pytest.approx(1 - unavailability(20, 2, 0.33))
    assert enough([1.0, 0.0], 1, 1) == pytest.approx(0.5)
    assert enough([1.0, 1.0], 2, 2) == 1.0


@pytest.mark.parametrize("seed", range(3))
def test_the_spread_over_states_is_that_of_drawn_states(seed: int) -> None:
    chance = Random(200 + seed)
    n = chance.randint(3, 8)
    asked = chance.randint(2, n)
    needed = chance.randint(1, asked)
    on = [chance.uniform(0.2, 0.9) for _ in range(n)]
    values = [
        enough([float(chance.random() < each) for each in on], needed, asked) for _ in range(2_000)
    ]
    mean = sum(values) / len(values)
    drawn = sum((value - mean) ** 2 for value in values) / len(values)
    assert mean == pytest.approx(enough(on, needed, asked), abs=0.05)
    assert spread_of_states(on, needed, asked) == pytest.approx(drawn, rel=0.25, abs=2e-3)


def test_calls_of_one_state_are_worth_few_and_those_of_many_states_all() -> None:
    states, expected = 0.04, 0.5
    assert worth(100, expected, 0.0, [10.0], 2.0) == 100
    assert worth(100, expected, states, [10.0], 0.0) == 100
    slow, fast = (worth(100, expected, states, [10.0], tau) for tau in (1e6, 1e-3))
    assert slow == pytest.approx(0.25 / (0.04 + 0.21 / 100), rel=1e-3)
    assert fast == pytest.approx(100, abs=1)
    assert worth(100, expected, states, [10.0] * 4, 5.0) > worth(100, expected, states, [10.0], 5.0)


def test_the_exact_interval_is_the_published_one() -> None:
    # Newcombe 1998, Statistics in Medicine 17, 857: 81 of 263, 15 of 148, 0 of 20, 29 of 29.
    assert exact(81 / 263, 263) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert exact(15 / 148, 148) == pytest.approx((0.0578, 0.1617), abs=5e-5)
    assert exact(0, 20) == pytest.approx((0.0, 0.1684), abs=5e-5)
    assert exact(1, 29) == pytest.approx((0.8806, 1.0), abs=5e-5)
