"""A short run that somebody disturbs, and what may come of it."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.chains import corner_shop, experiment
from tests.support.cli import Running, running
from tests.support.processes import child_of
from tests.support.runs import declare, is_recorded, load_began, result_of
from tests.support.waiting import wait_until

PROCESSES = {
    "fault engine": "paychain.toxics",
    "mock services": "paychain.services",
    "load process": "locust",
}
CONDUCTOR = "conductor"
# However slow it is, its money is right.
SOUND = corner_shop(
    deadline="10s", on_unknown="reverse", processor_authorise={"on_unknown": "reverse"}
)
# The issuer is down for 2 s, from 3 s into the load: two of five payments break.
CUT = experiment(
    "{id: cut, at: 0s, for: 2s, target: {link: issuer}, down: {}}",
    arrivals="20/s",
    warm_up="1s",
    before="2s",
    after="2s",
    tolerances='{technical_success: {during: ">= 90%"}}',
)


@contextmanager
def disturbed_run(folder: Path, *words: str) -> Iterator[Running]:
    """A run whose load has begun. Undisturbed, it fails by its tolerance and no money is wrong."""
    declare(folder, shop=SOUND, cut=CUT)
    with running(folder, "run", "shop.yaml", "cut.yaml", "--out", "runs", *words) as run:
        wait_until(lambda: load_began(folder) or run.process.poll() is not None, "the load")
        yield run


def pid_of(run: Running, process: str) -> int:
    """The pid of one process of a run."""
    found = run.pid if process == CONDUCTOR else child_of(run.pid, PROCESSES[process])
    assert found is not None, process
    return found


def let_it_begin(run: Running, folder: Path) -> None:
    """Wait until payments are recorded."""
    _wait_for_row(run, folder, "SELECT 1 FROM txn LIMIT 1")


def let_the_fault_begin(run: Running, folder: Path) -> None:
    """Wait until the fault is on."""
    _wait_for_row(run, folder, "SELECT 1 FROM switch WHERE action = 'applied'")


def _wait_for_row(run: Running, folder: Path, query: str) -> None:
    wait_until(lambda: is_recorded(folder, query) or run.process.poll() is not None, query)
    assert run.process.poll() is None, run.output


def freeze(pid: int, lasts_s: float) -> None:
    """Stop a process for some time, or until the run gives it up and ends it."""
    os.kill(pid, signal.SIGSTOP)
    time.sleep(lasts_s)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def let_no_file_grow(pid: int, beyond: int = 1) -> None:
    """From now on every write of a process that would make a file longer than that fails."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (beyond, hard))


def harmless(run: Running, folder: Path) -> dict[str, Any]:
    """The result of a run that ended as it should: inconclusive, or as if nobody had disturbed it.

    Never a pass, and never with wrong money: there was none.
    """
    code = run.exit_code()
    assert "Traceback" not in run.output
    assert code in (1, 3), run.output
    result = result_of(folder)
    assert result["verdict"] == {1: "fail", 3: "inconclusive"}[code]
    findings = {rule["rule"]: rule["findings"] for rule in result["money"]["rules"]}
    assert not any(findings.values()), findings
    return result
