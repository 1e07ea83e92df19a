"""The search finds bugs that were planted, and shrinks each to its known minimum."""

from __future__ import annotations

from typing import Any

import pytest

from harness.explore.search import broken_by_schedule
from tests.planted_outages import PLANTED, Planted, look_for, order_for


def searched_for(bug: Planted) -> Any:
    """Two faults that must meet take as long to find as all the others together."""
    marks = [pytest.mark.slow] if bug.faults > 1 else []
    return pytest.param(bug, id=bug.name.replace(" ", "-"), marks=marks)


@pytest.mark.parametrize("bug", [searched_for(bug) for bug in PLANTED])
def test_a_planted_bug_is_found_and_shrunk_to_its_minimum(bug: Planted) -> None:
    found, searched = look_for(bug, seed=1)
    assert found is not None, f"not found in {searched.schedules} schedules"
    assert len(found.schedule) == bug.faults
    if bug.swaps():  # without the bug the same outage does no harm
        order = order_for(bug, seed=1, most=1)
        assert bug.rule not in {one.rule for one in broken_by_schedule(order, found.schedule)}
