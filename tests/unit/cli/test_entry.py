"""How the command begins, and Ctrl-C before it has: its modules take a moment to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paychain.cli.exit_codes import ExitCode
from tests.support.cli import environment

# An import that is interrupted, and makes another error of that: as `__set_name__` does.
INTERRUPTED = """
import signal, sys
from paychain.cli import entry

signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup and `&` ignore it for all below

class Importing:
    def find_spec(self, name, *_):
        if name == "paychain.cli.main":
            try:
                signal.raise_signal(signal.SIGINT)
            except BaseException as error:
                raise RuntimeError("another error") from error

sys.meta_path.insert(0, Importing())
entry.main()
"""


def test_an_interruption_while_the_command_is_imported_leaves_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == ExitCode.INTERRUPTED
    assert done.stderr == "interrupted: nothing was kept\n"
    assert done.stdout == ""


@pytest.mark.parametrize("isolated", [[], ["-P"]], ids=["plain", "as a child"])
def test_the_package_is_the_command(tmp_path: Path, isolated: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *isolated, "-m", "paychain", "check", "nowhere.yaml"],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == ExitCode.USAGE
    assert "nowhere.yaml" in done.stderr
    assert "Traceback" not in done.stderr
