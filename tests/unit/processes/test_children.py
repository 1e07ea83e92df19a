"""How a Python child of ours is started, so that it imports nothing of the user's folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from paychain.load import LOCUSTFILE
from paychain.load.locust.processes import alone, master, worker
from paychain.processes.children import Children, child_environment, python_module


def test_a_python_child_does_not_import_from_its_working_directory(tmp_path: Path) -> None:
    (tmp_path / "pydoc.py").write_text("raise RuntimeError\n")  # a module that can be run
    children = Children(tmp_path)
    child = children.start("a child", python_module("pydoc", "--help"), folder=tmp_path)
    assert child.process.wait(30) == 0
    plain = children.start("another", [sys.executable, "-m", "pydoc"], folder=tmp_path)
    assert plain.process.wait(30) == 1
    children.stop()


def test_what_was_started_last_can_be_stopped_before_the_rest(tmp_path: Path) -> None:
    children = Children(tmp_path)
    sleeps = [sys.executable, "-c", "import time; time.sleep(60)"]
    first = children.start("first", sleeps)
    number = children.number
    second = children.start("second", sleeps)
    children.stop(number)
    assert (first.process.poll(), second.process.poll() is None) == (None, False)
    children.stop()
    assert first.process.poll() is not None
    assert children.dead() == []


def test_the_import_path_of_a_child_does_not_depend_on_its_working_directory() -> None:
    given = {"PYTHONPATH": os.pathsep.join(["", "harness", "/opt/lib", ""]), "A": "b"}
    absolute = os.pathsep.join([str(Path("harness").absolute()), "/opt/lib"])
    assert child_environment(given) == {"PYTHONPATH": absolute, "A": "b"}
    assert child_environment({"A": "b"}) == {"A": "b"}


def test_locust_is_started_in_a_folder_of_ours_with_absolute_paths() -> None:
    folder = Path("reports") / "a-run"
    for command in (
        alone(folder),
        master(folder, "127.0.0.1", 0, 2, "token"),
        worker(folder, "a worker", "127.0.0.1", 5_557, "token"),
    ):
        assert command.words[:4] == [sys.executable, "-P", "-m", "locust"]
        assert command.words[4:6] == ["-f", str(LOCUSTFILE)]
        assert LOCUSTFILE.is_absolute()
        assert command.folder == folder.absolute()
        assert command.environment["PAYCHAIN_LOAD_PLAN"] == str(folder.absolute() / "load.plan")


@pytest.mark.timeout(60)
def test_a_child_whose_lock_an_interruption_left_taken_is_stopped_all_the_same(
    tmp_path: Path,
) -> None:
    children = Children(tmp_path)
    child = children.start("first", [sys.executable, "-c", "import time; time.sleep(60)"])
    # What a signal handler does that raises right after `poll` has taken it.
    child.process._waitpid_lock.acquire()  # type: ignore[attr-defined]  # of the standard library
    children.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(child.process.pid, 0)
