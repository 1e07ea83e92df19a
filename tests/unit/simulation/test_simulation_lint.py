"""The lint rule that keeps real time, threads and loose chance out of code that runs virtually."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from paychain.environment.simulated_run import simulate_run
from paychain.model.experiment import Experiment
from paychain.model.loading import load_chain
from paychain.simulation.guard import guarded
from tests.support.paths import ROOT

LOAD = {"before": "500ms", "after": "1s"}
EXPERIMENT = {
    "experiment": "everything",
    "faults": [
        {"at": "0s", "for": "1s", "target": {"link": "issuer"}, "latency": {"delay": "100ms"}},
        {"at": "0s", "for": "1s", "target": {"link": "scheme"}, "lost_answer": {"share": "50%"}},
    ],
    "stop_when": ["technical_success < 1% for 1s"],
}
WHOLE_ROOMS = (
    "services",
    "protocol",
    "wire",
    "toxics",
    "payments",
    "simulation",
    "declaration",
    "faults",
    "model",
    "load/traffic",
)
IN_OTHER_ROOMS = (
    "environment/conductor",
    "environment/simulated_run",
    "environment/running_chain",
    "environment/virtual",
    "environment/virtual_engine",
    "engine/events",
    "engine/injector",
    "engine/timeline",
    "load/adapters",
    "analysis/measures/histogram",
    "analysis/measures/measures",
    "analysis/measures/phases",
    "analysis/money/parties",
    "analysis/money/reconcile",
    "analysis/watch",
)


def findings(path: str, text: str) -> str:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--no-cache",
            "--select",
            "TID251",
            "--output-format",
            "concise",
            "--stdin-filename",
            path,
            "-",
        ],
        input=text,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        timeout=30,
    )
    return done.stdout


BANNED = [
    "from time import monotonic",
    "import time; time.sleep(1)",
    "import time; time.localtime()",
    "import datetime; datetime.datetime.now()",
    "from datetime import datetime; datetime.now()",
    "from datetime import date; date.today()",
    "import random; random.random()",
    "import random; random.gammavariate(1, 1)",
    "import random; random.SystemRandom()",
    "from uuid import uuid4",
    "import threading",
    "import _thread",
    "import secrets",
    "from os import urandom",
    "import os; os.system('true')",
    "import subprocess",
    "import requests",
    "import urllib.request",
    "import signal",
    "import select",
    "import socket; socket.getaddrinfo('a', 1)",
    "from socket import create_connection",
    "import asyncio; asyncio.to_thread(int)",
]


@pytest.mark.parametrize("place", [*(f"{room}/new" for room in WHOLE_ROOMS), *IN_OTHER_ROOMS])
def test_what_would_leave_virtual_time_is_banned_where_virtual_time_runs(place: str) -> None:
    found = findings(f"harness/paychain/{place}.py", "\n".join(BANNED))
    assert {line.split(":")[1] for line in found.splitlines() if "TID251" in line} == {
        str(number) for number, _ in enumerate(BANNED, start=1)
    }


def test_every_module_that_runs_in_virtual_time_is_in_those_places() -> None:
    """Played with a stop condition, a user's pace and faults of both places; by its frames."""
    seen: set[str] = set()

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            seen.add(frame.f_globals.get("__name__", ""))

    @contextmanager
    def watched() -> Iterator[None]:
        before = sys.getprofile()
        with guarded():
            sys.setprofile(look)
            try:
                yield
            finally:
                sys.setprofile(before)

    chain = load_chain("card-lifecycle").model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("paychain.environment.virtual.guarded", watched)
        for load in ({"arrivals": "10/s"}, {"users": 2, "think_time": "100ms"}):
            experiment = Experiment.model_validate({**EXPERIMENT, "load": {**LOAD, **load}})
            simulate_run(chain, experiment, 1)
    ours = {name.removeprefix("paychain.") for name in seen if name.startswith("paychain.")}
    elsewhere = {
        name.replace(".", "/")
        for name in ours
        if not name.replace(".", "/").startswith(tuple(f"{room}/" for room in WHOLE_ROOMS))
    } - set(WHOLE_ROOMS)
    assert {"environment/virtual", "engine/injector"} <= elsewhere
    assert elsewhere <= set(IN_OTHER_ROOMS)


def test_seeded_chance_is_allowed_there_and_everything_elsewhere() -> None:
    assert "TID251" not in findings(
        "harness/paychain/services/new.py", "import random; random.Random(1)\n"
    )
    assert "TID251" not in findings("harness/paychain/runs/run.py", "import time; time.sleep(1)\n")
