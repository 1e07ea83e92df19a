"""A matrix made on several machines, each of them a part of its cells, put together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from paychain.payments.errors import UserError
from paychain.processes.files import make_folder
from paychain.processes.part import Part, missing
from paychain.report.html.matrix import Cell, Matrix, is_matrix, not_run, read_matrix, write_matrix
from paychain.runs.matrix import IN_ANOTHER_PART


def merge_matrices(folders: Sequence[Path], out: Path) -> tuple[Matrix, list[Part]]:
    """The whole matrix, written to `out`, and the parts that are not there.

    The runs of its cells stay where they are, and the page links to them. Raises UserError when a
    folder has no part of a matrix, or the parts are not of one.
    """
    parts = [(folder, _part_of(folder)) for folder in map(_kept_in, folders)]
    first_folder, first = parts[0]
    for folder, part in parts[1:]:
        for what in _WORDS:
            if getattr(part, what) != getattr(first, what):
                raise UserError(
                    f"{folder} belongs to a different matrix than {first_folder}: their "
                    f"{_WORDS[what]} differ",
                    hint="make all parts with the same files, options and version of paychain",
                )
    absent = missing(Part.read(part.part) for _, part in parts)
    cells: dict[tuple[str, str], Cell] = {}
    for folder, part in parts:
        for cell in part.cells:
            if cell.text != IN_ANOTHER_PART:
                run = Path(os.path.relpath(folder / cell.run, out)).as_posix() if cell.run else ""
                cells[cell.link, cell.fault] = msgspec.structs.replace(cell, run=run)
    lost = f"part {', '.join(map(str, absent))} is missing" if absent else ""
    merged = msgspec.structs.replace(
        first,
        part="",
        command=first.command.partition(" --part ")[0],
        interrupted=any(part.interrupted for _, part in parts),
        cells=[
            cells.get((cell.link, cell.fault)) or not_run(cell.link, cell.fault, lost)
            for cell in first.cells
        ],
    )
    make_folder(out)
    write_matrix(merged, out)
    return merged, absent


_WORDS = {
    "chain": "chains",
    "seed": "seeds",
    "virtual": "ways to run (--real)",
    "links": "links",
    "faults": "faults",
    "digest": "files of the chain or the faults",
    "version": "versions of paychain",
}


def _kept_in(folder: Path) -> Path:
    """The folder of a part, which may be the only one in a folder that was named by --out."""
    within = [] if is_matrix(folder) else [each for each in folder.glob("*/") if is_matrix(each)]
    if len(within) > 1:
        names = ", ".join(sorted(each.name for each in within))
        raise UserError(f"{folder} has several matrices: {names}", hint="name those to merge")
    return within[0] if within else folder


def _part_of(folder: Path) -> Matrix:
    matrix = read_matrix(folder)
    if not matrix.part:
        raise UserError(f"{folder} is a whole matrix", hint="merge what --part I/N made")
    return matrix
