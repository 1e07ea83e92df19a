"""Merchants of a load that names none."""

from __future__ import annotations

import pytest

from paychain.load.traffic.merchants import made_up


def test_merchants_differ_and_are_the_same_for_a_seed() -> None:
    merchants = made_up(7)
    assert merchants == made_up(7)
    assert merchants != made_up(8)
    assert len({merchant.name for merchant in merchants}) == len(merchants) == 20
    assert sum(merchant.share for merchant in merchants) == pytest.approx(1)
