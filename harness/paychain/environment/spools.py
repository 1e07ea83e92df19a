"""The spool files of a run, which its processes write and which are read meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from paychain.analysis.store.spool import SpoolReader
from paychain.payments.journal import Record


class Spools:
    """Every spool in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._readers: dict[Path, SpoolReader] = {}

    def new(self, stem: str) -> Path:
        """A spool file for a process that records; the same one for the same stem."""
        path = self._folder / f"{stem}.spool"
        self._readers.setdefault(path, SpoolReader(path))
        return path

    def read(self, *, are_complete: bool) -> Iterator[tuple[Path, list[Record]]]:
        """The records since the last call, each with its spool.

        `are_complete`: nobody writes any more. What is read to its end is removed.
        """
        # A link that is restarted meanwhile gets a new one.
        for path, reader in list(self._readers.items()):
            while records := reader.read():
                yield path, records
            if are_complete and not reader.error:
                path.unlink(missing_ok=True)

    def problems(self) -> list[str]:
        """Spools that could not be read to their end."""
        return [
            f"a journal could not be read to its end: {reader.error}"
            for reader in self._readers.values()
            if reader.error
        ]
