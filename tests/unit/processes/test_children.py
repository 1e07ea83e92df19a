"""How a Python child of ours is started, so that it imports nothing of the user's folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from paychain.load import LOCUSTFILE
from paychain.load.locust.processes import alone, master, worker
from paychain.payments.errors import PartLost, UserError
from paychain.processes.children import Child, Children, python_module
from paychain.processes.variables import SECRETS, child_environment, without_secrets


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


def test_no_option_of_locusts_reaches_it_by_a_variable() -> None:
    given = {"LOCUST_RUN_TIME": "1s", "LOCUST_MODE_WORKER": "1", "LOCUST_ENABLE_OPENTELEMETRY": "1"}
    assert child_environment(given) == {"LOCUST_ENABLE_OPENTELEMETRY": "1"}


def test_the_end_of_a_child_is_told_also_where_the_parent_ignored_it(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # as inherited from who started us
    try:
        children = Children(tmp_path)
        child = children.start("a child", ["/bin/sh", "-c", "exit 7"])
        assert child.process.wait(30) == 7
        assert child.has_died
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_locust_is_started_in_a_folder_of_ours_with_absolute_paths() -> None:
    folder = Path("reports") / "a-run"
    for command in (
        alone(folder),
        master(folder, "127.0.0.1", 0, 2, "token"),
        worker(folder, "a worker", "127.0.0.1", 5_557, "token"),
    ):
        assert command.words[:4] == [sys.executable, "-P", "-m", "paychain.load.locust"]
        assert command.words[4:6] == ["-f", str(LOCUSTFILE)]
        assert LOCUSTFILE.is_absolute()
        assert command.folder == folder.absolute()
        assert command.environment["PAYCHAIN_LOAD_PLAN"] == str(folder.absolute() / "load.plan")


SAYS_WHAT_IT_KNOWS = """
import os, sys
from paychain.processes.tokens import received_token
print(received_token() or "no token", sorted(set(os.environ) & set(sys.argv[1:])))
"""


@pytest.mark.parametrize("is_foreign", [False, True])
def test_a_child_inherits_no_secret_and_gets_its_token_where_nobody_else_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_foreign: bool
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "a secret of this process")
    children = Children(tmp_path)
    command = [sys.executable, "-c", SAYS_WHAT_IT_KNOWS, *SECRETS]
    with_token = children.start("told", command, is_foreign=is_foreign, token="the token")
    without = children.start("not told", command, is_foreign=is_foreign)
    given = children.start("given", command, {"PAYCHAIN_TOKEN": "explicitly"})
    for child in (with_token, without, given):
        assert child.process.wait(30) == 0, child.log.read_text()
    assert with_token.log.read_text() == "the token []\n"
    assert without.log.read_text() == "no token []\n"
    assert given.log.read_text() == "no token ['PAYCHAIN_TOKEN']\n"
    children.stop()


@pytest.mark.parametrize(("is_addressed", "failure"), [(False, PartLost), (True, UserError)])
def test_a_child_that_dies_before_it_is_ready_is_no_mistake_unless_it_was_given_an_address(
    tmp_path: Path, is_addressed: bool, failure: type[UserError]
) -> None:
    children = Children(tmp_path)
    child = children.start("mock services", ["/bin/sh", "-c", "exit 9"])
    with pytest.raises(UserError, match=r"ended unexpectedly \(exit code 9\)") as raised:
        children.wait_for(child, tmp_path / "ready", is_addressed=is_addressed)
    assert raised.type is failure


def test_only_output_that_stays_is_pointed_at() -> None:
    kept, gone = Path("/runs/1/spool/load.log"), Path("/tmp/paychain-scratch-1/load.log")
    process = cast("subprocess.Popen[bytes]", None)
    assert Child("load", process, kept).where_output == f"its output is in {kept}"
    assert Child("load", process, gone).where_output == ""


def test_what_is_no_secret_stays_in_an_environment() -> None:
    kept = {"PATH": "/bin", "PAYCHAIN_OUT": "reports"}
    assert without_secrets(kept | dict.fromkeys(SECRETS, "x")) == kept
    assert {"PAYCHAIN_SIGNING_KEY", "PAYCHAIN_TOKEN"} == SECRETS


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
