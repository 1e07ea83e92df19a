"""A process that cannot write its journal: no money is judged by half of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.hostile import disturbed_run, harmless, let_it_begin, let_no_file_grow, pid_of
from tests.support.processes import needs_proc
from tests.support.tiers import thorough

pytestmark = [pytest.mark.slow, needs_proc]


@pytest.mark.parametrize("process", ["mock services", thorough("load process")])
def test_a_journal_that_cannot_be_written_makes_the_run_inconclusive(
    tmp_path: Path, process: str
) -> None:
    with disturbed_run(tmp_path) as run:
        let_it_begin(run, tmp_path)
        let_no_file_grow(pid_of(run, process))
        result = harmless(run, tmp_path)
    assert result["verdict"] == "inconclusive"
    assert any(process in reason and "journal" in reason for reason in result["reasons"])
    assert "incomplete" in result["money"]["unjudged"]
    judged = [rule["rule"] for rule in result["money"]["rules"] if rule.get("is_judged", True)]
    assert judged == ["no_card_number_in_a_file"]


@pytest.mark.thorough  # CI sees a full disk, in test_hostile_places.py
def test_a_database_that_cannot_grow_makes_the_run_inconclusive(tmp_path: Path) -> None:
    with disturbed_run(tmp_path) as run:
        let_it_begin(run, tmp_path)
        let_no_file_grow(pid_of(run, "conductor"), beyond=150_000)
        code = run.exit_code()
    assert (code, "Traceback" in run.output) == (3, False), run.output
    assert "disk I/O error" in run.output
