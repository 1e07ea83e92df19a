"""The journal of one process: records in memory, flushed to its spool file several times a second.

A process that is killed loses at most the last flush interval; the rest stays readable.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from harness.payments.journal import Journal, Record, Standstill, encode
from harness.pulse import Pulse

FLUSH_S = 0.1


class SpoolJournal:
    """Appends records to a spool file. `start` needs a running loop."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._records: list[Record] = []
        self._timer: asyncio.TimerHandle | None = None

    def append(self, record: Record) -> None:
        """Take one record; it reaches the file with the next flush."""
        self._records.append(record)

    def start(self) -> None:
        """Flush from now on."""
        self.flush()
        self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self.start)

    def flush(self) -> None:
        """Write what is in memory."""
        if self._records:
            records, self._records = self._records, []
            os.write(self._file, encode(records))

    def close(self) -> None:
        """Flush and close."""
        if self._timer is not None:
            self._timer.cancel()
        self.flush()
        os.close(self._file)


def keep_pulse(process: str, journal: Journal, now_ns: Callable[[], int]) -> None:
    """Record from now on whenever this process stood still. `now_ns`: since the run's epoch."""

    def told(from_ns: int, until_ns: int) -> None:
        journal.append(Standstill(process, from_ns, until_ns))

    Pulse(now_ns, told).keep()
