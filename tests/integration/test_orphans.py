"""A process whose parent ended before it could look ends as well: nobody would ever stop it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from harness.load import LOCUSTFILE
from harness.load.plan import load_plan
from harness.load.processes import PLAN_VARIABLE
from harness.model.loading import load_chain, load_experiment
from harness.parent import PARENT_VARIABLE
from harness.services.plan import ServicesPlan

LOCUST = ["locust", "--headless", "--users", "1", "-f", str(LOCUSTFILE)]
ENDS_WITHIN_S = 30


@pytest.fixture
def gone() -> Iterator[str]:
    """The pid of a process that has ended and cannot be given to another one yet."""
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        yield str(ended.pid)


@pytest.mark.parametrize("program", ["fault engine", "mock services", "load process"])
def test_a_process_that_came_too_late_to_see_its_parent_ends(
    program: str, gone: str, tmp_path: Path
) -> None:
    chain = load_chain("card-single-provider")
    services, load = tmp_path / "services.plan", tmp_path / "load.plan"
    services.write_bytes(
        msgspec.json.encode(
            ServicesPlan(chain.text, list(chain.model.links), 1, 0, str(tmp_path / "services"),
                         str(tmp_path / "ready"))
        )
    )  # fmt: skip
    plan = load_plan(chain.model, load_experiment("steady").model, 1)
    load.write_bytes(msgspec.json.encode(msgspec.structs.replace(plan, folder=str(tmp_path))))
    words = {
        "fault engine": ["harness.toxics", "--port", "0"],
        "mock services": ["harness.services", str(services)],
        "load process": LOCUST,
    }[program]
    done = subprocess.run(
        [sys.executable, "-m", *words], timeout=ENDS_WITHIN_S, check=False, capture_output=True,
        env={**os.environ, PARENT_VARIABLE: gone, PLAN_VARIABLE: str(load)},
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    assert b"Traceback" not in done.stderr
