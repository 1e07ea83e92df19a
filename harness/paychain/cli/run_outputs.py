"""What paychain run makes of a run that is over: reports, comparison, signature, exit code."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from paychain.cli.exit_codes import ExitCode
from paychain.cli.options import ReportFormat
from paychain.cli.reading import reading
from paychain.cli.say import key_of, say
from paychain.payments.errors import UserError, sentence_of
from paychain.processes.interrupted import keeping

if TYPE_CHECKING:
    from paychain.analysis.comparison import Comparison
    from paychain.report.result import Result
    from paychain.runs.spec import Finished

Made = TypeVar("Made")
Signer = Callable[[Path], Path]  # from a run's folder to the file with its signature


@dataclass(frozen=True, kw_only=True)
class RunOutputs:
    """What a run is to be printed as, compared with, signed with and written to."""

    format: ReportFormat
    is_quiet: bool
    baseline: Path | None  # another run
    signer: Signer | None
    ctrf: bool
    prometheus: Path | None

    def refuse_impossible(self, *, experiment_sha256: str, is_virtual: bool) -> None:
        """Raises UserError, before the run, for what cannot be made of it afterwards."""
        from paychain.report.ci.prometheus import refuse_unwritable_file
        from paychain.runs.comparison import check_baseline

        if self.baseline is not None:
            check_baseline(self.baseline, experiment=experiment_sha256, virtual=is_virtual)
        if self.prometheus is not None:
            refuse_unwritable_file(self.prometheus)

    def publish(self, finished: Finished, *, exit_zero: bool) -> ExitCode:
        """Write and print all of it, whatever the verdict; the exit code of the command."""
        from paychain.report.outputs import publish_for_tools

        extras = _Extras()
        result, folder = finished.result, finished.folder
        comparison = None
        with keeping(f"the run and its report are in {folder}"):
            if self.baseline is not None:
                baseline = self.baseline
                comparison = extras.attempt(lambda: _compare(finished, baseline))
            extras.attempt(
                lambda: publish_for_tools(
                    result, folder, ctrf=self.ctrf, prometheus=self.prometheus
                )
            )
            if self.signer is not None:
                signer = self.signer
                extras.attempt(lambda: signer(folder))
            print_run(result, folder, comparison, format=self.format, is_quiet=self.is_quiet)
            _report_to_ci(result, self.format)
        for problem in extras.problems:
            say(problem, is_error=True)
        return _exit_code(finished, comparison, extras, exit_zero=exit_zero)


def signer_of(private_key: Path) -> Signer:
    """What signs a run's folder. Raises UserError when the file holds no private key."""
    # Cryptography takes longer to import than a short run lasts, and few runs are signed.
    from paychain.report.evidence.dsse import read_private_key
    from paychain.report.evidence.files import sign_run

    key = key_of(private_key, read_private_key)
    return lambda folder: sign_run(folder, key)


def print_run(
    result: Result,
    folder: Path,
    comparison: Comparison | None,
    *,
    format: ReportFormat,
    is_quiet: bool,
) -> None:
    """Print the result of a run."""
    from rich.console import Console

    from paychain.report.ci.github import regressions, workflow_commands
    from paychain.report.result import FILE_NAME
    from paychain.report.text.comparison import comparison_lines
    from paychain.report.text.terminal import show
    from paychain.report.text.wording import headline

    if format is ReportFormat.JSON:
        print((folder / FILE_NAME).read_text("utf-8"), end="")
        return
    if format is ReportFormat.GITHUB:
        lines = workflow_commands(result)
        print("\n".join(lines + (regressions(comparison) if comparison is not None else [])))
        return
    show(result, Console(), is_quiet=is_quiet)
    if is_quiet and result.verdict == "inconclusive":
        # The verdict alone says nothing about the chain, and its cause may be for the user to mend.
        say(headline(result), is_error=True)
    if comparison is not None:
        say(*comparison_lines(comparison))
    say(f"report: {folder / 'report.html'}")


class _Extras:
    """What is made of a run that is over, when it can be: the verdict is not lost by it."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def attempt(self, make: Callable[[], Made]) -> Made | None:
        """What it makes; None when that fails, which is then a problem."""
        try:
            return make()
        except (UserError, OSError, sqlite3.Error) as error:
            self.problems.append(sentence_of(error))
            return None


def _compare(finished: Finished, baseline: Path) -> Comparison | None:
    """Compare the run with its baseline and add that to its report. None: it proves nothing."""
    import msgspec

    from paychain.report.outputs import publish
    from paychain.runs.comparison import compare_runs

    if finished.result.verdict == "inconclusive":
        return None
    with reading(baseline):
        comparison = compare_runs([baseline], finished.folder, across_chains=True)
    publish(msgspec.structs.replace(finished.result, comparison=comparison), finished.folder)
    return comparison


def _report_to_ci(result: Result, format: ReportFormat) -> None:
    """Print GitHub's workflow commands; it reads them on stderr too, and stdout may be JSON."""
    from paychain.report.ci import github

    try:
        for line in github.report(result, os.environ, annotates=format is not ReportFormat.GITHUB):
            print(line, file=sys.stderr)
    except UserError as error:  # not requested explicitly, so it does not affect the verdict
        print(error, file=sys.stderr)


def _exit_code(
    finished: Finished, comparison: Comparison | None, extras: _Extras, *, exit_zero: bool
) -> ExitCode:
    # An interruption overrides the verdict: the run is not the requested one.
    if finished.was_interrupted:
        return ExitCode.INTERRUPTED
    code = ExitCode.of_verdict(finished.result.verdict)
    if code is ExitCode.FAIL:
        return ExitCode.PASS if exit_zero else ExitCode.FAIL
    # A failed chain stays failed; a pass needs its requested outputs, too.
    if extras.problems:
        return ExitCode.INCONCLUSIVE
    if code is ExitCode.PASS and comparison is not None and comparison.regressions:
        return ExitCode.REGRESSION
    return code
