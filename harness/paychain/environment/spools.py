"""The spool files of a run, which its processes write and which are read meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from paychain.analysis.store.spool import SpoolReader
from paychain.payments.journal import Record


class Spools:
    """Every spool in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._readers: dict[Path, SpoolReader] = {}
        self._processes: dict[Path, str] = {}  # that write them, as a reader knows them

    def new(self, stem: str, process: str = "") -> Path:
        """A spool file for a process that records; the same one for the same stem."""
        path = self._folder / f"{stem}.spool"
        self._readers.setdefault(path, SpoolReader(path))
        self._processes[path] = process or stem
        return path

    def read(
        self, *, are_complete: bool, killed: Collection[Path] = ()
    ) -> Iterator[tuple[Path, list[Record]]]:
        """The records since the last call, each with its spool.

        `are_complete`: nobody writes any more. What is read to its end is removed. `killed`: as of
        `incomplete`.
        """
        # A link that is restarted meanwhile gets a new one.
        for path, reader in list(self._readers.items()):
            while records := reader.read():
                yield path, records
            if are_complete and not self._missing(path, killed):
                path.unlink(missing_ok=True)

    def incomplete(self, killed: Collection[Path] = ()) -> list[str]:
        """Journals with records missing, in sentences. Nobody may write them any more.

        `killed`: spools of processes that a fault of the experiment killed. They are written
        through, and have no end.
        """
        return [
            f"the journal of {self._processes[path]} is incomplete: {missing}"
            for path in self._readers
            if (missing := self._missing(path, killed))
        ]

    def _missing(self, path: Path, killed: Collection[Path]) -> str:
        reader = self._readers[path]
        return reader.error if path in killed else reader.missing
