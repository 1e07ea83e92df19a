"""paychain run: one experiment on one chain, from start to verdict."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from paychain.cli.exit_codes import ExitCode
from paychain.cli.options import (
    ChainName,
    Ctrf,
    ExperimentName,
    Format,
    Json,
    Map,
    Metrics,
    Out,
    Prometheus,
    ReportFormat,
    Seed,
    Toxiproxy,
    chosen,
)
from paychain.cli.reading import reading
from paychain.cli.say import say
from paychain.payments.errors import UserError, sentence_of
from paychain.processes.interrupted import keeping

if TYPE_CHECKING:
    from paychain.analysis.comparison import Comparison
    from paychain.report.result import Result
    from paychain.runs.spec import Finished

Made = TypeVar("Made")


def run(
    chain: ChainName,
    experiment: ExperimentName,
    out: Out = Path("reports"),
    seed: Seed = 1,
    map_: Map = None,
    toxiproxy: Toxiproxy = None,
    virtual: Annotated[
        bool,
        typer.Option("--virtual", help="run in virtual time: same code, no waiting, no processes"),
    ] = False,
    check_determinism: Annotated[
        bool, typer.Option("--check-determinism", help="with --virtual: run twice and compare")
    ] = False,
    interleaving: Annotated[
        int, typer.Option(min=0, help="with --virtual: the order of events that explore reported")
    ] = 0,
    workers: Annotated[
        int, typer.Option(help="load processes on this machine, which share the payments")
    ] = 1,
    master: Annotated[
        str | None,
        typer.Option(help="HOST[:PORT] at which to wait for workers on other machines"),
    ] = None,
    processes: Annotated[
        str | None,
        typer.Option(help="processes of the mock links and proxies; auto: one for each core"),
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option(help="private key file to sign the run with, whatever its verdict"),
    ] = None,
    ctrf: Ctrf = False,
    prom: Prometheus = None,
    metrics: Metrics = None,
    baseline: Annotated[
        Path | None, typer.Option(help="run to compare with; exit 4 if anything became worse")
    ] = None,
    format: Format = ReportFormat.TEXT,
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="print only the verdict")] = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="exit 0 even if a tolerance or money rule failed")
    ] = False,
) -> None:
    """Run an experiment on a chain and judge it.

    Example: paychain run card-ecommerce processor-down --seed 7

    An outage of a provider that the chain calls otherwise:
    paychain run shop.yaml aws-us-east-1-2025-10-20 --map aws-us-east-1=my-cloud
    """
    from paychain.load.distributed.spread import spread_over
    from paychain.model.loading import load_chain, load_experiment
    from paychain.model.renaming import read_names
    from paychain.processes.exposition import address_of
    from paychain.processes.tokens import TOKEN_VARIABLE
    from paychain.report.ci.prometheus import refuse_unwritable
    from paychain.report.outputs import publish_for_tools
    from paychain.runs import run as runs
    from paychain.runs.chains import chain_of
    from paychain.runs.comparison import check_baseline
    from paychain.runs.progress import choose
    from paychain.runs.spec import RunSpec, run_command

    # Before the run: everything that can be wrong with its options and files.
    format = chosen(format, json)
    number = _processes(processes) if processes is not None else None
    _refuse_conflicts(
        virtual=virtual,
        has_processes=processes is not None,
        repeats=check_determinism or bool(interleaving),
        has_workers=workers > 1 or master is not None,
        toxiproxy=toxiproxy,
        has_metrics=metrics is not None,
    )
    spread = spread_over(workers, master, os.environ.get(TOKEN_VARIABLE, ""))
    names = read_names(map_ or ())
    loaded = load_chain(chain)
    declared = load_experiment(experiment, loaded.model, names)
    if baseline is not None:
        check_baseline(baseline, experiment=declared.sha256, virtual=virtual)
    signer = _signer(sign) if sign is not None else None
    if prom is not None:
        refuse_unwritable(prom)
    spec = RunSpec(
        chain=loaded,
        experiment=declared,
        out=out,
        seed=seed,
        command=run_command(
            chain,
            experiment,
            seed=seed,
            toxiproxy=toxiproxy,
            virtual=virtual,
            workers=workers,
            master=master,
            processes=processes,
            interleaving=interleaving,
            names=names,
        ),
        names=names,
        toxiproxy=toxiproxy,
        spread=spread,
        processes=number,
        virtual=virtual,
        interleaving=interleaving,
        check_determinism=check_determinism,
        metrics=address_of(metrics) if metrics is not None else None,
    )

    finished = runs.run(
        spec, chain_of(spec), choose(quiet=quiet or format is not ReportFormat.TEXT)
    )

    # After it: whatever the verdict, every output that was asked for is written.
    extras = _Extras()
    comparison = None
    with keeping(f"the run and its report are in {finished.folder}"):
        if baseline is not None:
            comparison = extras.get(lambda: _compare(finished, baseline))
        extras.get(
            lambda: publish_for_tools(finished.result, finished.folder, ctrf=ctrf, prometheus=prom)
        )
        if signer is not None:
            extras.get(lambda: signer(finished.folder))
        print_run(finished.result, finished.folder, comparison, format=format, is_quiet=quiet)
        _report_to_ci(finished.result, format)
    for problem in extras.problems:
        print(problem, file=sys.stderr)
    raise typer.Exit(_exit_code(finished, comparison, extras, exit_zero=exit_zero))


def _signer(private_key: Path) -> Callable[[Path], Path]:
    """What signs a run's folder. Raises UserError when the file holds no private key."""
    # Cryptography takes longer to import than a short run lasts, and few runs are signed.
    from paychain.report.evidence.dsse import read_private_key
    from paychain.report.evidence.files import sign_run

    key = read_private_key(private_key)
    return lambda folder: sign_run(folder, key)


