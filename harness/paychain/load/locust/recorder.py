"""The customer's side of the record, flushed to a spool by a native thread, not by the hub."""

from __future__ import annotations

from pathlib import Path

import gevent
from gevent.lock import BoundedSemaphore

from paychain.payments.journal import Record
from paychain.processes.spool import SpoolFile

BATCH = 1_000  # records in memory at most
FLUSH_S = 0.2  # a record is in the spool after this


class Recorder:
    """Collects records of the load process, which ends when they cannot be written."""

    def __init__(self, path: Path) -> None:
        self._file = SpoolFile(path)
        self._records: list[Record] = []
        self._writing = BoundedSemaphore()
        self._flusher = gevent.spawn(self._flush_often)

    def append(self, record: Record) -> None:
        """Take one record; none after the end."""
        if not self._file.is_open:
            return
        self._records.append(record)
        if len(self._records) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Hand what is in memory to a native thread, in order."""
        with self._writing:
            if self._records and self._file.is_open:
                records, self._records = self._records, []
                gevent.get_hub().threadpool.apply(self._write, (records,))

    def close(self) -> None:
        """Flush, write the end and close; a closed one stays closed."""
        with self._writing:  # the flusher is not killed within a write
            self._flusher.kill()
        self.flush()
        try:
            self._file.close()
        except OSError as error:
            self._file.fail(error)

    def _write(self, records: list[Record]) -> None:
        try:
            self._file.write(records)
        except OSError as error:
            self._file.fail(error)

    def _flush_often(self) -> None:
        while True:
            gevent.sleep(FLUSH_S)
            self.flush()
