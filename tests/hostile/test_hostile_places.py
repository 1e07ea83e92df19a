"""Full disks, closed and strange outputs, locked and removed files: never exit code 1 for them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest

from tests.support.chains import corner_shop
from tests.support.cli import PAYCHAIN, environment, invoked, paychain
from tests.support.hostile import CUT, disturbed_run, harmless, let_it_begin, pid_of
from tests.support.laws import IS_THOROUGH
from tests.support.processes import needs_proc
from tests.support.runs import declare, result_of, run_in
from tests.support.tiers import only, thorough

RUN = ("run", "shop.yaml", "easy.yaml", "--virtual", "--out", "runs")
ODD_NAMES = ("feature%2Fx", "out#1", "o?p", "x?mode=rw", "a b", "b'\"é")
EASY = CUT.replace("during: ", "before: ")
# CI sees of these that the exit code of a failed run comes through as well.
ALSO_FAILING = ("$P $R > /dev/full",)
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="uses /dev/full")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    declare(tmp_path, shop=corner_shop(), easy=EASY, cut=CUT)
    return tmp_path


def in_shell(folder: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script in which `$P` is paychain."""
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment(P=" ".join(PAYCHAIN), R=" ".join(RUN), **variables),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=110,
        check=False,
    )


@pytest.mark.slow
@needs_linux
@pytest.mark.parametrize(
    "script",
    [
        "$P $R > /dev/full",
        "$P $R >&- 2>&- <&-",
        "PYTHONIOENCODING=ascii $P $R | head -1; exit ${PIPESTATUS[0]}",
        *map(
            thorough,
            (
                "$P $R | head -1; exit ${PIPESTATUS[0]}",
                "PYTHONIOENCODING=ascii $P $R",
                "$P $R 2> /dev/full",
                "$P $R 2>&-",
                "$P $R 2>&1 >/dev/null | head -1; exit ${PIPESTATUS[0]}",
                "$P $R | true; exit ${PIPESTATUS[0]}",
                "$P $R --json > /dev/full",
                "PYTHONIOENCODING=cp1252 $P $R",
                "PYTHONIOENCODING=iso8859-1 $P $R",
            ),
        ),
    ],
)
def test_the_exit_code_is_the_verdicts_whatever_becomes_of_the_output(
    folder: Path, script: str
) -> None:
    done = in_shell(folder, script)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert result_of(folder)["verdict"] == "pass"
    if IS_THOROUGH or script in ALSO_FAILING:
        failing = in_shell(folder, script.replace("$R", "${R/easy/cut}"))
        assert failing.returncode == 1, failing.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a%2Fb #1 b'\"é?mode=rw", *map(thorough, ODD_NAMES)])
def test_a_run_may_lie_in_a_folder_of_any_name(folder: Path, name: str) -> None:
    done = invoked(folder, *RUN[:-1], name)
    assert done.exit_code == 0, done.stderr
    assert (run_in(folder, name) / "report.html").is_file()
    again = invoked(folder, "judge", str(run_in(folder, name)))
    assert again.exit_code == 0, again.stderr
    assert {path.name for path in folder.iterdir()} == {
        "shop.yaml",
        "easy.yaml",
        "cut.yaml",
        name,
    }


