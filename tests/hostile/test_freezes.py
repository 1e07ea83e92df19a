"""Each process of a run stands still for a while, at each stage: no verdict is wrong by it."""

from __future__ import annotations

import os
import signal
from itertools import product
from pathlib import Path

import pytest

from tests.support.hostile import (
    CONDUCTOR,
    PROCESSES,
    disturbed_run,
    freeze,
    harmless,
    let_it_begin,
    let_the_fault_begin,
    pid_of,
)
from tests.support.processes import needs_proc
from tests.support.tiers import only

pytestmark = [pytest.mark.slow, needs_proc]


# The conductor during the fault is below.
# Mocks that stand still are in test_run.py, and the fault engine in test_engine.py.
KEPT = {("load process", "during")}
ENDED = ("load process", "drain")  # there is none by then


@pytest.mark.parametrize(
    ("process", "stage"),
    only(
        KEPT,
        (
            pair
            for pair in product((CONDUCTOR, *PROCESSES), ("before", "during", "drain"))
            if pair != ENDED
        ),
    ),
)
def test_a_process_that_stands_still_makes_no_verdict_wrong(
    tmp_path: Path, process: str, stage: str
) -> None:
    with disturbed_run(tmp_path) as run:
        pid = pid_of(run, process)
        match stage:
            case "before":
                let_it_begin(run, tmp_path)
            case "during":
                let_the_fault_begin(run, tmp_path)
            case "drain":
                run.wait_for("draining")
        freeze(pid, 3.0)
        harmless(run, tmp_path)


@pytest.mark.parametrize("stage", only({"during"}, ["before", "during"]))
def test_a_fault_that_the_conductor_switched_late_is_not_the_declared_one(
    tmp_path: Path, stage: str
) -> None:
    with disturbed_run(tmp_path) as run:
        (let_it_begin if stage == "before" else let_the_fault_begin)(run, tmp_path)
        freeze(run.pid, 4.0)
        result = harmless(run, tmp_path)
    assert result["verdict"] == "inconclusive"
    assert any("not the declared fault" in reason for reason in result["reasons"])
    assert any(stall["process"] == "conductor" for stall in result["stalls"])


@pytest.mark.thorough  # CI sees in test_run.py mocks that stand still, and go on
def test_mocks_that_never_go_on_are_named(tmp_path: Path) -> None:
    with disturbed_run(tmp_path) as run:
        let_the_fault_begin(run, tmp_path)
        os.kill(pid_of(run, "mock services"), signal.SIGSTOP)
        result = harmless(run, tmp_path)
    assert result["verdict"] == "inconclusive"
    assert any("mock services" in reason for reason in result["reasons"])
