"""The lint rule that keeps real time, threads and loose chance out of code that runs virtually."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def findings(path: str, text: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "TID251",
         "--output-format", "concise", "--stdin-filename", path, "-"],
        input=text, capture_output=True, text=True, cwd=ROOT, check=False, timeout=30,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("package", ["services", "wire", "toxics", "payments", "simulation"])
@pytest.mark.parametrize(
    "line",
    [
        "from time import monotonic", "import time; time.sleep(1)",
        "import datetime; datetime.datetime.now()", "from datetime import datetime; datetime.now()",
        "import random; random.random()", "from uuid import uuid4", "import threading",
        "import secrets", "from os import urandom", "import subprocess", "import requests",
    ],
)  # fmt: skip
def test_what_would_leave_virtual_time_is_banned_where_virtual_time_runs(
    package: str, line: str
) -> None:
    assert "TID251" in findings(f"harness/{package}/new.py", f"{line}\n")


def test_seeded_chance_is_allowed_there_and_everything_elsewhere() -> None:
    assert "TID251" not in findings("harness/services/new.py", "import random; random.Random(1)\n")
    assert "TID251" not in findings("harness/conductor.py", "import time; time.sleep(1)\n")
