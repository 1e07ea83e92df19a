"""The outage story in virtual time: what docs/outage-story.md says is what a run shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench._outage_story_page import Run, read_story
from bench.outage_story import ROWS, Files, Row, run_once
from tests.support.tiers import only

CELLS = {(cell.chain, cell.experiment): cell for cell in read_story().cells}
# Other pairs are run in test_shipped_pairs.py and test_payouts.py.
AGAIN = [
    ("stablecoin-payout", outage)
    for outage in (
        "base-2026-06-25",
        "coinbase-2026-05-07",
        "infura-2020-11-11",
        "ton-2024-08-27",
    )
]


@pytest.mark.slow
@pytest.mark.parametrize(("chain", "outage"), only(AGAIN[2:3], AGAIN))
def test_a_run_shows_what_was_recorded(tmp_path: Path, chain: str, outage: str) -> None:
    found = next((row for row in ROWS if row.key == (chain, outage)), None)
    row = found or Row("", chain, outage, "")
    shown = Run.of(run_once(Files.of(row), row, tmp_path))
    assert shown.verdict == "pass", shown.reason
    assert shown.rules == {}
    if found is not None:
        assert set(shown.breaks) == set(CELLS[row.key].virtual.breaks)
