"""paychain report: redo every output of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(run: Annotated[Path, typer.Argument(help="a run directory")]) -> None:
    """Render a run's report, JUnit file and summary again from its result.json.

    Example: paychain report reports/20261123T200000Z-card-ecommerce-steady
    """
    import msgspec

    from harness.payments.errors import UserError
    from harness.report.html import render_again
    from harness.report.summary import terminal_lines

    try:
        result = render_again(run)
    except FileNotFoundError:
        raise UserError(f"no result.json in {run}", mend="name a run directory") from None
    except msgspec.MsgspecError as error:
        raise UserError(f"{run}: not a result of this version: {error}") from None
    print("\n".join(terminal_lines(result)))
