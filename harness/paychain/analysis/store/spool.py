"""The spools that run.db is filled from: each process of a run writes its records into one."""

from __future__ import annotations

from pathlib import Path

import msgspec

from paychain.payments.journal import Record
from paychain.payments.journal_frames import JournalEnd, decode_frames

READ_BYTES = 1_000_000  # of a spool at once: about 8,000 records


class SpoolReader:
    """Follows a spool file that another process appends to."""

    def __init__(self, path: Path) -> None:
        self.error = ""
        self._path = path
        self._position = 0
        self._records = 0  # that were read
        self._end: JournalEnd | None = None

    def read(self) -> list[Record]:
        """Records since the last call; a half-written record waits for the next call."""
        if self.error or self._end is not None or not self._path.exists():
            return []
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                data = file.read(READ_BYTES)
            frames, used = decode_frames(data)
        except msgspec.MsgspecError as error:
            self.error = f"{self._path.name}: {error}"
            return []
        except OSError as error:
            self.error = f"{self._path.name}: {error.strerror}"
            return []
        self._position += used
        records: list[Record] = []
        for frame in frames:
            if isinstance(frame, JournalEnd):
                self._end = frame
                break
            records.append(frame)
        self._records += len(records)
        return records

    @property
    def missing(self) -> str:
        """What is missing of a finished journal, in words; "" if it is complete."""
        if self.error:
            return f"it could not be read completely: {self.error}"
        if self._end is None:
            return f"its end is missing after {self._records:,} records"
        if self._end.records != self._records:
            return f"{self._records:,} of {self._end.records:,} records arrived"
        return ""
