"""paychain run: one experiment on one chain, from start to verdict."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

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
from paychain.cli.run_outputs import RunOutputs, signer_of
from paychain.payments.errors import UserError

Virtual = Annotated[
    bool,
    typer.Option("--virtual", help="run in virtual time: same code, no waiting, no processes"),
]
CheckDeterminism = Annotated[
    bool, typer.Option("--check-determinism", help="with --virtual: run twice and compare")
]
Interleaving = Annotated[
    int, typer.Option(min=0, help="with --virtual: the order of events that explore reported")
]
Workers = Annotated[
    int, typer.Option(help="load processes on this machine, among which payments are shared")
]
Master = Annotated[
    str | None,
    typer.Option(help="HOST[:PORT] at which to wait for workers on other machines"),
]
Processes = Annotated[
    str | None,
    typer.Option(help="processes of the mock links and proxies; auto: one for each core"),
]
Sign = Annotated[
    Path | None,
    typer.Option(help="private key file to sign the run with, whatever its verdict"),
]
Baseline = Annotated[
    Path | None, typer.Option(help="run to compare with; exit 4 if anything became worse")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="print only the verdict")]
ExitZero = Annotated[
    bool, typer.Option("--exit-zero", help="exit 0 even if a tolerance or money rule failed")
]


def run(
    chain: ChainName,
    experiment: ExperimentName,
    out: Out = Path("reports"),
    seed: Seed = 1,
    map_: Map = None,
    toxiproxy: Toxiproxy = None,
    virtual: Virtual = False,
    check_determinism: CheckDeterminism = False,
    interleaving: Interleaving = 0,
    workers: Workers = 1,
    master: Master = None,
    processes: Processes = None,
    sign: Sign = None,
    ctrf: Ctrf = False,
    prom: Prometheus = None,
    metrics: Metrics = None,
    baseline: Baseline = None,
    format: Format = ReportFormat.TEXT,
    json: Json = False,
    quiet: Quiet = False,
    exit_zero: ExitZero = False,
) -> None:
    """Run an experiment on a chain and judge it.

    Example: paychain run card-ecommerce processor-down --seed 7

    An outage of a provider that has another name in the chain:
    paychain run shop.yaml aws-us-east-1-2025-10-20 --map aws-us-east-1=my-cloud
    """
    from paychain.load.distributed.spread import spread_over
    from paychain.model.loading import load_chain, load_experiment
    from paychain.model.renaming import read_names
    from paychain.processes.exposition import address_of
    from paychain.processes.tokens import TOKEN_VARIABLE
    from paychain.runs import run as runs
    from paychain.runs.chains import chain_of
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
    outputs = RunOutputs(
        format=format,
        is_quiet=quiet,
        baseline=baseline,
        signer=signer_of(sign) if sign is not None else None,
        ctrf=ctrf,
        prometheus=prom,
    )
    outputs.refuse_impossible(experiment_sha256=declared.sha256, is_virtual=virtual)
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
    show = choose(quiet=quiet or format is not ReportFormat.TEXT)
    finished = runs.run(spec, chain_of(spec), show)
    raise typer.Exit(outputs.publish(finished, exit_zero=exit_zero))


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
            "a virtual run ends before its metrics could be scraped",
            hint="omit --metrics; --prom FILE writes those of its result",
        )
    if virtual and has_processes:
        raise UserError("virtual time runs in one process", hint="omit --processes")
    if repeats and not virtual:
        raise UserError("only virtual runs are deterministic", hint="add --virtual")
