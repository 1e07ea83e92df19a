"""The journal of a process: what is in its file when the process is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from paychain.analysis.store.spool import SpoolReader
from paychain.payments.journal import Stall
from paychain.processes.spool import SpoolJournal

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
