"""paychain verify: whether a run is what was signed, and by whom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TAMPERED = 1


def verify(
    run: Annotated[Path, typer.Argument(help="a run directory, or with --history their folder")],
    trust: Annotated[
        list[Path],
        typer.Option(help="public key (PEM) you trust; a key beside a run proves nothing"),
    ],
    history: Annotated[
        bool, typer.Option("--history", help="every run of a folder, and that none is missing")
    ] = False,
) -> None:
    """Check that a run's files are exactly those that were signed.

    Example: paychain verify reports/20261123T200000Z-shop-steady --trust resilience.key.pub
    """
    from harness.payments.errors import UserError
    from harness.report.dsse import public_key
    from harness.report.verification import verify_history, verify_run

    keys = [public_key(path) for path in trust]
    if not run.is_dir():
        raise UserError(f"no such folder: {run}")
    found = verify_history(run, keys) if history else [verify_run(run, keys)]
    for one in found:
        mark = "✓" if one.is_sound else "✕"
        verdict = f"  verdict {one.facts['verdict']}" if one.facts.get("verdict") else ""
        print(f"{mark} {one.run}{verdict}")
        for complaint in one.complaints:
            print(f"    {complaint}")
    if not all(one.is_sound for one in found):
        raise typer.Exit(TAMPERED)
