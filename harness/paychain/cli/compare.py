"""paychain compare: what became worse between runs of one experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paychain.cli.exit_codes import ExitCode
from paychain.cli.options import Format, Json, ReportFormat, chosen
from paychain.cli.reading import reading
from paychain.cli.say import say


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="BASELINE... CANDIDATE",
            help="run directories: one or more to compare with, then the one to judge",
        ),
    ],
    across_chains: Annotated[
        bool, typer.Option("--across-chains", help="allow different chain files")
    ] = False,
    format: Format = ReportFormat.TEXT,
    json: Json = False,
) -> None:
    """Compare a run with one or more baselines of its experiment; exit 4 if anything became worse.

    Several baselines show how much runs vary by themselves.

    Example: paychain compare reports/BASELINE reports/CANDIDATE
    """
    import msgspec

    from paychain.payments.errors import UserError
    from paychain.report.ci.github import regressions
    from paychain.report.text.comparison import comparison_lines
    from paychain.runs.comparison import compare_runs

    format = chosen(format, json)
    if len(runs) < 2:
        raise UserError("one run cannot be compared", hint="name a baseline, then the run to judge")
    with reading(*runs):
        comparison = compare_runs(runs[:-1], runs[-1], across_chains=across_chains)
    if format is ReportFormat.JSON:
        print(msgspec.json.format(msgspec.json.encode(comparison)).decode())
    elif format is ReportFormat.GITHUB:
        print("\n".join(regressions(comparison)))
    else:
        say(*comparison_lines(comparison))
    if comparison.regressions:
        raise typer.Exit(ExitCode.REGRESSION)
