"""Runs that tests share: what becomes of them reaches every test that waits."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.support.cli import Done, paychain
from tests.support.shared_runs import TRIES, Pair, ensure_run, finished_run, made_once
from tests.support.waiting import wait_until

PAIR = ("a-chain", "an-experiment")


class Runs:
    """A runner whose tries end with the given exit codes, or with an exception."""

    def __init__(self, *exit_codes: int, leaves_folder: bool = True) -> None:
        self._codes = list(exit_codes)
        self._leaves_folder = leaves_folder
        self.made = 0

    def __call__(self, folder: Path, pair: Pair, out: str) -> Done:
        self.made += 1
        if not self._codes:
            raise TimeoutError("the run took too long")
        if self._leaves_folder:
            (folder / out / "run").mkdir(parents=True)
        return Done(self._codes.pop(0), "", "what went wrong")


def test_an_inconclusive_run_is_made_again_and_the_last_try_counts(tmp_path: Path) -> None:
    runs = Runs(3, 1)
    assert finished_run(PAIR, tmp_path, runs) == tmp_path / "a-chain-an-experiment/1/run"
    assert finished_run(PAIR, tmp_path, runs).exists()
    assert runs.made == 2
    always = Runs(*[3] * (TRIES + 1))
    finished_run(("another", "pair"), tmp_path, always)
    assert always.made == TRIES


def test_an_exception_in_the_thread_that_runs_reaches_every_reader(tmp_path: Path) -> None:
    thread = threading.Thread(target=ensure_run, args=(PAIR, tmp_path, Runs()))
    thread.start()
    wait_until((tmp_path / "-".join(PAIR)).exists, "the run that the thread begins")
    for _ in range(2):
        with pytest.raises(AssertionError, match="the run took too long"):
            finished_run(PAIR, tmp_path, Runs(0))
    thread.join()


def test_what_is_made_once_is_made_by_one_and_its_failure_reaches_all(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    made: list[Path] = []
    folders = {made_once(tmp_path_factory, "a-thing-of-a-test", made.append) for _ in range(2)}
    assert folders == set(made)
    assert len(made) == 1

    def fails(_: Path) -> None:
        made.append(Path())
        raise OSError("no room")

    for _ in range(2):
        with pytest.raises(AssertionError, match="no room"):
            made_once(tmp_path_factory, "a-failure-of-a-test", fails)
    assert len(made) == 2


def test_a_command_that_leaves_no_run_is_reported_with_its_errors(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="exit code 2: what went wrong"):
        finished_run(PAIR, tmp_path, Runs(2, leaves_folder=False))


def test_of_a_run_that_was_disturbed_only_the_run_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service may install something beside the runs while it is started."""
    reasons = iter(["the load fell behind its schedule", "none"])

    def invoked(folder: Path, *_: str, **__: object) -> Done:
        reason = next(reasons)
        result = folder / "runs" / reason[:4] / "result.json"
        installed = folder / "node_modules" / ".package-lock.json"
        for path in (result, installed):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(reason)
        return Done(0 if reason == "none" else 3, "", "")

    monkeypatch.setattr("tests.support.cli.invoked", invoked)
    assert paychain(tmp_path, "run", "a-chain", "an-experiment").exit_code == 0
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["none"]
    assert (tmp_path / "node_modules" / ".package-lock.json").read_text() == "none"
