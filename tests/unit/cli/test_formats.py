"""`--format` of commands that report: text for people, JSON, and annotations for GitHub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from paychain.cli.options import ReportFormat, chosen
from paychain.payments.errors import UserError
from paychain.report.ci.github import MAX_ANNOTATIONS
from paychain.report.html.matrix import Cell, Matrix, broken_cells
from tests.support.cli import invoked
from tests.support.paths import SAMPLE


def test_json_is_a_short_form_that_excludes_another_format() -> None:
    assert chosen(ReportFormat.TEXT, json=True) is ReportFormat.JSON
    assert chosen(ReportFormat.GITHUB, json=False) is ReportFormat.GITHUB
    with pytest.raises(UserError, match="exclude each other"):
        chosen(ReportFormat.GITHUB, json=True)


def test_a_report_is_printed_in_each_format(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE, tmp_path / "run")
    whole = json.loads((SAMPLE / "result.json").read_bytes())
    assert invoked(tmp_path, "report", "run", "--json").json == whole
    assert invoked(tmp_path, "report", "run", "--format", "json").json == whole
    lines = invoked(tmp_path, "report", "run", "--format", "github").stdout.splitlines()
    failed = [item for item in whole["tolerances"] if item["passed"] is False]
    assert len(lines) >= len(failed)
    assert all(line.startswith("::error ") for line in lines)


def test_a_matrix_annotates_the_cells_that_broke() -> None:
    def cell(number: int, state: str) -> Cell:
        return Cell(
            link=f"link-{number}",
            fault="down",
            state=state,  # type: ignore[arg-type]  # one of three words
            text="success 12.0 %",
            command="paychain run a b",
        )

    cells = [cell(1, "held"), cell(2, "broke"), cell(3, "money wrong"), cell(4, "not tried")]
    lines = broken_cells(matrix(cells))
    assert [line.partition("::success")[0] for line in lines] == [
        "::error title=link-2 × down%3A broke",
        "::error title=link-3 × down%3A money wrong",
    ]
    many = broken_cells(matrix([cell(number, "broke") for number in range(30)]))
    assert len(many) == MAX_ANNOTATIONS + 1
    assert "and 21 more broken cells" in many[-1]


def matrix(cells: list[Cell]) -> Matrix:
    return Matrix(
        chain="shop",
        title="",
        seed=1,
        virtual=True,
        command="paychain matrix shop",
        interrupted=False,
        links=[cell.link for cell in cells],
        faults={"down": ""},
        cells=cells,
    )
