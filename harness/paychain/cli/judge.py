"""paychain judge: judge a run again, from its run.db."""

from __future__ import annotations

from typing import Annotated

import typer

from paychain.cli.exit_codes import ExitCode
from paychain.cli.options import Format, Json, ReportFormat, RunFolder, chosen
from paychain.cli.reading import reading


def judge(
    run: RunFolder,
    format: Format = ReportFormat.TEXT,
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="print only the verdict")] = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="exit 0 even if a tolerance or money rule failed")
    ] = False,
) -> None:
    """Judge a run again from its run.db, such as one that was killed, and report it.

    Example: paychain judge reports/20261123T200000Z-3fa91c-shop-steady
    """
    from paychain.cli.run_outputs import print_run
    from paychain.runs.judge import judge_run

    format = chosen(format, json)
    with reading(run):
        finished = judge_run(run)
    print_run(finished.result, finished.folder, None, format=format, is_quiet=quiet)
    code = ExitCode.of_verdict(finished.result.verdict)
    raise typer.Exit(ExitCode.PASS if code is ExitCode.FAIL and exit_zero else code)
