"""When a node that comes and goes is there."""

from __future__ import annotations

from itertools import pairwise

import pytest

from paychain.model.nodes import Churn
from paychain.payments.chance import draw
from paychain.services.presence import Presence

CHURN = Churn.model_construct(on=0.67, lasts=8.0)


def presence(seed: int, churn: Churn = CHURN) -> Presence:
    return Presence(churn, lambda word, number: draw(seed, "node-1", word, number))


def test_it_is_on_for_the_declared_share_of_the_time_from_the_first_moment_on() -> None:
    nodes = [presence(seed) for seed in range(400)]
    shares = [
        sum(node.is_on(at_s * 1_000_000_000) for node in nodes) / len(nodes)
        for at_s in (0, 1, 50, 51, 400)
    ]
    # Six standard errors of 400 nodes.
    assert shares == pytest.approx([0.67] * 5, abs=0.14)
    assert sum(shares) / 5 == pytest.approx(0.67, abs=0.08)


def test_it_lasts_as_declared_whoever_looks_how_often() -> None:
    step_ns = 100_000_000
    seen = [presence(3).is_on(number * step_ns) for number in (0, 77, 1_000, 5_000)]
    looked = presence(3)
    all_seen = [looked.is_on(number * step_ns) for number in range(5_001)]
    assert [all_seen[number] for number in (0, 77, 1_000, 5_000)] == seen
    changes = sum(one != other for one, other in pairwise(all_seen))
    # 500 s of on for 8 s and off for 3.9 s: about 42 of each.
    assert 40 < changes < 130
