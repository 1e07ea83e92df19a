"""Runs over time, and evidence that has grown old."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from paychain.analysis.measures.measures import Verdict
from paychain.payments.errors import UserError
from paychain.report.html.history import history, history_lines, render_history
from paychain.report.result import read, write
from tests.support.paths import SAMPLE

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def run_at(folder: Path, name: str, ended: str, **changes: Any) -> None:
    result = msgspec.structs.replace(read(SAMPLE), run_id=name, ended_at=ended, **changes)
    (folder / name).mkdir(parents=True)
    write(result, folder / name)


def day_and_time(day: str, time: str) -> str:
    """Each stays on one line, in a column that is as narrow as it can be."""
    return f'<span class="line">{day}</span> <span class="line">{time}</span>'


def test_runs_stand_in_order_of_time_and_the_newest_conclusive_one_is_the_evidence(
    tmp_path: Path,
) -> None:
    run_at(tmp_path, "b", "2026-11-22T12:00:00+00:00", verdict=Verdict.PASS)
    run_at(tmp_path, "a", "2026-11-20T12:00:00+00:00", verdict=Verdict.FAIL)
    run_at(tmp_path, "c", "2026-11-23T12:00:00+00:00", verdict=Verdict.INCONCLUSIVE)
    (line,) = history(tmp_path, NOW)
    assert line.verdicts == "✕✓–"
    assert line.evidence is not None
    assert line.evidence.folder == "b"
    assert line.age_days == 2  # from 22 November, noon, to 24 November, noon
    assert not line.is_stale


def test_evidence_expires_and_no_evidence_counts_as_expired(tmp_path: Path) -> None:
    run_at(tmp_path / "x", "a", "2025-11-23T12:00:00+00:00", verdict=Verdict.PASS)
    (line,) = history(tmp_path / "x", NOW)
    assert line.age_days == 366
    assert line.is_stale
    assert "▲ expired" in history_lines([line])[0]
    run_at(tmp_path / "y", "a", "2026-11-24T11:00:00+00:00", verdict=Verdict.INCONCLUSIVE)
    (line,) = history(tmp_path / "y", NOW)
    assert line.is_stale
    assert "no conclusive run" in history_lines([line])[0]


def test_evidence_from_the_future_is_not_current(tmp_path: Path) -> None:
    run_at(tmp_path / "x", "a", "2026-11-24T13:00:00+00:00", verdict=Verdict.PASS)
    (line,) = history(tmp_path / "x", NOW)
    assert not line.is_stale
    assert history_lines([line])[0].endswith("0 days old")
    run_at(tmp_path / "y", "a", "2126-11-24T12:00:00+00:00", verdict=Verdict.PASS)
    lines = history(tmp_path / "y", NOW)
    assert lines[0].is_stale
    said = "dated 36524 days in the future"
    assert history_lines(lines)[0].endswith(f"{said}  ▲ the clock was wrong")
    assert f"{said}, the clock was wrong." in render_history(lines)


def test_a_run_from_the_future_hides_no_evidence(tmp_path: Path) -> None:
    run_at(tmp_path, "a", "2026-11-22T12:00:00+00:00", verdict=Verdict.PASS)
    run_at(tmp_path, "b", "2126-11-24T12:00:00+00:00", verdict=Verdict.PASS)
    run_at(tmp_path, "c", "2127-11-24T12:00:00+00:00", verdict=Verdict.INCONCLUSIVE)
    (line,) = history(tmp_path, NOW)
    assert (line.verdicts, line.age, line.flaw) == ("✓✓–", "2 days old", "")
    (line,) = history(tmp_path, datetime(2028, 1, 1, tzinfo=UTC))
    assert line.flaw == "expired"


def test_a_failure_from_the_future_is_named_beside_older_evidence(tmp_path: Path) -> None:
    run_at(tmp_path, "a", "2026-11-22T12:00:00+00:00", verdict=Verdict.PASS)
    run_at(tmp_path, "b", "2026-12-20T12:00:00+00:00", verdict=Verdict.FAIL)
    (line,) = history(tmp_path, NOW)
    assert (line.verdicts, line.age) == ("✓✕", "2 days old")
    assert line.flaw == "a failed run is dated in the future"


def test_the_page_shows_every_tolerance_of_every_run_and_escapes_names(tmp_path: Path) -> None:
    result = read(SAMPLE)
    hostile = msgspec.structs.replace(result.experiment, name="<b>x</b>")
    run_at(tmp_path, "a", "2026-11-22T12:00:00+00:00")
    run_at(tmp_path, "b", "2026-11-22T12:00:00+00:00", experiment=hostile)
    page = render_history(history(tmp_path, NOW))
    assert "<b>x" not in page
    assert " style=" not in page
    assert 'href="a/report.html"' in page
    assert result.tolerances[0].observed_text in page


def test_runs_of_another_version_are_skipped_and_an_empty_folder_is_a_mistake(
    tmp_path: Path,
) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "result.json").write_text('{"schema": "paychain/result/v0"}')
    with pytest.raises(UserError, match="no runs in"):
        history(tmp_path, NOW)


def test_the_page_is_written_for_people(tmp_path: Path) -> None:
    run_at(tmp_path, "a", "2026-11-22T12:00:00.123456+02:00", virtual=True)
    page = render_history(history(tmp_path, NOW))
    assert "1 experiment on a chain ·" in page
    assert f"{day_and_time('2026-11-22', '10:00 UTC')}</a> (virtual)</th>" in page
    assert '<th scope="col" class="wraps">Technical success before the faults</th>' in page
    run_at(tmp_path, "b", "2026-11-23T12:00:00+00:00", virtual=False)
    assert f"{day_and_time('2026-11-23', '12:00 UTC')}</a></th>" in render_history(
        history(tmp_path, NOW)
    )
