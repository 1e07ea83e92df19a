"""Reports as a browser opens them."""

from __future__ import annotations

from pathlib import Path

from paychain.report.html.page import render, stylesheet
from paychain.report.result import Result


def written(result: Result, folder: Path) -> Path:
    """The page of a result in a folder, with its style sheet beside it."""
    page = folder / "report.html"
    page.write_text(render(result), "utf-8")
    (folder / "report.css").write_text(stylesheet(), "utf-8")
    return page
