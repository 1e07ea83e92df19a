"""Every link × every standard fault: one short run per cell, and what each of them showed.

A standard fault is an experiment whose fault has the target `{link: "*"}`; a cell is that
experiment with the link's name put in, kept as a file of its own, so that each cell can be run
again.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from paychain.declaration.text import read_text
from paychain.faults.target import EVERY_LINK, for_one_link, may_be_for_every_link
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.files import available
from paychain.model.loading import Loaded, load_experiment
from paychain.model.renaming import Names
from paychain.model.virtual_services import refuse_processes
from paychain.payments.errors import UserError, meant
from paychain.processes.children import ending_signals
from paychain.processes.jobs import Executor, Running
from paychain.processes.part import WHOLE, Part
from paychain.processes.pool import Pool
from paychain.report.html.matrix import Cell, Matrix, judge_cell, not_run, write_matrix
from paychain.report.result import read
from paychain.runs.cells import (
    CELLS,
    CellSpec,
    cell_name,
    keep,
    loaded,
    run_cell,
    run_cell_elsewhere,
)
from paychain.runs.earlier_cells import EarlierCells

IN_ANOTHER_PART = "in another part"
OnCell = Callable[[Cell, int, int], None]  # a cell that is done, how many are done, of how many


@dataclass(frozen=True, kw_only=True)
class MatrixSpec:
    """What is to be run. `is_real`: with processes and sockets, one cell after the other."""

    chain_name: str  # as it was named
    chain: Loaded[Chain]
    faults: Sequence[Loaded[Experiment]]
    links: Sequence[str]
    folder: Path
    seed: int
    jobs: int
    is_real: bool
    command: str
    names: Names  # what the chain calls what the faults name
    part: Part = WHOLE
    cluster: Executor | None = None  # where its cells run, instead of on this machine


def standard_faults(names: Sequence[str] = ()) -> list[Loaded[Experiment]]:
    """The standard faults by name, all of them without one. Raises UserError for an unknown one."""
    if names:
        found = []
        for name in names:
            if name == Path(name).stem and name not in available("experiment"):
                known = [fault.model.experiment for fault in standard_faults()]
                raise UserError(f"no standard fault named '{name}'", hint=meant(name, known))
            found.append(load_experiment(name))
        for fault in found:
            if not is_standard_fault(fault.model) or not may_be_for_every_link(fault.text):
                raise UserError(
                    f"{fault.path} is not a standard fault",
                    hint=f'target: {{link: "{EVERY_LINK}"}}',
                )
        return found
    loaded = [
        load_experiment(str(path))
        for path in available("experiment").values()
        if may_be_for_every_link(read_text(path)[0])
    ]
    return sorted(
        (fault for fault in loaded if is_standard_fault(fault.model)),
        key=lambda fault: fault.model.experiment,
    )


def is_standard_fault(experiment: Experiment) -> bool:
    """Whether its fault is for every link, and the matrix puts each link's name in."""
    return any(
        target.link == EVERY_LINK for fault in experiment.faults for target in fault.every_target
    )


class _Planned(NamedTuple):
    """One cell of a matrix before it runs.

    `path`: its own file, None where the link cannot have the fault. `run`: that of the cell which
    was done before, if there is one.
    """

    link: str
    fault: str
    path: Path | None
    run: Path | None

    @property
    def key(self) -> tuple[str, str]:
        """What the cell is found by."""
        return self.link, self.fault


