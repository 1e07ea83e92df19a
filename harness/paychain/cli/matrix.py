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

from paychain.cli import names as completed
from paychain.cli.exit_codes import ExitCode
from paychain.cli.on_cluster import opened
from paychain.cli.options import (
    MAX_JOBS,
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
from paychain.payments.errors import UserError, meant
from paychain.processes.interrupted import keeping

if TYPE_CHECKING:
    from paychain.model.chain import Chain
    from paychain.model.experiment import Experiment
    from paychain.model.loading import Loaded
    from paychain.processes.part import Part
    from paychain.report.html.matrix import Cell, Matrix
    from paychain.runs.matrix import MatrixSpec, OnCell


Faults = Annotated[
    list[str] | None,
    typer.Option(
        help="standard fault, by name or path; repeatable; default: all",
        autocompletion=completed.standard_faults,
    ),
]
Links = Annotated[
    list[str] | None,
    typer.Option(help="link to test; repeatable; default: all", autocompletion=completed.links),
]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--links",
        metavar="ROLE",
        help="role whose links to test, such as processors or services; repeatable",
        autocompletion=completed.roles,
    ),
]
Real = Annotated[bool, typer.Option("--real", help="run on real processes, one cell at a time")]
Resume = Annotated[
    Path | None, typer.Option(help="folder of a matrix to continue; created if it does not exist")
]
MatrixFolder = Annotated[Path, typer.Option(help="folder for the matrix")]
Jobs = Annotated[
    int,
    typer.Option(min=0, max=MAX_JOBS, help=f"cells at once, at most {MAX_JOBS}; 0: one per core"),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="print only the counts")]
ExitZero = Annotated[bool, typer.Option("--exit-zero", help="exit 0 even if a cell broke")]


def matrix(
    chain: ChainName,
    fault: Faults = None,
    link: Links = None,
    role: Roles = None,
    map_: Map = None,
    real: Real = False,
    resume: Resume = None,
    out: MatrixFolder = Path("reports"),
    seed: Seed = 1,
    jobs: Jobs = 0,
    part: PartOption = "1/1",
    cluster: ClusterOption = None,
    quiet: Quiet = False,
    format: Format = ReportFormat.TEXT,
    json: Json = False,
    exit_zero: ExitZero = False,
) -> None:
    """Inject every standard fault into every link, and report what held.

    Example: paychain matrix card-ecommerce --fault down --fault lost-answer

    How a checkout works without each of its third parties:
    paychain matrix checkout-page --links services --fault down
    """
    from paychain.model.loading import load_chain
    from paychain.model.renaming import read_names
    from paychain.processes.part import Part
    from paychain.runs.matrix import MatrixSpec

    format = chosen(format, json)
    if cluster is not None and real:
        raise UserError("--cluster cannot be combined with --real", hint="omit one of them")
    loaded = load_chain(chain)
    links = _links(chain, loaded.model, link or (), role or ())
    faults = _faults(fault or ())
    share = Part.read(part)
    if resume is not None:
        _refuse_other_folder(resume)
    folder = resume or _new_folder(out, loaded.model.chain, share)
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
    finished = _run(spec, cluster, _print_nothing if quiet else _print_cell)
    _print(finished, folder, format, is_quiet=quiet)
    if finished.interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    raise typer.Exit(ExitCode.PASS if exit_zero or finished.is_sound else ExitCode.FAIL)


def _run(spec: MatrixSpec, cluster: str | None, on_cell: OnCell) -> Matrix:
    """Run the cells on this machine, or on a cluster, in the matrix' folder."""
    from paychain.processes.files import make_folder
    from paychain.runs.matrix import run_matrix

    make_folder(spec.folder)
    resume = f"the runs so far are in {spec.folder}; continue with --resume {spec.folder}"
    with keeping(resume), opened(cluster) as workers:
        return run_matrix(replace(spec, cluster=workers), on_cell)


def _new_folder(out: Path, chain: str, part: Part) -> Path:
    """Where a matrix that begins now is kept; each part of one in a folder of its own."""
    from paychain.processes.part import WHOLE
    from paychain.runs.spec import folder_name

    name = folder_name(datetime.now(UTC), f"{chain}-matrix")
    return out / (name if part == WHOLE else f"{name}-{part.slug}")


def _refuse_other_folder(folder: Path) -> None:
    """Raise UserError for a folder of something else, whose files a matrix could overwrite."""
    from paychain.report.html.matrix import FILE_NAME
    from paychain.report.result import FILE_NAME as RESULT
    from paychain.runs.cells import CELLS

    if (folder / RESULT).exists():
        raise UserError(
            f"{folder} is a run", hint="name the folder that an interrupted matrix printed"
        )
    if (folder / FILE_NAME).exists() and not (folder / CELLS).is_dir():
        raise UserError(
            f"{folder} is a merged matrix, which cannot be continued",
            hint="continue its parts, and merge them again",
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CELLS).is_dir():
        raise UserError(f"{folder} has files, but no matrix", hint="name an empty folder")


def _print_nothing(*_: object) -> None:
    pass


def _print_cell(cell: Cell, done: int, total: int) -> None:
    from paychain.report.html.matrix import MARKS

    mark = f"{MARKS[cell.state]} {cell.state}"
    say(f"{done:>4}/{total}  {mark:<13} {cell.link} × {cell.fault}", is_error=True)


def _print(matrix: Matrix, folder: Path, format: ReportFormat, *, is_quiet: bool) -> None:
    from paychain.report.html.matrix import (
        FILE_NAME,
        broken_cells,
        counts_line,
        inconclusive_lines,
        terminal_lines,
    )

    match format:
        case ReportFormat.JSON:
            print((folder / FILE_NAME).read_text("utf-8"), end="")
        case ReportFormat.GITHUB:
            print("\n".join(broken_cells(matrix)))
        case ReportFormat.TEXT:
            say(*([counts_line(matrix)] if is_quiet else terminal_lines(matrix)))
            if is_quiet:
                say(*inconclusive_lines(matrix), is_error=True)
            say(f"report: {folder / 'matrix.html'}")


def _links(chain_name: str, chain: Chain, names: Sequence[str], roles: Sequence[str]) -> list[str]:
    """The links to test: those named and those of the roles; all, if neither is given.

    Raises UserError for a link or a role that the chain does not have.
    """
    for name in names:
        if name not in chain.links:
            raise UserError(f"no link '{name}' in {chain_name}", hint=meant(name, chain.links))
    of_roles = [name for role in roles for name in links_of_role(chain_name, chain, role)]
    return list(dict.fromkeys([*names, *of_roles])) or list(chain.links)


def _faults(names: Sequence[str]) -> list[Loaded[Experiment]]:
    """The standard faults of these names; all of them without one. Raises UserError."""
    from paychain.runs.matrix import standard_faults

    faults = standard_faults(names)
    if not faults:
        raise UserError(
            "there are no standard faults",
            hint='create an experiment with target {link: "*"}',
        )
    return faults


def links_of_role(chain_name: str, chain: Chain, role: str) -> list[str]:
    """The links of a role, which may be in the plural. Raises UserError when there are none."""
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
