"""Processes that do jobs in turn: each job once, and a death or an error in a sentence."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from paychain.payments.errors import HarnessError, UserError
from paychain.processes.pool import Pool, RunningPool
from tests.support.processes import alive

JOBS = """\
import os
import signal
import time

from paychain.payments.errors import UserError
from paychain.processes.jobs import REPORT_S


def process_of(number, _):
    return number, os.getpid()


def refuse(number, _):
    raise UserError("no")


def refuse_elsewhere(number, _):
    raise ConnectionResetError("no")


def refuse_unreadably(number, _):
    raise type("Local", (Exception,), {})("no")


def report_on_the_way(number, report):
    for _ in range(8):
        time.sleep(REPORT_S / 4)
        report(0)
    return number


def die(number, _):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that the processes can import, too: a job is sent by its name."""
    (tmp_path / "pool_jobs.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    return importlib.import_module("pool_jobs")


def all_of(running: RunningPool, number: int) -> dict[int, Any]:
    values: dict[int, Any] = {}
    while len(values) < number:
        values |= {report.job: report.value for report in running.receive()}
    return values


@pytest.mark.slow
def test_every_job_is_done_once_by_one_of_the_processes_and_none_of_them_is_left(
    jobs: ModuleType,
) -> None:
    with Pool(2).start(jobs.process_of, [10, 11, 12, 13, 14]) as running:
        values = all_of(running, 5)
    assert [values[place][0] for place in range(5)] == [10, 11, 12, 13, 14]
    processes = {process for _, process in values.values()}
    assert 1 <= len(processes) <= 2
    assert os.getpid() not in processes
    assert not alive(list(processes))


def test_no_process_is_started_for_no_job() -> None:
    with Pool(2).start(print, []) as running:
        assert running._processes == []


@pytest.mark.slow
def test_an_error_of_a_job_and_the_death_of_a_process_are_raised(jobs: ModuleType) -> None:
    with Pool(1).start(jobs.refuse, [1]) as running, pytest.raises(UserError, match="no"):
        running.receive()
    with Pool(1).start(jobs.refuse_elsewhere, [1]) as running, pytest.raises(ConnectionResetError):
        running.receive()
    with Pool(1).start(jobs.die, [1]) as running, pytest.raises(HarnessError, match="was ended"):
        running.receive()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "error"), [("refuse", UserError), ("refuse_unreadably", RuntimeError)]
)
def test_a_process_whose_job_failed_prints_nothing(
    jobs: ModuleType, capfd: pytest.CaptureFixture[str], job: str, error: type[Exception]
) -> None:
    with Pool(1).start(getattr(jobs, job), [1]) as running:
        with pytest.raises(error, match="no"):
            running.receive()
        running._processes[0].connection.poll(0.2)  # it waits for its next job, or has ended
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_a_job_that_reports_on_the_way_is_not_stopped_by_that(jobs: ModuleType) -> None:
    with Pool(1).start(jobs.report_on_the_way, [7]) as running:
        assert all_of(running, 1) == {0: 7}
