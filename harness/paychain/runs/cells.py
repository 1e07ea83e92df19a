"""One cell of a matrix: a short run, in whatever process or on whatever machine it is made."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.loading import Loaded, load_chain, load_experiment
from paychain.model.renaming import used_of
from paychain.payments.errors import UserError
from paychain.processes.scratch import scratch_folder
from paychain.report.html.matrix import Cell, judge_cell
from paychain.runs.chains import chain_of
from paychain.runs.run import run
from paychain.runs.spec import RunSpec, run_command

CELLS = "cells"


@dataclass(frozen=True, kw_only=True)
class CellSpec:
    """One cell as another process is given it."""

    chain_name: str  # as it was named
    path: Path  # of its experiment
    seed: int
    folder: Path  # of the matrix
    link: str
    fault: str
    is_real: bool
    names: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The folder of its runs."""
        return self.folder / CELLS / cell_name(self.link, self.fault)


@dataclass(frozen=True, kw_only=True)
class LoadedCell:
    """One cell with its files read: on another machine they are not there."""

    cell: CellSpec
    chain: Loaded[Chain]
    experiment: Loaded[Experiment]
    command: str


@dataclass(frozen=True, kw_only=True)
class DoneElsewhere:
    """A cell that another machine ran, with the files of its run, packed."""

    cell: CellSpec
    done: Cell
    packed: bytes


def cell_name(link: str, fault: str) -> str:
    """How the experiment of a cell and the folder of its runs are named."""
    return f"{link}.{fault}"


def loaded(cell: CellSpec) -> LoadedCell:
    """Read its files. Raises UserError."""
    chain = load_chain(cell.chain_name)
    experiment = load_experiment(str(cell.path), chain.model, cell.names, shares_names=True)
    return LoadedCell(
        cell=cell,
        chain=chain,
        experiment=experiment,
        command=run_command(
            cell.chain_name,
            str(cell.path),
            seed=cell.seed,
            virtual=not cell.is_real,
            names=used_of(cell.names, load_experiment(str(cell.path)).model),
        ),
    )


def run_cell(cell: CellSpec, _: Callable[[Any], None] | None = None) -> Cell:
    """Run one cell: a job of an executor of this machine."""
    return _run(loaded(cell))


def run_cell_elsewhere(cell: LoadedCell, _: Callable[[Any], None]) -> DoneElsewhere:
    """Run one cell on a machine that has not the folder of the matrix."""
    with scratch_folder() as folder:
        there = replace(cell, cell=replace(cell.cell, folder=folder))
        done = _run(there)
        written = io.BytesIO()
        home = there.cell.home
        with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
            for path in sorted(home.rglob("*")):
                packed.write(path, path.relative_to(home))
        return DoneElsewhere(cell=cell.cell, done=done, packed=written.getvalue())


def keep(done: DoneElsewhere, folder: Path) -> Cell:
    """Write the run of a cell into the folder of the matrix. Raises UserError when it cannot be."""
    try:
        with zipfile.ZipFile(io.BytesIO(done.packed)) as packed:
            packed.extractall(replace(done.cell, folder=folder).home)
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"cannot keep the run of {done.cell.link}: {error}") from error
    return done.done


def _run(cell: LoadedCell) -> Cell:
    spec = RunSpec(
        chain=cell.chain,
        experiment=cell.experiment,
        out=cell.cell.home,
        seed=cell.cell.seed,
        command=cell.command,
        virtual=not cell.cell.is_real,
    )
    finished = run(spec, chain_of(spec))
    if finished.was_interrupted:
        raise KeyboardInterrupt
    run_folder = finished.folder.relative_to(cell.cell.folder)
    return judge_cell(cell.cell.link, cell.cell.fault, finished.result, run_folder)
