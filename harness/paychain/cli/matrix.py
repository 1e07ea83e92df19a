"""paychain matrix: every link × every standard fault, as one report."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paychain.cli.exit_codes import ExitCode
from paychain.cli.on_cluster import opened
from paychain.cli.options import (
    ChainName,
    ClusterOption,
    Format,
    Json,
    Map,
    PartOption,
    ReportFormat,
    Seed,
    chosen,
)
from paychain.cli.say import say
from paychain.processes.interrupted import keeping

if TYPE_CHECKING:
    from paychain.model.chain import Chain
    from paychain.report.html.matrix import Cell, Matrix


def matrix(
    chain: ChainName,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="standard fault, by name or path; repeatable; default: all"),
    ] = None,
    link: Annotated[
        list[str] | None, typer.Option(help="link to test; repeatable; default: all")
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option(
            "--links",
            metavar="ROLE",
            help="role whose links to test, such as processors or services; repeatable",
        ),
    ] = None,
    map_: Map = None,
    real: Annotated[
        bool, typer.Option("--real", help="run on real processes, one cell at a time")
    ] = False,
    resume: Annotated[
        Path | None, typer.Option(help="folder of an interrupted matrix to continue")
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for the matrix")] = Path("reports"),
    seed: Seed = 1,
    jobs: Annotated[int, typer.Option(min=0, help="cells at once; 0: one per core")] = 0,
    part: PartOption = "1/1",
    cluster: ClusterOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="print only the counts")] = False,
    format: Format = ReportFormat.TEXT,
    json: Json = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="exit 0 even if a cell broke")
    ] = False,
) -> None:
    """Inject every standard fault into every link, and report what held.

    Example: paychain matrix card-ecommerce --fault down --fault lost-answer

    What a checkout is without each of its third parties:
    paychain matrix checkout-page --links services --fault down
    """
    from paychain.model.loading import load_chain
    from paychain.model.renaming import read_names
    from paychain.payments.errors import UserError
    from paychain.processes.files import make_folder
    from paychain.processes.part import WHOLE, Part
    from paychain.report.html.matrix import MARKS
    from paychain.runs.matrix import MatrixSpec, run_matrix, standard_faults

    format = chosen(format, json)
    if cluster is not None and real:
        raise UserError("--cluster cannot be combined with --real", hint="omit one of them")
    loaded = load_chain(chain)
    _refuse_unknown_links(chain, loaded.model, link or ())
    of_roles = [name for each in role or () for name in links_of_role(chain, loaded.model, each)]
    links = list(dict.fromkeys([*(link or ()), *of_roles])) or list(loaded.model.links)
    faults = standard_faults(fault or ())
    if not faults:
        raise UserError(
            "there are no standard faults",
            hint='create an experiment with target {link: "*"}',
        )
    share = Part.read(part)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{loaded.model.chain}-matrix"
    if resume is not None:
        _refuse_to_resume(resume)
    folder = resume or out / (name if share == WHOLE else f"{name}-{share.slug}")
    make_folder(folder)

    def on_cell(cell: Cell, done: int, total: int) -> None:
        if not quiet:
            mark = f"{MARKS[cell.state]} {cell.state}"
            say(f"{done:>4}/{total}  {mark:<13} {cell.link} × {cell.fault}", is_error=True)

    spec = MatrixSpec(
        chain_name=chain,
        chain=loaded,
        faults=faults,
        links=links,
        folder=folder,
        seed=seed,
        jobs=jobs or os.cpu_count() or 1,
        is_real=real,
        names=read_names(map_ or ()),
        part=share,
        command=_command(
            chain,
            seed=seed,
            is_real=real,
            faults=fault or (),
            links=link or (),
            roles=role or (),
            names=map_ or (),
        ),
    )
    with (
        keeping(f"the runs so far are in {folder}; continue with --resume {folder}"),
        opened(cluster) as workers,
    ):
        finished = run_matrix(replace(spec, cluster=workers), on_cell)
    _print(finished, folder, format, is_quiet=quiet)
    if finished.interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    raise typer.Exit(ExitCode.PASS if exit_zero or finished.is_sound else ExitCode.FAIL)


def _refuse_to_resume(folder: Path) -> None:
    """Raise UserError for what no matrix can have begun in, be it before its first cell."""
    from paychain.payments.errors import UserError
    from paychain.report.result import FILE_NAME as RESULT

    hint = "name the folder that an interrupted matrix printed"
    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}", hint=hint)
    if (folder / RESULT).exists():
        raise UserError(f"{folder} is a run", hint=hint)


def _print(matrix: Matrix, folder: Path, format: ReportFormat, *, is_quiet: bool) -> None:
    from paychain.report.html.matrix import FILE_NAME, broken_cells, terminal_lines

    match format:
        case ReportFormat.JSON:
            print((folder / FILE_NAME).read_text("utf-8"), end="")
        case ReportFormat.GITHUB:
            print("\n".join(broken_cells(matrix)))
        case ReportFormat.TEXT:
            lines = terminal_lines(matrix)
            if is_quiet:
                lines = [line for line in lines if " held " in line][:1]
            say(*lines)
            say(f"report: {folder / 'matrix.html'}")


def _refuse_unknown_links(chain_name: str, chain: Chain, links: Sequence[str]) -> None:
    from paychain.payments.errors import UserError, meant

    for name in links:
        if name not in chain.links:
            raise UserError(f"no link '{name}' in {chain_name}", hint=meant(name, chain.links))


def links_of_role(chain_name: str, chain: Chain, role: str) -> list[str]:
    """The links of a role, which may be in the plural. Raises UserError when there are none."""
    from paychain.payments.errors import UserError, meant

    roles = list(dict.fromkeys(link.role for link in chain.links.values()))
    found = [name for name, link in chain.links.items() if role in (link.role, f"{link.role}s")]
    if not found:
        what = f"no link of {chain_name} has the role '{role}'"
        raise UserError(what, hint=meant(role, roles))
    return found


def _command(
    chain: str,
    *,
    seed: int,
    is_real: bool,
    faults: Sequence[str],
    links: Sequence[str],
    roles: Sequence[str],
    names: Sequence[str],
) -> str:
    """The command that makes this matrix again."""
    words = ["paychain", "matrix", chain, "--seed", str(seed)]
    if is_real:
        words.append("--real")
    for name in faults:
        words += ["--fault", name]
    for name in links:
        words += ["--link", name]
    for name in roles:
        words += ["--links", name]
    for name in names:
        words += ["--map", name]
    return shlex.join(words)
