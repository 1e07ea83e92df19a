"""Status checks in virtual time: within limits a slow switch recovers, without them it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.model.files import available
from tests.support.virtual_runs import broken, run_virtually

OUTAGE = """\
experiment: mine
tolerances: {recovery: "<= 12s"}
load: {arrivals: 10/s, warm_up: 0s, before: 5s, after: 16s}
faults: [{id: slow, at: 0s, for: 6s, target: {link: switch}, slow_answer: {delay: 3s}}]
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chain", "recovers"), [("status-checks", True), ("status-checks-storm", False)]
)
def test_a_switch_recovers_from_checks_within_limits(
    tmp_path: Path, chain: str, *, recovers: bool
) -> None:
    text = available("chain")[chain].read_text()
    result = run_virtually(tmp_path, text, OUTAGE)
    (recovery,) = result.tolerances
    assert recovery.passed is recovers
    # The storm keeps the switch down for longer than the app asks.
    left = {"unknowns_resolved", "no_orphaned_authorisation"}
    assert set(broken(result)) == (set() if recovers else {"asks_within_limits", *left})
