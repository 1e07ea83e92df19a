"""paychain verify: whether a run is what was signed, and by whom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paychain.cli.exit_codes import ExitCode
from paychain.cli.options import RunOrHistory


def verify(
    run: RunOrHistory,
    trust: Annotated[
        list[Path],
        typer.Option(help="public key (PEM) that you trust; do not use one found beside the run"),
    ],
    history: Annotated[
        bool,
        typer.Option("--history", help="verify all runs of a folder, and that none is missing"),
    ] = False,
) -> None:
    """Check that a run's files are exactly those that were signed.

    Example: paychain verify reports/20261123T200000Z-shop-steady --trust resilience.key.pub
    """
    from paychain.payments.errors import UserError
    from paychain.report.evidence.dsse import public_key
    from paychain.report.evidence.verification import verify_history, verify_run

    keys = [public_key(path) for path in trust]
    if not run.is_dir():
        raise UserError(f"no such folder: {run}")
    runs = verify_history(run, keys) if history else [verify_run(run, keys)]
    for verified in runs:
        mark = "✓" if verified.is_sound else "✕"
        verdict = f"  verdict {verified.facts['verdict']}" if verified.facts.get("verdict") else ""
        print(f"{mark} {verified.run}{verdict}")
        for complaint in verified.complaints:
            print(f"    {complaint}")
    if not all(verified.is_sound for verified in runs):
        raise typer.Exit(ExitCode.FAIL)
