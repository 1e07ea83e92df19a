"""paychain report: redo every output of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="a run directory")],
    pdf: Annotated[
        bool, typer.Option("--pdf", help="also write report.pdf for compliance (extra: pdf)")
    ] = False,
    assurance: Annotated[
        Path | None, typer.Option(help="file with who tested what and why, for the PDF")
    ] = None,
) -> None:
    """Render a run's report, JUnit file and summary again from its result.json.

    Example: paychain report reports/20261123T200000Z-card-ecommerce-steady
    """
    from harness.model.loading import load_assurance
    from harness.report.outputs import publish_pdf, render_again
    from harness.report.summary import terminal_lines

    told = load_assurance(assurance).model if assurance is not None else None
    result = render_again(run)
    print("\n".join(terminal_lines(result)))
    if pdf or told is not None:
        print(f"compliance document: {publish_pdf(run, result, told)}")
