"""Arguments and options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from paychain.cli import names
from paychain.payments.errors import UserError


class ListFormat(StrEnum):
    """How a command prints what only people and programs read."""

    TEXT = "text"
    JSON = "json"


class ReportFormat(StrEnum):
    """How a command prints what a run showed; `github`: workflow commands that annotate lines."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


Format = Annotated[
    ReportFormat, typer.Option("--format", help="how to print it; github: as annotations")
]
Json = Annotated[bool, typer.Option("--json", help="short for --format json")]


def chosen(format: ReportFormat, json: bool) -> ReportFormat:
    """The format, of which `--json` is a short form. Raises UserError for two of them."""
    if not json:
        return format
    if format is ReportFormat.GITHUB:
        raise UserError("--json and --format github exclude each other", hint="omit one of them")
    return ReportFormat.JSON


MAX_JOBS = 256  # processes at once: more is a slip of the pen, and too much for one machine

ChainName = Annotated[
    str,
    typer.Argument(metavar="CHAIN", help="chain, by name or path", autocompletion=names.chains),
]
ExperimentName = Annotated[
    str,
    typer.Argument(
        metavar="EXPERIMENT",
        help="experiment, by name or path",
        autocompletion=names.experiments,
    ),
]


def given(context: typer.Context, parameters: Sequence[str]) -> list[str]:
    """Those of these parameters that the user gave a value; the others have their defaults."""
    sources = {name: context.get_parameter_source(name) for name in parameters}
    # The enumeration of the sources has moved between versions of Typer; its names have not.
    return [
        name
        for name, source in sources.items()
        if source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")
    ]


def refuse_file(folder: Path) -> Path:
    """The folder that was given. Raises UserError for a file, be it one of a run."""
    if folder.is_file():
        is_of_run = (folder.parent / "run.db").exists() or (folder.parent / "result.json").exists()
        named = f"its run directory: {folder.parent}" if is_of_run else "a run directory"
        raise UserError(f"{folder} is a file", hint=f"name {named}")
    return folder


RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="a run directory", callback=refuse_file)
]
RunOrHistory = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        help="a run directory; with --history the folder of all runs",
        callback=refuse_file,
    ),
]
Out = Annotated[Path, typer.Option(help="folder for run directories")]
Seed = Annotated[
    int,
    typer.Option(
        help="random seed; the same seed repeats payments, service times and random draws"
    ),
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="NAME=NAME",
        help="provider or link of the experiment, and its name in the chain; repeatable",
    ),
]
Toxiproxy = Annotated[
    str | None,
    typer.Option(
        help="fault engine: embedded (the default), or the URL, path or name of a Toxiproxy server"
    ),
]
Ctrf = Annotated[bool, typer.Option("--ctrf", help="also write ctrf.json (Common Test Report)")]
Prometheus = Annotated[
    Path | None, typer.Option(help="also write metrics to this file in Prometheus text format")
]
Metrics = Annotated[
    str | None,
    typer.Option(
        metavar="[HOST:]PORT",
        help="serve metrics in Prometheus text format at this port while it runs",
    ),
]
PartOption = Annotated[
    str,
    typer.Option(
        "--part",
        metavar="I/N",
        help="run part I of N, e.g. 2/4; auto: from the CI system's variables; "
        "paychain merge puts the parts together",
    ),
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="tcp://HOST:PORT",
        help="use the workers of the Dask cluster with this scheduler (extra: cluster)",
    ),
]
