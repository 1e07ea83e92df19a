"""Arguments and options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ChainName = Annotated[str, typer.Argument(metavar="CHAIN", help="chain, by name or path")]
ExperimentName = Annotated[
    str, typer.Argument(metavar="EXPERIMENT", help="experiment, by name or path")
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="a run directory")]
RunOrHistory = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="a run directory; with --history the folder of all runs"),
]
Out = Annotated[Path, typer.Option(help="folder for run directories")]
Seed = Annotated[
    int, typer.Option(help="random seed; the same seed repeats payments, service times and shares")
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="NAME=NAME",
        help="provider or link that the experiment names, and the chain's own; repeatable",
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
PartOption = Annotated[
    str,
    typer.Option(
        "--part",
        metavar="I/N",
        help="do one of N parts, e.g. 2/4; auto: as the variables of the CI system say; "
        "paychain merge puts the parts together",
    ),
]
