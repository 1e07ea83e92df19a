"""What `import harness` offers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import paychain
from paychain.analysis.measures.measures import Verdict

EXPERIMENT = """\
experiment: tiny
load: {arrivals: 20/s, warm_up: 0s, before: 1s, after: 1s}
tolerances: {}
"""


def test_a_run_is_one_call(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(EXPERIMENT)
    finished = paychain.run("card-single-provider", str(path), out=tmp_path, virtual=True)
    assert finished.result.verdict is Verdict.PASS
    assert (finished.folder / "report.html").is_file()
    assert paychain.load_chain("card-ecommerce").model.entries == ("edge",)


def test_the_command_imports_neither_locust_nor_hypothesis_nor_pydantic_to_show_its_help() -> None:
    code = (
        "import sys; from paychain.cli import main; "
        "print([m for m in ('locust', 'hypothesis', 'pydantic', 'requests') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.strip() == "[]"