def run_matrix(spec: MatrixSpec, on_cell: OnCell) -> Matrix:
    """Run every cell that has not run yet, and write the matrix.

    Ctrl-C keeps what is done, and so do SIGTERM and a closed terminal.

    Raises UserError for a chain that cannot run as it is asked to, and for a folder with cells of a
    different matrix.
    """
    if not spec.is_real:
        refuse_processes(spec.chain.model, "a matrix in virtual time", hint="add --real")
    earlier = EarlierCells(
        spec.folder,
        spec.chain,
        seed=spec.seed,
        is_virtual=not spec.is_real,
        names=spec.names,
    )
    keys = [(link, fault.model.experiment) for link in spec.links for fault in spec.faults]
    ours = set(spec.part.share_of(keys))
    earlier.refuse_left_out(ours)
    planned = list(_cells(spec, earlier))
    done: dict[tuple[str, str], Cell] = {}
    waiting = []
    for link, fault, path, run in planned:
        if (link, fault) not in ours:
            done[link, fault] = not_run(link, fault, IN_ANOTHER_PART)
        elif path is None:
            done[link, fault] = not_run(link, fault, "this link cannot have the fault")
        elif run is not None:
            done[link, fault] = judge_cell(link, fault, read(run), run.relative_to(spec.folder))
        else:
            waiting.append(_spec_of_cell(spec, link, fault, path))
    interrupted = False
    with _signals_as_ctrl_c():
        try:
            for cell in _run_all(spec, waiting):
                done[cell.link, cell.fault] = cell
                on_cell(cell, len(done) - len(planned) + len(ours), len(ours))
        except KeyboardInterrupt:
            interrupted = True
    for each in planned:
        done.setdefault(each.key, not_run(*each.key, "the matrix was interrupted"))
    matrix = Matrix(
        chain=spec.chain.model.chain,
        title=spec.chain.model.title,
        seed=spec.seed,
        virtual=not spec.is_real,
        command=spec.command,
        interrupted=interrupted,
        part=str(spec.part) if spec.part != WHOLE else "",
        digest=_digest(spec),
        version=version("paychain"),
        links=list(spec.links),
        faults={fault.model.experiment: fault.model.title for fault in spec.faults},
        cells=[done[each.key] for each in planned],
        providers={
            link: list(named)
            for link in spec.links
            if (named := spec.chain.model.links[link].depends_on)
        },
    )
    write_matrix(matrix, spec.folder)
    return matrix


def _digest(spec: MatrixSpec) -> str:
    texts = (spec.chain.text, *(fault.text for fault in spec.faults))
    return sha256("\0".join(texts).encode()).hexdigest()


def _cells(spec: MatrixSpec, earlier: EarlierCells) -> Iterator[_Planned]:
    """Every cell, with its own file written where the link can have the fault."""
    for link in spec.links:
        for fault in spec.faults:
            path = spec.folder / CELLS / f"{cell_name(link, fault.model.experiment)}.yaml"
            text = for_one_link(fault.text, link)
            run = earlier.run_of(link, fault.model, text)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            try:
                load_experiment(str(path), spec.chain.model, spec.names, shares_names=True)
            except UserError:
                path.unlink()
                yield _Planned(link, fault.model.experiment, None, None)
            else:
                yield _Planned(link, fault.model.experiment, path, run)


def _run_all(spec: MatrixSpec, cells: Sequence[CellSpec]) -> Iterator[Cell]:
    if spec.is_real:
        for cell in cells:
            yield run_cell(cell)
        return
    if spec.cluster is None:
        with Pool(spec.jobs).start(run_cell, cells) as running:
            yield from _ended(running, len(cells))
        return
    with spec.cluster.start(run_cell_elsewhere, [loaded(cell) for cell in cells]) as running:
        for done in _ended(running, len(cells)):
            yield keep(done, spec.folder)


def _ended(running: Running, cells: int) -> Iterator[Any]:
    """What became of each cell, as they end."""
    while cells:
        for report in running.receive():
            yield report.value
            cells -= 1


@contextmanager
def _signals_as_ctrl_c() -> Iterator[None]:
    """Let whatever asks for the end do what Ctrl-C does; a run inside has handlers of its own."""
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in ending_signals():
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _spec_of_cell(spec: MatrixSpec, link: str, fault: str, path: Path) -> CellSpec:
    return CellSpec(
        chain_name=spec.chain_name,
        path=path,
        seed=spec.seed,
        folder=spec.folder,
        link=link,
        fault=fault,
        is_real=spec.is_real,
        names=dict(spec.names),
    )