@pytest.fixture
def small_disk(folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of some kilobytes."""
    place = folder / "small"
    place.mkdir()
    options = f"size={request.param}k"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no small disk: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
@needs_linux
@pytest.mark.parametrize(
    ("small_disk", "time"),
    only(
        {(100, "virtual")},
        product((4, 100, 300, 600, 1000), ("virtual", "real")),
    ),
    indirect=["small_disk"],
)
def test_a_full_disk_is_told_in_a_sentence(folder: Path, small_disk: Path, time: str) -> None:
    words = [word for word in RUN[:-1] if word != "--virtual" or time == "virtual"]
    done = paychain(folder, *words, "small")
    assert done.exit_code in (0, 3), done.stderr
    assert "Traceback" not in done.stderr
    if done.exit_code == 3:
        assert "disk" in done.stderr + done.stdout or "space" in done.stderr + done.stdout


@pytest.mark.slow
@needs_proc
def test_a_run_whose_folder_is_removed_is_told_in_a_sentence(tmp_path: Path) -> None:
    with disturbed_run(tmp_path) as run:
        let_it_begin(run, tmp_path)
        with Path(f"/proc/{pid_of(run, 'load process')}/fd/2").open("rb") as log:
            shutil.rmtree(run_in(tmp_path), ignore_errors=True)
            assert run.exit_code() == 3
            # The load cannot report that it is over: it says so once, and not for ten seconds.
            assert 0 < os.fstat(log.fileno()).st_size < 50_000
    assert "Traceback" not in run.output


@pytest.mark.slow
@needs_proc
def test_who_reads_and_who_locks_the_database_changes_and_delays_nothing(tmp_path: Path) -> None:
    with disturbed_run(tmp_path) as run:
        let_it_begin(run, tmp_path)
        database = run_in(tmp_path) / "run.db"
        with closing(sqlite3.connect(database)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT COUNT(*) FROM txn").fetchone()[0] > 0
            with closing(sqlite3.connect(database, timeout=10)) as locker:
                locker.execute("BEGIN IMMEDIATE")
                run.wait_for("draining")
            result = harmless(run, tmp_path)
    assert not any("not the declared fault" in reason for reason in result["reasons"])
    assert result["load"]["recorded"] == result["load"]["planned"]
    names = {path.name for path in run_in(tmp_path).iterdir()}
    assert not names & {"run.db-wal", "run.db-shm", "run.copy"}
    assert invoked(tmp_path, "judge", str(run_in(tmp_path))).exit_code in (1, 3)


@pytest.mark.slow
@needs_proc
def test_a_run_that_is_killed_can_be_judged(tmp_path: Path) -> None:
    with disturbed_run(tmp_path) as run:
        let_it_begin(run, tmp_path)
        os.kill(run.pid, 9)
        run.exit_code()
    done = invoked(tmp_path, "judge", str(run_in(tmp_path)))
    assert done.exit_code == 3, done.stderr
    (first, *_) = result_of(tmp_path)["reasons"]
    assert first == "the run did not come to its end: its process was ended"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an easy run in it; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    declare(folder, shop=corner_shop(), easy=EASY)
    assert invoked(folder, *RUN).exit_code == 0
    return folder


@pytest.fixture
def ran(finished: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    return shutil.copytree(finished, tmp_path / "ran")


@pytest.mark.slow
def test_a_run_is_judged_again_with_the_same_result(ran: Path) -> None:
    path = run_in(ran) / "result.json"
    before = path.read_bytes()
    path.unlink()
    done = invoked(ran, "judge", str(run_in(ran)))
    assert done.exit_code == 0, done.stderr
    assert path.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["gone", "no database", "a middle page"])
def test_a_baseline_is_read_before_the_run(ran: Path, damage: str) -> None:
    baseline = run_in(ran)
    database = baseline / "run.db"
    if damage == "gone":
        database.unlink()
    elif damage == "no database":
        database.write_text("nothing")
    else:
        data = bytearray(database.read_bytes())
        data[16_384:98_304] = b"\xff" * 81_920
        database.write_bytes(data)
    done = invoked(ran, *RUN[:-1], "again", "--baseline", str(baseline))
    assert done.exit_code == 2, done.stderr
    assert "run.db" in done.stderr
    assert not (ran / "again").exists()


@needs_linux
@pytest.mark.slow
def test_a_folder_that_is_gone_and_a_name_that_is_no_text_are_mistakes(tmp_path: Path) -> None:
    gone = in_shell(tmp_path, "mkdir gone; cd gone; rmdir ../gone; $P list")
    assert (gone.returncode, "no longer exists" in gone.stderr) == (2, True), gone.stderr
    odd = in_shell(tmp_path, r"mkdir $'a\xff'; cd $'a\xff'; $P list")
    assert (odd.returncode, r"a\udcff is not UTF-8" in odd.stderr) == (2, True), odd.stderr
