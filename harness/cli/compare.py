"""paychain compare: what became worse between two runs of one experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

REGRESSION = 4


def compare(
    baseline: Annotated[Path, typer.Argument(help="a run directory")],
    candidate: Annotated[Path, typer.Argument(help="the run directory to judge")],
    across_chains: Annotated[
        bool, typer.Option("--across-chains", help="the chain file may differ")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="print every measure")] = False,
) -> None:
    """Compare two runs of one experiment; exit 4 when something became worse.

    Example: paychain compare reports/BASELINE reports/CANDIDATE
    """
    import msgspec

    from harness.comparing import compare_runs
    from harness.report.comparison import comparison_lines

    found = compare_runs(baseline, candidate, across_chains=across_chains)
    if json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        print("\n".join(comparison_lines(found)))
    if found.regressions:
        raise typer.Exit(REGRESSION)
