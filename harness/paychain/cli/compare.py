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
    nodes: Annotated[
        bool,
        typer.Option(
            "--nodes",
            help="compare chains that differ in their nodes, side by side and without a score",
        ),
    ] = False,
    format: Format = ReportFormat.TEXT,
    json: Json = False,
) -> None:
    """Compare a run with one or more baselines of its experiment; exit 4 if anything became worse.

    Several baselines show how much runs vary anyway. With --nodes there is no baseline: the runs
    are shown side by side.

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
    if nodes:
        _compare_nodes(runs, format, across_chains=across_chains)
        return
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


def _compare_nodes(runs: list[Path], format: ReportFormat, *, across_chains: bool) -> None:
    import msgspec

    from paychain.payments.errors import UserError
    from paychain.report.text.arrangements import arrangement_lines
    from paychain.runs.arrangements import compare_arrangements

    if across_chains:
        raise UserError(
            "--nodes always compares different chains", hint="leave out --across-chains"
        )
    if format is ReportFormat.GITHUB:
        raise UserError("--nodes judges nothing that GitHub could show", hint="--format json")
    with reading(*runs):
        found = compare_arrangements(runs)
    if format is ReportFormat.JSON:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        say(*arrangement_lines(found))
