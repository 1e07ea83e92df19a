"""paychain merge: what several machines did of one matrix or search, put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paychain.cli.exit_codes import ExitCode
from paychain.cli.say import say

if TYPE_CHECKING:
    from paychain.processes.part import Part


def merge(
    parts: Annotated[
        list[Path],
        typer.Argument(
            metavar="PARTS",
            help="folders of a matrix, or files of a search, that --part I/N wrote",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="folder for the whole; default: matrix or chaos/found")
    ] = None,
) -> None:
    """Put the parts of a matrix or of a search together; exit as the whole would.

    A part that is missing is named, and the whole does not pass without it.

    Example: paychain merge part-1/ part-2/ --out matrix
    """
    if all(path.is_dir() for path in parts):
        _merge_matrix(parts, out or Path("matrix"))
    else:
        _merge_search(parts, out or Path("chaos/found"))


def _merge_matrix(parts: Sequence[Path], out: Path) -> None:
    from paychain.report.html.matrix import terminal_lines
    from paychain.runs.matrix_parts import merge_matrices

    whole, absent = merge_matrices(parts, out)
    say(*terminal_lines(whole))
    say(f"report: {out / 'matrix.html'}")
    if whole.interrupted:
        say("a part was interrupted", is_error=True)
    _end(not whole.is_sound, whole.interrupted, absent)


def _merge_search(parts: Sequence[Path], out: Path) -> None:
    from paychain.cli.explore_output import nothing_found_lines
    from paychain.explore.findings import searched_line
    from paychain.explore.parts import merge_parts

    whole, written, absent = merge_parts(parts, out)
    for found, path in written:
        say(*found.lines, f"    experiment: {path}")
    say(("searched " if written else "nothing found in ") + searched_line(whole))
    if not written:
        say(*nothing_found_lines(whole))
    _end(bool(written), whole.was_interrupted, absent)


def _end(is_broken: bool, was_interrupted: bool, absent: Sequence[Part]) -> None:
    for part in absent:
        say(f"part {part} is missing", is_error=True)
    if is_broken:
        raise typer.Exit(ExitCode.FAIL)
    raise typer.Exit(ExitCode.INCONCLUSIVE if absent or was_interrupted else ExitCode.PASS)