class _Extras:
    """What is made of a run that is over, when it can be: the verdict is not lost by it."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def get(self, make: Callable[[], Made]) -> Made | None:
        """What it makes; None when that fails, which is then a problem."""
        try:
            return make()
        except (UserError, OSError, sqlite3.Error) as error:
            self.problems.append(sentence_of(error))
            return None


def _processes(text: str) -> int:
    """How many processes an option asks for. Raises UserError."""
    from paychain.environment.shares import processes_of
    from paychain.model.experiment import MAX_PROCESSES, MIN_PROCESSES

    number = int(text) if text.isascii() and text.isdigit() else 0
    if text != "auto" and not MIN_PROCESSES <= number <= MAX_PROCESSES:
        raise UserError(
            f"cannot run the links and the fault engine in '{text}' processes",
            hint=f"use auto, or {MIN_PROCESSES} to {MAX_PROCESSES}",
        )
    return processes_of(number or text)


def _refuse_conflicts(
    *,
    virtual: bool,
    repeats: bool,
    has_workers: bool,
    has_processes: bool,
    has_metrics: bool,
    toxiproxy: str | None,
) -> None:
    if virtual and toxiproxy is not None:
        raise UserError(
            "an external engine cannot run in virtual time",
            hint="omit --toxiproxy: --virtual uses the embedded engine",
        )
    if virtual and has_workers:
        raise UserError("virtual time uses no workers", hint="omit --workers and --master")
    if virtual and has_metrics:
        raise UserError(
            "a virtual run is over before anybody could read its metrics",
            hint="omit --metrics; --prom FILE writes those of its result",
        )
    if virtual and has_processes:
        raise UserError("virtual time runs in one process", hint="omit --processes")
    if repeats and not virtual:
        raise UserError("only virtual runs are deterministic", hint="add --virtual")


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


def print_run(
    result: Result,
    folder: Path,
    comparison: Comparison | None,
    *,
    format: ReportFormat,
    is_quiet: bool,
) -> None:
    """Print what came of a run."""
    from rich.console import Console

    from paychain.report.ci.github import regressions, workflow_commands
    from paychain.report.result import FILE_NAME
    from paychain.report.text.comparison import comparison_lines
    from paychain.report.text.terminal import show

    if format is ReportFormat.JSON:
        print((folder / FILE_NAME).read_text("utf-8"), end="")
        return
    if format is ReportFormat.GITHUB:
        lines = workflow_commands(result)
        print("\n".join(lines + (regressions(comparison) if comparison is not None else [])))
        return
    show(result, Console(), is_quiet=is_quiet)
    if comparison is not None:
        print("\n".join(comparison_lines(comparison)))
    say(f"report: {folder / 'report.html'}")


def _report_to_ci(result: Result, format: ReportFormat) -> None:
    """Print GitHub's workflow commands; it reads them on stderr too, and stdout may be JSON."""
    from paychain.report.ci import github

    try:
        for line in github.report(result, os.environ, annotates=format is not ReportFormat.GITHUB):
            print(line, file=sys.stderr)
    except UserError as error:  # nobody asked for it: it takes nothing from the verdict
        print(error, file=sys.stderr)


def _exit_code(
    finished: Finished, comparison: Comparison | None, extras: _Extras, *, exit_zero: bool
) -> ExitCode:
    # An interruption comes before the verdict: the run is not the one that was asked for.
    if finished.was_interrupted:
        return ExitCode.INTERRUPTED
    code = ExitCode.of_verdict(finished.result.verdict)
    if code is ExitCode.FAIL:
        return ExitCode.PASS if exit_zero else ExitCode.FAIL
    # A failed chain stays one; a pass without what was asked for beside it is none.
    if extras.problems:
        return ExitCode.INCONCLUSIVE
    if code is ExitCode.PASS and comparison is not None and comparison.regressions:
        return ExitCode.REGRESSION
    return code
