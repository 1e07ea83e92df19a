"""Every link × every standard fault: one short run per cell, and what each of them showed.

A standard fault is an experiment whose fault strikes the link "*"; a cell is that experiment with
the link's name put in, kept as a file of its own, so that each cell can be run again.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from harness.model.chain import Chain
from harness.model.experiment import Experiment
from harness.model.fault import EVERY_LINK
from harness.model.loading import Loaded, available, load_chain, load_experiment
from harness.order import Order
from harness.payments.errors import UserError
from harness.progress import Silent
from harness.report.matrix import Cell, Matrix, judge_cell, not_run, write_matrix
from harness.report.result import FILE_NAME, read

CELLS = "cells"
Told = Callable[[Cell, int, int], None]  # a cell that is done, how many are, of how many


@dataclass(frozen=True)
class MatrixOrder:
    """What is to be run. `is_real`: with processes and sockets, one cell after the other."""

    spec: str  # the chain as it was named
    chain: Loaded[Chain]
    faults: Sequence[Loaded[Experiment]]
    links: Sequence[str]
    folder: Path
    seed: int
    jobs: int
    is_real: bool
    command: str


def standard_faults(names: Sequence[str] = ()) -> list[Loaded[Experiment]]:
    """The standard faults by name, all of them without one. Raises UserError for an unknown one."""
    if names:
        found = [load_experiment(name) for name in names]
        for one in found:
            if not strikes_every_link(one.model):
                raise UserError(
                    f"{one.path} is no standard fault", mend=f'target: {{link: "{EVERY_LINK}"}}'
                )
        return found
    loaded = [load_experiment(str(path)) for path in available("experiment").values()
              if f'"{EVERY_LINK}"' in path.read_text("utf-8")]  # fmt: skip
    return sorted(
        (one for one in loaded if strikes_every_link(one.model)),
        key=lambda one: one.model.experiment,
    )


def strikes_every_link(experiment: Experiment) -> bool:
    """Whether it is a standard fault."""
    return any(fault.target.link == EVERY_LINK for fault in experiment.faults)


def run_matrix(order: MatrixOrder, told: Told) -> Matrix:
    """Run every cell that has not run yet, and write the matrix. Ctrl-C keeps what is done."""
    planned = list(_cells(order))
    done: dict[tuple[str, str], Cell] = {}
    waiting = []
    for link, fault, path in planned:
        if path is None:
            done[link, fault] = not_run(link, fault, "the fault cannot strike this link")
        elif (run := _finished(order, link, fault)) is not None:
            done[link, fault] = judge_cell(link, fault, read(run), run.relative_to(order.folder))
        else:
            waiting.append((link, fault, path))
    try:
        for cell in _run_all(order, waiting):
            done[cell.link, cell.fault] = cell
            told(cell, len(done), len(planned))
    except KeyboardInterrupt:
        interrupted = True
    else:
        interrupted = False
    for link, fault, _ in planned:
        done.setdefault((link, fault), not_run(link, fault, "the matrix was interrupted"))
    matrix = Matrix(
        chain=order.chain.model.chain, title=order.chain.model.title, seed=order.seed,
        virtual=not order.is_real, command=order.command, interrupted=interrupted,
        links=list(order.links),
        faults={one.model.experiment: one.model.title for one in order.faults},
        cells=[done[link, fault] for link, fault, _ in planned],
    )  # fmt: skip
    write_matrix(matrix, order.folder)
    return matrix


def _cells(order: MatrixOrder) -> Iterator[tuple[str, str, Path | None]]:
    """Link, fault and the cell's own file; no file where the fault cannot strike the link."""
    for link in order.links:
        for fault in order.faults:
            path = order.folder / CELLS / f"{link}.{fault.model.experiment}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            text = fault.text.replace(f'"{EVERY_LINK}"', link)
            path.write_text(text, "utf-8")
            try:
                load_experiment(str(path), order.chain.model)
            except UserError:
                path.unlink()
                yield link, fault.model.experiment, None
            else:
                yield link, fault.model.experiment, path


def _finished(order: MatrixOrder, link: str, fault: str) -> Path | None:
    """The run of a cell that was done before and says something."""
    runs = sorted((order.folder / CELLS / f"{link}.{fault}").glob(f"*/{FILE_NAME}"))
    known = [one.parent for one in runs if read(one.parent).verdict != "inconclusive"]
    return known[-1] if known else None


def _run_all(order: MatrixOrder, waiting: Sequence[tuple[str, str, Path]]) -> Iterator[Cell]:
    if order.is_real:
        for link, fault, path in waiting:
            yield _run_cell(order.spec, path, order.seed, order.folder, link, fault, True)
        return
    with ProcessPoolExecutor(order.jobs, mp_context=get_context("spawn")) as pool:
        running: set[Future[Cell]] = {
            pool.submit(_run_cell, order.spec, path, order.seed, order.folder, link, fault, False)
            for link, fault, path in waiting
        }
        try:
            while running:
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in ended)
        finally:
            for future in running:
                future.cancel()


def _run_cell(
    spec: str, path: Path, seed: int, folder: Path, link: str, fault: str, is_real: bool
) -> Cell:
    """One cell, in whatever process it is run."""
    from harness import conductor, virtual

    chain = load_chain(spec)
    command = f"paychain run {shlex.quote(spec)} {shlex.quote(str(path))} --seed {seed}"
    order = Order(
        chain, load_experiment(str(path), chain.model), folder / CELLS / f"{link}.{fault}", seed,
        None, command if is_real else f"{command} --virtual",
    )  # fmt: skip
    finished = conductor.run(order, Silent()) if is_real else virtual.run(order, Silent())
    if finished.was_interrupted:
        raise KeyboardInterrupt
    return judge_cell(link, fault, finished.result, finished.folder.relative_to(folder))
