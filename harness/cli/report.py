"""paychain report: redo every output of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(run: Annotated[Path, typer.Argument(help="a run directory")]) -> None:
    """Render a run's report, JUnit file and summary again from its result.json.

    Example: paychain report reports/20261123T200000Z-card-ecommerce-steady
    """
    from harness.report.outputs import render_again
    from harness.report.summary import terminal_lines

    print("\n".join(terminal_lines(render_again(run))))
