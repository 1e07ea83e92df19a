"""The cells that a folder has from before, when a matrix is continued in it.

A page shows all its cells as of one matrix, so only cells of the same matrix are continued: the
same chain, faults, seed and version, run in the same way. A matrix may grow by links and faults. It
may not shrink: what broke in a cell that it leaves out would be gone from its page and verdict.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from hashlib import sha256
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import msgspec

from paychain.analysis.measures.measures import Verdict
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.loading import Loaded
from paychain.model.renaming import Names, used_of
from paychain.payments.errors import UserError
from paychain.report.result import FILE_NAME, Result, read
from paychain.runs.cells import CELLS, cell_name


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a cell one of a certain matrix."""

    version: str
    chain: str  # digest of its file
    seed: int
    is_virtual: bool


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a cell, and what it was made of."""

    folder: Path
    origin: Origin
    fault: str  # digest of the cell's experiment
    maps: dict[str, str]
    says_something: bool


class EarlierCells:
    """The runs of cells in the folder of a matrix that is run."""

    def __init__(
        self, folder: Path, chain: Loaded[Chain], *, seed: int, is_virtual: bool, names: Names
    ) -> None:
        """Raises UserError when a cell is of a different matrix."""
        self._folder, self._names = folder, names
        self._runs: dict[str, list[_Run]] = {}
        ours = Origin(
            version=version("paychain"), chain=chain.sha256, seed=seed, is_virtual=is_virtual
        )
        for path in sorted((folder / CELLS).glob(f"*/*/{FILE_NAME}")):
            run = _run(path.parent)
            cell = path.parents[1].name
            for what, words in _WORDS.items():
                theirs, mine = getattr(run.origin, what), getattr(ours, what)
                if theirs != mine:
                    raise self._different(cell, words)
            self._runs.setdefault(cell, []).append(run)

    def refuse_left_out(self, planned: Iterable[tuple[str, str]]) -> None:
        """Raise UserError when a link and a fault with a run are not among the planned ones."""
        left_out = self._runs.keys() - {cell_name(*each) for each in planned}
        if left_out:
            names = ", ".join(sorted(left_out))
            raise UserError(
                f"{self._folder} has runs that this matrix leaves out: {names}",
                hint="continue it with all its links, faults and its part, or begin a new one",
            )

    def run_of(self, link: str, fault: Experiment, text: str) -> Path | None:
        """The run of a cell that was done before and says something. `text`: of its experiment.

        Raises UserError when it was made of another fault.
        """
        cell = cell_name(link, fault.experiment)
        # In the cell the fault names its link, too.
        names = {**used_of(self._names, fault), **_only(self._names, link)}
        digest, found = sha256(text.encode()).hexdigest(), None
        for run in self._runs.get(cell, ()):
            if run.fault != digest:
                raise self._different(cell, "files of the faults")
            if run.maps != names:
                raise self._different(cell, "names of --map")
            if run.says_something:
                found = run.folder
        return found

    def _different(self, cell: str, words: str) -> UserError:
        return UserError(
            f"{self._folder} belongs to a different matrix: the {words} of {cell} differ",
            hint="begin a new one, or continue it with the files, options and version of paychain "
            "that made it",
        )


_WORDS = {
    "version": "versions of paychain",
    "chain": "files of the chain",
    "seed": "seeds",
    "is_virtual": "ways to run (--real)",
}


def _only(names: Names, name: str) -> Mapping[str, str]:
    return {name: names[name]} if name in names else {}


def _run(folder: Path) -> _Run:
    result = read(folder)
    words = shlex.split(result.command)
    maps = [value.partition("=") for option, value in pairwise(words) if option == "--map"]
    return _Run(
        folder=folder,
        origin=Origin(
            version=result.environment.get("paychain", ""),
            chain=result.chain.sha256,
            seed=result.seed,
            is_virtual=result.virtual,
        ),
        fault=result.experiment.sha256,
        maps={theirs: ours for theirs, _, ours in maps},
        says_something=_says_something(result),
    )


def _says_something(result: Result) -> bool:
    """A fault that affected no traffic would affect none again."""
    return result.verdict is not Verdict.INCONCLUSIVE or any(
        fault.was_missed for fault in result.faults
    )
