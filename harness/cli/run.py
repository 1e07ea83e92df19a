"""paychain run: one experiment on one chain, from start to verdict."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

EXIT_CODES = {"pass": 0, "fail": 1, "inconclusive": 3}
REGRESSION = 4
INTERRUPTED = 130


def run(
    chain: Annotated[str, typer.Argument(help="name of a chain, or path of its file")],
    experiment: Annotated[str, typer.Argument(help="name of an experiment, or path of its file")],
    out: Annotated[Path, typer.Option(help="where runs are written")] = Path("reports"),
    seed: Annotated[int, typer.Option(help="repeats payments, service times and shares")] = 1,
    toxiproxy: Annotated[
        str | None, typer.Option(help="embedded (the default), or URL, path or name of a server")
    ] = None,
    virtual: Annotated[
        bool, typer.Option("--virtual", help="in virtual time: same code, no waiting, no processes")
    ] = False,
    check_determinism: Annotated[
        bool, typer.Option("--check-determinism", help="with --virtual: run twice and compare")
    ] = False,
    interleaving: Annotated[
        int, typer.Option(min=0, help="with --virtual: another order of events, as explore found")
    ] = 0,
    workers: Annotated[
        int, typer.Option(help="load processes that share the payments, on this machine")
    ] = 1,
    master: Annotated[
        str | None,
        typer.Option(help="wait at this HOST[:PORT] for workers that are started elsewhere"),
    ] = None,
    sign: Annotated[
        Path | None, typer.Option(help="sign the run with this private key, whatever its verdict")
    ] = None,
    ctrf: Annotated[
        bool, typer.Option("--ctrf", help="also write ctrf.json (Common Test Report Format)")
    ] = False,
    prom: Annotated[
        Path | None, typer.Option(help="also write gauges in Prometheus' text format here")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="a run to compare with: exit 4 when something became worse")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print result.json")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="print the verdict only")] = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="exit 0 also when a tolerance failed")
    ] = False,
) -> None:
    """Run an experiment on a chain and judge it.

    Example: paychain run card-ecommerce processor-down --seed 7
    """
    import msgspec
    from rich.console import Console

    from harness import conductor
    from harness import virtual as in_virtual_time
    from harness.comparing import check_baseline, compare_runs
    from harness.load.processes import TOKEN_VARIABLE
    from harness.load.spread import spread_over
    from harness.model.loading import load_chain, load_experiment
    from harness.order import Order
    from harness.payments.errors import UserError
    from harness.progress import choose
    from harness.report import github
    from harness.report.comparison import comparison_lines
    from harness.report.dsse import read_private_key
    from harness.report.evidence import sign_run
    from harness.report.outputs import publish, publish_for_tools
    from harness.report.prometheus import refuse_unwritable
    from harness.report.result import FILE_NAME
    from harness.report.terminal import show

    _check_options(
        virtual=virtual, repeats=check_determinism or bool(interleaving), toxiproxy=toxiproxy
    )
    spread = spread_over(workers, master, os.environ.get(TOKEN_VARIABLE, ""))
    if spread is not None and virtual:
        raise UserError("virtual time needs no workers", mend="leave --workers and --master out")
    loaded = load_chain(chain)
    wanted = load_experiment(experiment, loaded.model)
    command = f"paychain run {shlex.quote(chain)} {shlex.quote(experiment)} --seed {seed}"
    if toxiproxy is not None:
        command += f" --toxiproxy {shlex.quote(toxiproxy)}"
    if virtual:
        command += " --virtual"
    if workers > 1:
        command += f" --workers {workers}"
    if master is not None:
        command += f" --master {master}"
    if interleaving:
        command += f" --interleaving {interleaving}"
    if baseline is not None:
        check_baseline(baseline, chain=loaded.sha256, experiment=wanted.sha256, virtual=virtual)
    order = Order(loaded, wanted, out, seed, toxiproxy, command, spread=spread)
    signing = read_private_key(sign) if sign is not None else None
    if prom is not None:
        refuse_unwritable(prom)
    progress = choose(quiet=quiet or json)
    if virtual:
        finished = in_virtual_time.run(
            order, progress, check_determinism=check_determinism, interleaving=interleaving
        )
    else:
        finished = conductor.run(order, progress)
    beside = None
    if baseline is not None and finished.result.verdict != "inconclusive":
        beside = compare_runs(baseline, finished.folder)
        publish(msgspec.structs.replace(finished.result, comparison=beside), finished.folder)
    publish_for_tools(finished.result, finished.folder, ctrf=ctrf, prometheus=prom)
    if signing is not None:
        sign_run(finished.folder, signing)
    if json:
        print((finished.folder / FILE_NAME).read_text("utf-8"), end="")
    else:
        show(finished.result, Console(), is_quiet=quiet)
        if beside is not None:
            print("\n".join(comparison_lines(beside)))
        print(f"report: {finished.folder / 'report.html'}")
    for line in github.tell(finished.result, os.environ):
        print(line, file=sys.stderr)  # GitHub reads commands there, too; stdout may be JSON
    if finished.was_interrupted:
        raise typer.Exit(INTERRUPTED)
    code = EXIT_CODES[finished.result.verdict]
    if code == 0 and beside is not None and beside.regressions:
        raise typer.Exit(REGRESSION)
    raise typer.Exit(0 if exit_zero and code == 1 else code)


def _check_options(*, virtual: bool, repeats: bool, toxiproxy: str | None) -> None:
    from harness.payments.errors import UserError

    if virtual and toxiproxy is not None:
        raise UserError(
            "an external engine cannot run in virtual time",
            mend="leave --toxiproxy out: --virtual uses the embedded engine",
        )
    if repeats and not virtual:
        raise UserError("only virtual runs repeat exactly", mend="add --virtual")
