"""Pairs on which the rules and the world once disagreed, as small as they get."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracle.compare import differences
from tests.oracle.pairs import run_pair, written_pair

FOUND = sorted((Path(__file__).parent / "found").glob("*.yaml"))
OPEN: dict[str, str] = {}  # the reason why one cannot be fixed yet, by its file's name


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(
            file,
            id=file.stem,
            marks=[pytest.mark.xfail(strict=True, reason=OPEN[file.stem])]
            if file.stem in OPEN
            else [],
        )
        for file in FOUND
    ],
)
def test_rules_and_world_agree_where_they_once_did_not(file: Path) -> None:
    outcome = run_pair(written_pair(file.read_text("utf-8")))
    assert outcome.played.problems == []
    assert [str(each) for each in differences(outcome)] == []
