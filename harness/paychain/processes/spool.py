"""The journal of one process: records in memory, flushed to its spool file several times a second.

A process that may be killed writes each record through to the operating system instead: whatever
left it, an answer or a request, its records are in the file by then.

    record record record … end: 3,120 records

The end is written when the process ends in order. A spool without it, or with fewer records than it
says, is incomplete: no money is judged by it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from paychain.payments.journal import Journal, LinkSwitch, Record, Stall
from paychain.payments.journal_frames import JournalEnd, encode
from paychain.processes.stalls import StallDetector

FLUSH_S = 0.1  # a record is in the file after this
# The exit code of a process whose journal cannot be written: EX_IOERR of sysexits.h.
JOURNAL_FAILED = 74


class SpoolFile:
    """A spool file that one process appends to: whole records, in order, and their number last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._records = 0
        self.is_open = True

    def write(self, records: list[Record]) -> None:
        """Append records. Raises OSError when they are not all in the file; a part of them may be.

        After that nothing may follow: a reader would find the middle of a record there.
        """
        _write_all(self._file, encode(records))
        self._records += len(records)

    def close(self) -> None:
        """Append the end and close; a closed one stays closed. Raises OSError."""
        if self.is_open:
            self.is_open = False
            _write_all(self._file, encode([JournalEnd(self._records)]))
            os.close(self._file)

    def fail(self, error: OSError) -> None:
        """End the process at once: nothing that it does from now on would be recorded."""
        reason = f"cannot write its journal {self._path.name}: {error.strerror}"
        with suppress(OSError, ValueError, AttributeError):  # the same disk may be full
            print(reason, file=sys.stderr, flush=True)
        os._exit(JOURNAL_FAILED)


def _write_all(file: int, data: bytes) -> None:
    """A write may take a part only: a disk that is nearly full, a limit to the size of a file."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


class SpoolJournal:
    """Appends records to a spool file. `start` needs a running loop.

    `writes_through`: a SIGKILL loses no record that was appended. Costs 1 to
    2 µs each; the journals of all other processes lose up to FLUSH_S, and nothing kills them.
    When the file cannot be written the process ends with JOURNAL_FAILED.
    """

    def __init__(self, path: Path, *, writes_through: bool = False) -> None:
        self._file = SpoolFile(path)
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
        """Write what is in memory. What comes after the end is dropped."""
        if self._records and self._file.is_open:
            try:
                self._file.write(self._records)
            except OSError as error:
                self._file.fail(error)
            self._records = []

    def close(self) -> None:
        """Flush, write the end and close."""
        if self._timer is not None:
            self._timer.cancel()
        self.flush()
        try:
            self._file.close()
        except OSError as error:
            self._file.fail(error)


def record_stalls(process: str, journal: Journal, now_ns: Callable[[], int]) -> None:
    """Record every stall of this process from now on. `now_ns`: since the run's epoch."""

    def record(from_ns: int, until_ns: int) -> None:
        journal.append(Stall(process, from_ns, until_ns))

    StallDetector(now_ns, record).keep()


def record_switches(
    process: str, journal: Journal, now_ns: Callable[[], int]
) -> Callable[[str, str], None]:
    """What records each switch of this process: called with what was done and the fault."""

    def record(action: str, fault: str) -> None:
        journal.append(LinkSwitch(process=process, action=action, fault=fault, at_ns=now_ns()))

    return record
