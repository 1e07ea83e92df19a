"""The spools that run.db is filled from: each process of a run writes its records into one."""

from __future__ import annotations

from pathlib import Path

import msgspec

from paychain.payments.journal import Record, decode

READ_BYTES = 1_000_000  # of a spool at once: about 8,000 records


class SpoolReader:
    """Follows a spool file that another process appends to."""

    def __init__(self, path: Path) -> None:
        self.error = ""
        self._path = path
        self._position = 0

    def read(self) -> list[Record]:
        """Records since the last call; a half-written record waits for the next call."""
        if self.error or not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._position)
            data = file.read(READ_BYTES)
        try:
            records, used = decode(data)
        except msgspec.MsgspecError as error:
            self.error = f"{self._path.name}: {error}"
            return []
        self._position += used
        return records
