"""The journal of one process: records in memory, flushed to its spool file several times a second.

A process that may be killed writes each record through to the operating system instead: whatever
left it, an answer or a request, its records are in the file by then.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from paychain.payments.journal import Journal, Record, Stall, encode
from paychain.processes.stalls import StallDetector

FLUSH_S = 0.1  # a record is in the file after this


class SpoolJournal:
    """Appends records to a spool file. `start` needs a running loop.

    `writes_through`: a SIGKILL loses no record that was appended. Costs 1 to
    2 µs each; the journals of all other processes lose up to FLUSH_S, and nothing kills them.
    """

    def __init__(self, path: Path, *, writes_through: bool = False) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._writes_through = writes_through
        self._records: list[Record] = []
        self._timer: asyncio.TimerHandle | None = None

    def append(self, record: Record) -> None:
        """Take one record; it reaches the file at once, or with the next flush."""
        self._records.append(record)
        if self._writes_through:
            self.flush()

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


def record_stalls(process: str, journal: Journal, now_ns: Callable[[], int]) -> None:
    """Record every stall of this process from now on. `now_ns`: since the run's epoch."""

    def record(from_ns: int, until_ns: int) -> None:
        journal.append(Stall(process, from_ns, until_ns))

    StallDetector(now_ns, record).keep()
