"""Folders of a command that was killed are removed by the next one; those of others are not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from paychain.processes.scratch import is_scratch, scratch_folder
from tests.support.cli import environment

HOLDS = """\
import sys
from paychain.processes.scratch import scratch_folder
with scratch_folder() as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


def older(folder: Path) -> None:
    """As if it had been made some minutes ago."""
    then = time.time() - 300
    os.utime(folder, (then, then))


def test_what_a_killed_process_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "paychain-scratch-strangers").mkdir()  # without a lock: not one of ours
    command = [sys.executable, "-c", HOLDS]
    variables = environment(TMPDIR=str(tmp_path))
    with subprocess.Popen(
        command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        older(left)
        with scratch_folder() as mine:
            assert left.is_dir()  # its process lives
            assert mine.is_dir()
        process.kill()
    assert not mine.exists()
    with scratch_folder():
        assert not left.exists()
    older(tmp_path / "paychain-scratch-strangers")
    with scratch_folder():
        assert (tmp_path / "paychain-scratch-strangers").is_dir()


def test_what_lies_in_such_a_folder_is_known_to_go_with_it(tmp_path: Path) -> None:
    with scratch_folder() as folder:
        assert is_scratch(folder / "1" / "logs" / "shop.log")
    assert not is_scratch(tmp_path / "logs" / "shop.log")
