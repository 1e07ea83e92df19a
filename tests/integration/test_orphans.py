"""A process whose parent ended before it could look ends as well: nobody would ever stop it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from paychain.load import LOCUSTFILE
from paychain.load.locust.processes import PLAN_VARIABLE
from paychain.load.traffic.planning import load_plan
from paychain.model.loading import load_chain, load_experiment
from paychain.processes.parent import PARENT_VARIABLE
from paychain.services.plan import ServicesPlan

LOCUST = ["locust", "--headless", "--users", "1", "-f", str(LOCUSTFILE)]
ENDS_WITHIN_S = 30


@pytest.fixture
def gone() -> Iterator[str]:
    """The pid of a process that has ended and cannot be given to another one yet."""
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        yield str(ended.pid)


@pytest.mark.slow
@pytest.mark.parametrize("program", ["fault engine", "mock services", "load process"])
def test_a_process_that_came_too_late_to_see_its_parent_ends(
    program: str, gone: str, tmp_path: Path
) -> None:
    chain = load_chain("card-single-provider")
    services, load = tmp_path / "services.plan", tmp_path / "load.plan"
    services.write_bytes(
        msgspec.json.encode(
            ServicesPlan(
                chain=chain.document.value,
                links=list(chain.model.links),
                seed=1,
                epoch_ns=0,
                spool=str(tmp_path / "services"),
                ready=str(tmp_path / "ready"),
            )
        )
    )
    plan = load_plan(chain.model, load_experiment("steady").model, 1)
    load.write_bytes(msgspec.json.encode(msgspec.structs.replace(plan, folder=str(tmp_path))))
    words = {
        "fault engine": ["paychain.toxics", "--port", "0"],
        "mock services": ["paychain.services", str(services)],
        "load process": LOCUST,
    }[program]
    done = subprocess.run(
        [sys.executable, "-m", *words],
        timeout=ENDS_WITHIN_S,
        check=False,
        capture_output=True,
        env={**os.environ, PARENT_VARIABLE: gone, PLAN_VARIABLE: str(load)},
    )
    assert done.returncode in (0, 1), done.stderr
    assert b"Traceback" not in done.stderr
