"""A journal that cannot be written, or that somebody altered: no money is judged by half of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from tests.support.hostile import disturbed_run, harmless, let_it_begin, let_no_file_grow, pid_of
from tests.support.processes import needs_proc
from tests.support.runs import run_in
from tests.support.tiers import only, thorough

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


def test_a_load_process_that_cannot_say_that_it_is_over_ends_and_is_named(tmp_path: Path) -> None:
    with disturbed_run(tmp_path) as run:
        let_it_begin(run, tmp_path)
        (spool,) = tmp_path.glob("runs/*/spool")
        # In the way of what it writes before it renames it.
        (spool / f".load.offered.{pid_of(run, 'load process')}.tmp").mkdir()
        result = harmless(run, tmp_path)
    assert result["verdict"] == "inconclusive"
    reasons = "; ".join(result["reasons"])
    assert "load.offered: Is a directory" in reasons, (reasons, run.output)


def _cut(journal: Path) -> None:
    os.truncate(journal, journal.stat().st_size // 2)


def _append(journal: Path) -> None:
    with journal.open("ab") as file:
        file.write(b"\xff\x00not a record\n")


def _repeat(journal: Path) -> None:
    with journal.open("ab") as file:
        file.write(journal.read_bytes()[:200])


def _replace(journal: Path) -> None:
    records = journal.read_bytes()
    journal.unlink()  # whoever has it open goes on in a file without a name
    journal.write_bytes(records)


def _lead_away(journal: Path) -> None:
    journal.unlink()
    journal.symlink_to("/dev/full")


@pytest.mark.parametrize(
    ("process", "alter"),
    only(
        {("mock-services", _replace)},
        product(
            ("mock-services", "load"), (Path.unlink, _cut, _append, _repeat, _replace, _lead_away)
        ),
    ),
)
def test_a_journal_that_somebody_altered_makes_the_run_inconclusive(
    tmp_path: Path, process: str, alter: Callable[[Path], None]
) -> None:
    with disturbed_run(tmp_path) as run:
        let_it_begin(run, tmp_path)
        alter(run_in(tmp_path) / "spool" / f"{process}.spool")
        result = harmless(run, tmp_path)
    assert result["verdict"] == "inconclusive"
    assert any("journal" in reason for reason in result["reasons"]), result["reasons"]


@pytest.mark.thorough  # CI sees a full disk, in test_hostile_places.py
def test_a_database_that_cannot_grow_makes_the_run_inconclusive(tmp_path: Path) -> None:
    with disturbed_run(tmp_path) as run:
        let_it_begin(run, tmp_path)
        let_no_file_grow(pid_of(run, "conductor"), beyond=150_000)
        code = run.exit_code()
    assert (code, "Traceback" in run.output) == (3, False), run.output
    assert "disk I/O error" in run.output
