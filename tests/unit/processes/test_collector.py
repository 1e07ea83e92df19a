"""How often Python looks for cycles: rarely from the start on, whatever a process imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paychain.processes.collector import MIDDLE, OLD, STARTING
from tests.support.cli import environment

# What a process imports when it starts says how often it would look meanwhile.
REPORTING = "import gc, sys\nprint(gc.get_threshold())\nsys.exit()\n"


@pytest.mark.parametrize(
    ("started", "imported"),
    [
        ("paychain.cli", "paychain.cli.main"),
        ("paychain.services", "paychain.services.process"),
        ("paychain.load.locust", "locust.main"),
    ],
)
def test_a_process_looks_rarely_before_it_imports(
    tmp_path: Path, started: str, imported: str
) -> None:
    reporting = tmp_path / "reporting.py"
    reporting.write_text(REPORTING)
    words = (
        "import runpy, sys, importlib.util as util\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {imported!r}:\n"
        f"            return util.spec_from_file_location(name, {str(reporting)!r})\n"
        "sys.meta_path.insert(0, Finder())\n"
        f"runpy.run_module({started!r}, run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", words],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == str((STARTING, MIDDLE, OLD)), done.stderr
