"""paychain report: redo every output of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="a run directory, or with --history their folder")],
    history: Annotated[
        bool, typer.Option("--history", help="all runs of a folder over time, and old evidence")
    ] = False,
    stale_after: Annotated[
        int, typer.Option(min=1, help="with --history: days that evidence counts")
    ] = 365,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="also write report.pdf for compliance (extra: pdf)")
    ] = False,
    assurance: Annotated[
        Path | None, typer.Option(help="file with who tested what and why, for the PDF")
    ] = None,
    ctrf: Annotated[
        bool, typer.Option("--ctrf", help="also write ctrf.json (Common Test Report Format)")
    ] = False,
    prom: Annotated[
        Path | None, typer.Option(help="also write gauges in Prometheus' text format here")
    ] = None,
) -> None:
    """Render a run's report, JUnit file and summary again from its result.json.

    Example: paychain report reports/20261123T200000Z-card-ecommerce-steady
    """
    if history:
        _history(run, stale_after)
        return
    from rich.console import Console

    from harness.model.loading import load_assurance
    from harness.report.outputs import publish_for_tools, publish_pdf, render_again
    from harness.report.terminal import show

    told = load_assurance(assurance).model if assurance is not None else None
    result = render_again(run)
    publish_for_tools(result, run, ctrf=ctrf, prometheus=prom)
    show(result, Console())
    if pdf or told is not None:
        print(f"compliance document: {publish_pdf(run, result, told)}")


def _history(folder: Path, stale_days: int) -> None:
    from datetime import UTC, datetime

    from harness.report.history import history, history_lines, render_history
    from harness.report.html import stylesheet

    lines = history(folder, datetime.now(UTC), stale_days)
    (folder / "history.html").write_text(render_history(lines), "utf-8")
    (folder / "report.css").write_text(stylesheet(), "utf-8")
    print("\n".join(history_lines(lines)))
    print(f"report: {folder / 'history.html'}")
