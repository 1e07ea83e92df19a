"""paychain report: render the outputs of a run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paychain.cli.options import Ctrf, Format, Json, Prometheus, ReportFormat, RunOrHistory, chosen
from paychain.cli.reading import reading
from paychain.cli.say import say
from paychain.payments.errors import UserError


def report(
    run: RunOrHistory,
    history: Annotated[
        bool, typer.Option("--history", help="report all runs of a folder over time")
    ] = False,
    stale_after: Annotated[
        int, typer.Option(min=1, help="with --history: days until evidence is out of date")
    ] = 365,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="also write report.pdf for compliance (extra: pdf)")
    ] = False,
    assurance: Annotated[
        Path | None, typer.Option(help="file with who tested what, and why, for the PDF")
    ] = None,
    ctrf: Ctrf = False,
    prom: Prometheus = None,
    format: Format = ReportFormat.TEXT,
    json: Json = False,
) -> None:
    """Render a run's report, JUnit file and summary again from its result.json.

    Example: paychain report reports/20261123T200000Z-3fa91c-shop-steady
    """
    format = chosen(format, json)
    if history:
        if format is not ReportFormat.TEXT:
            raise UserError("--history is printed as text", hint="omit --format and --json")
        _history(run, stale_after, prom)
        return
    from paychain.cli.run_outputs import print_run
    from paychain.model.loading import load_assurance
    from paychain.report.ci.prometheus import refuse_unwritable_file
    from paychain.report.outputs import publish_for_tools, publish_pdf, render_again

    # The file is checked before anything is rendered: a mistake in it leaves the run as it is.
    declared = load_assurance(assurance).model if assurance is not None else None
    if prom is not None:
        refuse_unwritable_file(prom)
    with reading(run):
        result = render_again(run)
        publish_for_tools(result, run, ctrf=ctrf, prometheus=prom)
        print_run(result, run, None, format=format, is_quiet=False)
    if pdf or declared is not None:
        with reading(run):
            document = publish_pdf(run, result, declared)
        say(f"compliance document: {document}", is_error=format is not ReportFormat.TEXT)


def _history(folder: Path, stale_days: int, prom: Path | None) -> None:
    from datetime import UTC, datetime

    from paychain.processes.files import write_atomically
    from paychain.report.ci.prometheus import write_prometheus
    from paychain.report.html.history import history, history_lines, render_history
    from paychain.report.html.page import stylesheet

    with reading(folder):
        lines = history(folder, datetime.now(UTC), stale_days)
    write_atomically(folder / "history.html", render_history(lines))
    write_atomically(folder / "report.css", stylesheet())
    if prom is not None:
        write_prometheus(prom, *(entry.result for line in lines for entry in line.entries))
    say(*history_lines(lines))
    say(f"report: {folder / 'history.html'}")
