"""paychain merge: what several machines did of one matrix or search, put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paychain.cli.exit_codes import ExitCode
from paychain.cli.say import say

if TYPE_CHECKING:
    from paychain.explore.parts import Merged
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
        Path | None,
        typer.Option(help="folder for the merged result; default: matrix or chaos/found"),
    ] = None,
) -> None:
    """Merge the parts of a matrix or of a search; exit as the whole would.

    A missing part is named, and without it the whole does not pass.

    Example: paychain merge part-1/ part-2/ --out matrix
    """
    from paychain.processes.files import refuse_unwritable

    refuse_unwritable(out or Path())
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
    from paychain.explore.parts import merge_parts

    merged = merge_parts(parts, out)
    for found, path in merged.written:
        say(*found.lines, f"    experiment: {path}")
    is_live = any(part.live is not None for part in merged.parts)
    searched, *further = _live_lines(merged) if is_live else _lines(merged)
    say(("searched " if merged.written else "nothing found in ") + searched, *further)
    _end(bool(merged.written), merged.was_interrupted, merged.absent)


def _lines(merged: Merged) -> list[str]:
    """How much was searched in virtual time, and what it means that nothing was found."""
    from paychain.cli.explore_output import nothing_found_lines
    from paychain.explore.findings import searched_line

    whole = merged.result
    return [searched_line(whole), *([] if merged.written else nothing_found_lines(whole))]


def _live_lines(merged: Merged) -> list[str]:
    """The same of a search on running chains, with the warnings of its parts."""
    from paychain.cli.explore_live import nothing_found_lines, searched_line
    from paychain.explore.live.parts import tried, warnings_of

    whole = tried(merged)
    nothing = [] if merged.written else nothing_found_lines(whole)
    return [searched_line(whole), *warnings_of(merged), *nothing]


def _end(is_broken: bool, was_interrupted: bool, absent: Sequence[Part]) -> None:
    for part in absent:
        say(f"part {part} is missing", is_error=True)
    if is_broken:
        raise typer.Exit(ExitCode.FAIL)
    raise typer.Exit(ExitCode.INCONCLUSIVE if absent or was_interrupted else ExitCode.PASS)
