"""docs/dialects.md is what was recorded, and all that was recorded passed."""

from __future__ import annotations

from tests.conformance.sdk.table import PAGE, page
from tests.support.sdk_results import FAILED, columns, rows_of


def test_the_page_is_generated_from_the_recorded_results() -> None:
    assert PAGE.read_text("utf-8") == page()


def test_no_recorded_scenario_failed() -> None:
    failed = [
        f"{column.vendor} {column.language}: {cell.scenario}"
        for column in columns()
        for cell in column.cells
        if cell.result == FAILED
    ]
    assert failed == []


def test_every_sdk_was_asked_everything_and_nothing_else_is_recorded() -> None:
    for column in columns():
        asked = [cell.scenario for cell in column.cells]
        assert asked == list(rows_of(column.vendor)), (column.vendor, column.language)
