"""Somebody else reads or locks run.db while it is written, or damaged it afterwards."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from paychain.analysis.measures.files import files, to_search
from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.store import connection as connections
from paychain.analysis.store.store import RunStore
from paychain.model.experiment import Times
from paychain.payments.cards import TEST_CARDS
from paychain.payments.errors import UserError
from paychain.payments.journal import Stall
from tests.support.recorded import CHAIN, Recorded

STALLS = [Stall("services", number, number + 1) for number in range(10)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


def test_records_wait_while_somebody_else_has_the_file_locked(path: Path) -> None:
    store = RunStore.create(path)
    with closing(sqlite3.connect(path)) as locker:
        locker.execute("BEGIN IMMEDIATE")
        began_s = time.monotonic()
        store.ingest(STALLS[:5])
        store.ingest(STALLS[5:])
        assert time.monotonic() - began_s < 2
        with closing(sqlite3.connect(path)) as reader:
            assert reader.execute("SELECT COUNT(*) FROM stall").fetchone() == (0,)
    assert list(store.rows(Stall)) == STALLS
    store.close()


def test_a_reader_keeps_the_old_file_and_one_file_is_left(path: Path) -> None:
    store = RunStore.create(path)
    store.ingest(STALLS[:5])
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT COUNT(*) FROM stall").fetchone() == (5,)
        store.ingest(STALLS[5:])
        store.close()
        assert [found.name for found in path.parent.iterdir()] == [path.name]
        assert reader.execute("SELECT COUNT(*) FROM stall").fetchone() == (5,)
    with closing(RunStore.open(path)) as again:
        assert list(again.rows(Stall)) == STALLS


READS = """
import sqlite3, sys
reader = sqlite3.connect(sys.argv[1])
print(reader.execute("SELECT COUNT(*) FROM txn").fetchone()[0])
reader.close()
"""


def test_who_reads_a_run_whose_files_were_searched_does_not_remove_its_log(path: Path) -> None:
    recorded = Recorded(ends_s=40)
    for number in range(20):
        recorded.pay(number, "approved")
    store = recorded.store(path.parent)
    run = MeasuredRun(store, CHAIN, recorded.experiment(), recorded.facts())
    assert [rule.findings for rule in run[files]] == [0]
    # A process of its own: what this one closes leaves no lock of another's to be lost.
    command = [sys.executable, "-I", "-S", "-c", READS, str(path)]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"20\n"
    store.keep("p00003")
    store.close_thinned(seed=7, most_hops=10)
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    with closing(RunStore.open(path)) as thinned:
        assert thinned.kept_one_in > 1
        assert thinned.story("p00003").customer is not None


def test_a_card_number_is_found_while_a_reader_keeps_it_out_of_run_db(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "READ_WITHIN_MS", 1)
    recorded = Recorded(ends_s=40)
    store = recorded.store(path.parent)
    store.settle()
    run = MeasuredRun(store, CHAIN, recorded.experiment(), recorded.facts())
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM stall").fetchone()
        store.ingest(STALLS * 2_000)
        store.ingest([msgspec.structs.replace(STALLS[0], process=TEST_CARDS[0].number)])
        assert [found.name for found in run[to_search]] == [path.name, "run.db-shm", "run.db-wal"]
    store.settle()  # they are written to run.db before it is searched
    (found,) = run[files][0].payments
    assert found.text == "run.db holds the number of 424242…4242"
    store.close()


@pytest.mark.parametrize("name", ["a%2Fb", "a#b", "a?mode=rw", "a b", "ä'\""])
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    path = tmp_path / name / "run.db"
    store = RunStore.create(path)
    store.ingest(STALLS)
    store.close()
    with closing(RunStore.open(path)) as again:
        assert list(again.rows(Stall)) == STALLS
    assert [found.name for found in tmp_path.iterdir()] == [name]


def test_what_is_no_database_is_told(path: Path) -> None:
    path.write_text("nothing of the kind")
    with pytest.raises(UserError, match="cannot be read"):
        RunStore.open(path)
    with pytest.raises(UserError, match=r"no gone\.db in "):
        RunStore.open(path.with_name("gone.db"))


def test_a_damaged_file_is_noticed_before_it_is_needed(path: Path) -> None:
    store = RunStore.create(path)
    store.ingest(STALLS * 2_000)
    store.close()
    data = bytearray(path.read_bytes())
    data[-60_000:-20_000] = b"\xff" * 40_000
    path.write_bytes(data)
    with (
        closing(RunStore.open(path)) as damaged,
        pytest.raises(UserError, match=r"the run\.db in .* is damaged"),
    ):
        damaged.check(path.parent)


def test_what_was_added_after_a_run_is_taken_away_again(path: Path) -> None:
    times = Times(load_start_s=0.0, before_start_s=0.0, faults_start_s=0.0, load_end_s=9.0)
    store = RunStore.create(path)
    store.begin(times)
    store.ingest(STALLS[:5])
    store.mark_recorded()
    store.ingest(STALLS[5:])
    store.restore(times)
    assert list(store.rows(Stall)) == STALLS[:5]
    assert store.times() == times
    store.close()
