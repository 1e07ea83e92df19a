"""The search finds bugs that were planted, and shrinks each to its known minimum."""

from __future__ import annotations

from typing import Any

import pytest

from paychain.explore.trial import broken_by_schedule
from tests.support.planted_outages import PLANTED, Planted, look_for, order_for

# These show the search and the shrinking in three seconds; the others take longer.
QUICK = ("captures", "stores-last")


def searched_for(bug: Planted) -> Any:
    """Two faults that must meet by chance take as long to find as all the others together."""
    tier = pytest.mark.slow if bug.chain in QUICK or bug.times > 1 else pytest.mark.thorough
    return pytest.param(bug, id=bug.name.replace(" ", "-"), marks=tier)


@pytest.mark.parametrize("bug", [searched_for(bug) for bug in PLANTED])
def test_a_planted_bug_is_found_and_shrunk_to_its_minimum(bug: Planted) -> None:
    found, searched = look_for(bug, seed=1)
    assert found is not None, f"not found in {searched.schedules} schedules"
    assert len(found.schedule) == bug.faults
    assert {fault.times for fault in found.schedule} == {bug.times}
    if bug.swaps():  # without the bug the same outage does no harm
        order = order_for(bug, seed=1, most=1)
        assert bug.rule not in {
            finding.rule for finding in broken_by_schedule(order, found.schedule)
        }
