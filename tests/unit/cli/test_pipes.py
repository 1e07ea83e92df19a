"""A named pipe is waited on, and whoever waits is told for what."""

from __future__ import annotations

import os
from pathlib import Path

from paychain.report.evidence.dsse import new_key
from tests.support.cli import invoked, running
from tests.support.signed_runs import run_at


def test_a_key_may_come_from_a_pipe_and_is_asked_for(tmp_path: Path) -> None:
    run_at(tmp_path, "run")
    new_key(tmp_path / "key", tmp_path / "key.pub")
    os.mkfifo(tmp_path / "pipe")
    for words, key in (
        (("sign", "run", "--key", "pipe"), "key"),
        (("verify", "run", "--trust", "pipe"), "key.pub"),
    ):
        with running(tmp_path, *words) as command:
            command.wait_for("waiting for somebody to write to pipe\n")
            (tmp_path / "pipe").write_bytes((tmp_path / key).read_bytes())
            assert command.exit_code() == 0, command.output


def test_a_key_that_is_there_is_not_waited_for(tmp_path: Path) -> None:
    run_at(tmp_path, "run")
    new_key(tmp_path / "key", tmp_path / "key.pub")
    done = invoked(tmp_path, "sign", "run", "--key", "key")
    assert done.exit_code == 0
    assert "waiting" not in done.stderr
