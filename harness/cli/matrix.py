"""paychain matrix: every link × every standard fault, as one report."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

BROKEN = 1
INTERRUPTED = 130


def matrix(
    chain: Annotated[str, typer.Argument(help="name of a chain, or path of its file")],
    fault: Annotated[
        list[str] | None, typer.Option(help="a standard fault by name or path; all without it")
    ] = None,
    link: Annotated[list[str] | None, typer.Option(help="a link; all without it")] = None,
    real: Annotated[
        bool, typer.Option("--real", help="real processes, one cell after the other")
    ] = False,
    resume: Annotated[
        Path | None, typer.Option(help="go on with a matrix that was interrupted")
    ] = None,
    out: Annotated[Path, typer.Option(help="where the matrix is written")] = Path("reports"),
    seed: Annotated[int, typer.Option(help="repeats payments, service times and shares")] = 1,
    jobs: Annotated[int, typer.Option(min=0, help="cells at once; 0: one per core")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="print the counts only")] = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="exit 0 also when a cell broke")
    ] = False,
) -> None:
    """Strike every link with every standard fault that it can have; say what held.

    Example: paychain matrix card-ecommerce --fault down --fault lost-answer
    """
    import shlex
    import sys

    from harness.matrix import MatrixOrder, run_matrix, standard_faults
    from harness.model.loading import load_chain
    from harness.payments.errors import UserError, meant
    from harness.report.matrix import MARKS, Cell, terminal_lines

    loaded = load_chain(chain)
    links = link or list(loaded.model.links)
    for name in links:
        if name not in loaded.model.links:
            raise UserError(f"no link '{name}' in {chain}", mend=meant(name, loaded.model.links))
    faults = standard_faults(fault or ())
    if not faults:
        raise UserError("there are no standard faults", mend='a fault with target {link: "*"}')
    folder = resume or out / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{loaded.model.chain}-matrix"
    folder.mkdir(parents=True, exist_ok=True)
    words = [
        "paychain", "matrix", chain, "--seed", str(seed), *(["--real"] if real else []),
        *(word for name in fault or () for word in ("--fault", name)),
        *(word for name in link or () for word in ("--link", name)),
    ]  # fmt: skip

    def told(cell: Cell, done: int, of: int) -> None:
        if not quiet:
            mark = f"{MARKS[cell.state]} {cell.state}"
            print(f"{done:>4}/{of}  {mark:<13} {cell.link} × {cell.fault}", file=sys.stderr)

    made = run_matrix(
        MatrixOrder(
            chain, loaded, faults, links, folder, seed, jobs or os.cpu_count() or 1, real,
            shlex.join(words),
        ),
        told,
    )  # fmt: skip
    lines = terminal_lines(made)
    print("\n".join(lines if not quiet else [one for one in lines if " held " in one][:1]))
    print(f"report: {folder / 'matrix.html'}")
    if made.interrupted:
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(0 if exit_zero or made.is_sound else BROKEN)
