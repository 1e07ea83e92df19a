"""paychain run: one experiment on one chain, from start to verdict."""

from __future__ import annotations

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
from paychain.cli.run_options import RunOptions
from paychain.cli.run_outputs import RunOutputs, signer_of

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
    typer.Option(
        help="processes of the mock links and proxies; auto: as many as keep all cores busy"
    ),
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
    from paychain.model.renaming import read_names
    from paychain.processes.exposition import exposed
    from paychain.runs import run as runs
    from paychain.runs.chains import chain_of
    from paychain.runs.determinism import DeterminismCheck
    from paychain.runs.live_metrics import LiveMetrics
    from paychain.runs.progress import choose

    # Before the run: everything that can be wrong with its options and files.
    format = chosen(format, json)
    options = RunOptions(
        seed=seed,
        virtual=virtual,
        interleaving=interleaving,
        check_determinism=check_determinism,
        toxiproxy=toxiproxy,
        workers=workers,
        master=master,
        processes=processes,
        metrics=metrics,
    )
    address = options.metrics_at
    spec = options.spec_of(chain, experiment, out=out, names=read_names(map_ or ()))
    outputs = RunOutputs(
        format=format,
        is_quiet=quiet,
        baseline=baseline,
        signer=signer_of(sign) if sign is not None else None,
        ctrf=ctrf,
        prometheus=prom,
    )
    outputs.refuse_impossible(experiment_sha256=spec.experiment.sha256, is_virtual=virtual)
    open_chain = chain_of(spec)
    shown = choose(quiet=quiet or format is not ReportFormat.TEXT)
    live = LiveMetrics.of(spec)
    followers = [shown]
    if address is not None:
        followers.append(live)
    if check_determinism:
        followers.append(DeterminismCheck(spec, shown.message))
    with exposed(address, live.text, shown.message):
        finished = runs.run(spec, open_chain, followers)
    raise typer.Exit(outputs.publish(finished, exit_zero=exit_zero))
