"""What a run inherits from whoever starts it: variables, signals, descriptors, a home."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import DISTURBED, PAYCHAIN, environment
from tests.support.hostile import CUT, SOUND
from tests.support.runs import declare, result_of

# SIGCHLD ignored: every child would seem to end with 0. Blocked signals, which every process
# inherits, and no standard input.
STARTED = """
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
os.umask(0o077)
os.close(0)
os.execv(sys.argv[1], sys.argv[1:])
"""
BUSY = (*DISTURBED, "was not ready within")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="closes what it inherits")
def test_a_run_is_what_is_declared_whoever_starts_it(tmp_path: Path) -> None:
    # A payment may be on its way when the issuer goes down: nobody is to leave it unknown.
    declare(tmp_path, shop=SOUND, easy=CUT.replace("during: ", "before: "))
    home = tmp_path / "home"
    home.mkdir()
    (home / ".locust.conf").write_text("run-time = 1s\nprocesses = 2\n")
    done = subprocess.run(
        [sys.executable, "-c", STARTED, *PAYCHAIN, "run", "shop.yaml", "easy.yaml", "--out", "out"],
        cwd=tmp_path,
        env=environment(
            HOME=str(home),
            LOCUST_RUN_TIME="1s",
            LOCUST_USERS="7",
            LOCUST_HOST="http://192.0.2.1",
            TZ="Asia/Kathmandu",
            LC_ALL="C",
            COLUMNS="1",
            TERM="dumb",
        ),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert "Traceback" not in done.stderr
    result = result_of(tmp_path, "out")
    reasons = " ".join(result["reasons"])
    if not any(words in reasons for words in BUSY):
        assert (done.returncode, result["verdict"]) == (0, "pass"), reasons
        assert result["load"]["recorded"] == result["load"]["planned"]
    assert "ended unexpectedly" not in reasons
