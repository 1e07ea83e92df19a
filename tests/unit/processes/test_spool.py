"""The journal of a process: what is in its file when the process is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from paychain.analysis.store.spool import SpoolReader
from paychain.payments.journal import Stall
from paychain.payments.journal_frames import encode
from paychain.processes import spool as spools
from paychain.processes.spool import JOURNAL_FAILED, SpoolFile, SpoolJournal

KILLED = """
import os, signal, sys
from pathlib import Path
from paychain.payments.journal import Stall
from paychain.processes.spool import SpoolJournal

journal = SpoolJournal(Path(sys.argv[1]), writes_through=True)
for number in range(3):
    journal.append(Stall("issuer", number, number + 1))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_loses_no_record_of_a_journal_that_is_written_through(
    tmp_path: Path,
) -> None:
    spool = tmp_path / "issuer.spool"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(spool)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert SpoolReader(spool).read() == [Stall("issuer", n, n + 1) for n in range(3)]


def test_other_journals_are_flushed_together(tmp_path: Path) -> None:
    spool = tmp_path / "services.spool"
    journal = SpoolJournal(spool)
    journal.append(Stall("services", 0, 1))
    assert SpoolReader(spool).read() == []
    journal.flush()
    assert SpoolReader(spool).read() == [Stall("services", 0, 1)]
    journal.close()


RECORDS = [Stall("services", number, number + 1) for number in range(1_000)]


def test_a_write_that_takes_a_part_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools.os, "write", lambda file, data: written(file, data[:7]))
    file = SpoolFile(tmp_path / "services.spool")
    file.write(RECORDS)
    file.close()
    reader = SpoolReader(tmp_path / "services.spool")
    assert reader.read() == RECORDS
    assert reader.missing == ""


written = os.write

LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from paychain.payments.journal import Stall
from paychain.processes.spool import SpoolJournal

async def main():
    journal = SpoolJournal(Path(sys.argv[1]), writes_through=sys.argv[2] == "through")
    journal.start()
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
    for number in range(1_000):
        journal.append(Stall("services", number, number + 1))
    if sys.argv[2] == "at the end":
        journal.close()
    await asyncio.sleep(5)

asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["in time", "through", "at the end"])
def test_a_process_whose_journal_cannot_be_written_ends_with_an_error(
    tmp_path: Path, when: str
) -> None:
    spool = tmp_path / "services.spool"
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, str(spool), when], check=False, capture_output=True
    )
    assert ended.returncode == JOURNAL_FAILED
    assert b"cannot write its journal services.spool: File too large" in ended.stderr
    reader = SpoolReader(spool)
    read = reader.read()
    assert read == RECORDS[: len(read)]
    assert "its end is missing" in reader.missing


def test_a_journal_without_its_last_records_is_incomplete(tmp_path: Path) -> None:
    spool = tmp_path / "services.spool"
    file = SpoolFile(spool)
    file.write(RECORDS)
    file.close()
    whole = spool.read_bytes()
    first = len(encode(RECORDS[:1]))
    spool.write_bytes(whole[first:])
    reader = SpoolReader(spool)
    reader.read()
    assert reader.missing == "999 of 1,000 records arrived"


def test_a_journal_that_is_gone_or_garbled_is_incomplete(tmp_path: Path) -> None:
    assert SpoolReader(tmp_path / "gone.spool").missing == "its end is missing after 0 records"
    spool = tmp_path / "services.spool"
    frame = bytearray(encode(RECORDS[:1]))
    frame[frame.index(b"services")] = 0xFF  # not UTF-8
    spool.write_bytes(frame)
    reader = SpoolReader(spool)
    assert reader.read() == []
    assert "could not be read completely" in reader.missing
