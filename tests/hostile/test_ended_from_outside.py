"""A search or a matrix that somebody ends: nothing stays behind, and what was found is kept."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest

from paychain.report.html.matrix import read_matrix
from tests.support.chains import shop
from tests.support.cli import PAYCHAIN, environment, hear_signals
from tests.support.processes import alive, children_of, needs_proc
from tests.support.runs import declare
from tests.support.tiers import only
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    needs_proc,
    pytest.mark.skipif(sys.platform != "linux", reason="ends by signal"),
]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def paychain(*words: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*PAYCHAIN, *words],
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=hear_signals,
        )
        started.append(process)
        return process

    yield paychain
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    "number",
    only({signal.SIGTERM}, [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]),
)
def test_a_matrix_leaves_no_process_whatever_ends_it(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]], number: int
) -> None:
    declare(tmp_path, shop=shop())
    matrix = start("matrix", "shop.yaml", "--jobs", "2", "--resume", "made")
    # With three results of two workers at least one has been reported.
    wait_until(lambda: len(list(tmp_path.glob("made/cells/*/*/result.json"))) > 2, "a cell is done")
    workers = list(children_of(matrix.pid).values())
    assert len(workers) >= 2
    os.kill(matrix.pid, number)
    # Whoever reads its output to the end must not wait for a worker that still holds the pipe.
    output = matrix.communicate(timeout=20)[0].decode()
    wait_until(lambda: not alive(workers), "its workers are gone", 5)
    if number != signal.SIGKILL:
        assert matrix.returncode == 130, output
        done = read_matrix(tmp_path / "made")
        assert done.interrupted
        assert any(cell.run for cell in done.cells)
    for written in tmp_path.glob("made/cells/*/*/result.json"):
        assert written.stat().st_size > 1_000  # whole, or not there


def test_a_terminal_that_closes_ends_a_matrix_without_a_traceback(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    declare(tmp_path, shop=shop())
    matrix = start("matrix", "shop.yaml", "--jobs", "2", "--resume", "made")
    wait_until(lambda: len(list(tmp_path.glob("made/cells/*/*/result.json"))) > 1, "a cell is done")
    os.killpg(matrix.pid, signal.SIGHUP)
    output = matrix.communicate(timeout=30)[0].decode()
    assert matrix.returncode == 130, output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("number", "jobs"),
    only(
        {(signal.SIGINT, 2)},
        product((signal.SIGTERM, signal.SIGHUP, signal.SIGINT), (1, 2)),
    ),
)
def test_a_search_that_is_ended_keeps_what_it_found(
    tmp_path: Path,
    start: Callable[..., subprocess.Popen[bytes]],
    number: signal.Signals,
    jobs: int,
) -> None:
    declare(tmp_path, shop=shop(on_unknown="give_up"))
    words = ["--budget", "10m", "--jobs", str(jobs), "--payments", "2", "--out", "found"]
    words += ["--kind", "lost_answer"]  # which breaks something soon
    search = start("explore", "shop.yaml", *words)
    assert search.stdout is not None
    seen = b""
    while not re.search(rb"[1-9]\d* found", seen):
        piece = os.read(search.stdout.fileno(), 4_096)
        assert piece, seen
        seen += piece
    jobs_of_it = list(children_of(search.pid).values())
    os.killpg(search.pid, number)  # as a terminal or a CI agent does, to all of them
    output = (seen + search.communicate(timeout=60)[0]).decode()
    assert search.returncode == 130, output
    assert list((tmp_path / "found").glob("*.yaml")), output
    wait_until(lambda: not alive(jobs_of_it), "nothing is left", 5)
