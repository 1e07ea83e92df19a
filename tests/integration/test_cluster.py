"""A search, and a cell of a matrix, on a Dask cluster of two workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from paychain.explore.jobs import _shares, merged, search_with_jobs
from paychain.explore.result import SearchResult
from paychain.explore.search import search
from paychain.explore.spec import SearchSpec
from paychain.payments.errors import UserError
from paychain.processes import cluster as clusters
from paychain.processes.cluster import Cluster, RunningOnCluster
from paychain.runs.cells import CellSpec, keep, loaded, run_cell, run_cell_elsewhere
from tests.support.chains import checked, shop
from tests.support.cluster_jobs import dies, goes_on_at_first
from tests.support.paths import ROOT, SOURCES
from tests.support.runs import declare

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow
PATIENT_S = 200.0
DOWN = """\
experiment: down
load: {arrivals: 10/s, before: 500ms, after: 500ms}
faults: [{at: 0s, for: 500ms, target: {link: issuer}, down: {}}]
tolerances: {technical_success: {during: ">= 90%"}}
"""


@dataclass
class Machines:
    """A cluster on this machine, and how it is used."""

    local: Any
    used: Cluster
    said: list[str] = field(default_factory=list)

    def kill(self, worker: str) -> None:
        """Kill the process of a worker, by its address. Its nanny starts another."""
        (process,) = (
            nanny.pid for nanny in self.local.workers.values() if nanny.worker_address == worker
        )
        os.kill(process, signal.SIGKILL)


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{SOURCES}{os.pathsep}{ROOT}")  # of the workers' processes
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as local:
            said: list[str] = []
            used = Cluster(local.scheduler_address, said.append)
            yield Machines(local, used, said)
            used.close()


def test_a_search_on_a_cluster_finds_what_one_machine_finds(machines: Machines) -> None:
    chain = checked(shop(on_unknown="give_up", processor_authorise={"on_unknown": "reverse"}))
    spec = SearchSpec(
        chain, max_schedules=4, payments=2, kinds=("lost_answer",), budget_s=PATIENT_S
    )
    assert machines.used.threads == 2
    heard: list[int] = []

    def on_progress(result: SearchResult) -> None:
        heard.append(result.schedules)

    found = search_with_jobs(spec, 2, on_progress, machines.used)
    here = merged([search(share, lambda _: None) for share in _shares(spec, 2)])
    assert here.found
    assert found.found == here.found
    assert found.schedules == here.schedules == heard[-1]
    assert not found.was_interrupted


@pytest.mark.thorough  # for a cluster what test_explore.py shows for processes
def test_ctrl_c_ends_the_jobs_with_what_they_have(machines: Machines) -> None:
    chain = checked(shop(on_unknown="give_up"))
    spec = SearchSpec(chain, max_schedules=100_000, payments=2, budget_s=PATIENT_S)
    interrupts = iter([KeyboardInterrupt])

    def on_progress(_: SearchResult) -> None:
        for interrupt in interrupts:  # once
            raise interrupt

    found = search_with_jobs(spec, 2, on_progress, machines.used)
    assert found.was_interrupted
    assert 0 < found.schedules < 100_000


def test_the_work_of_a_lost_worker_is_given_to_another(machines: Machines, tmp_path: Path) -> None:
    machines.said.clear()
    with machines.used.start(goes_on_at_first, [tmp_path]) as running:
        assert isinstance(running, RunningOnCluster)
        assert running.receive()[0].value == "begun"
        worker = running.place_of(0)
        machines.kill(worker)
        values = []
        while "done" not in values:
            values += [report.value for report in running.receive()]
        while not machines.said:
            running.look()
    (lost,) = (line for line in machines.said if line.startswith("lost worker"))
    assert worker in lost
    assert lost.endswith("reassigned: job 1")


def test_a_job_whose_process_dies_is_an_error_in_a_sentence(
    machines: Machines, tmp_path: Path
) -> None:
    with (
        machines.used.start(dies, [tmp_path]) as running,
        pytest.raises(UserError, match=r"the process of job 1 died on worker tcp://.*; see"),
    ):
        running.receive()


def test_a_cell_of_a_matrix_is_what_it_is_here(machines: Machines, tmp_path: Path) -> None:
    declare(tmp_path, shop=shop(), down=DOWN)
    cell = CellSpec(
        chain_name=str(tmp_path / "shop.yaml"),
        path=tmp_path / "down.yaml",
        seed=1,
        folder=tmp_path / "here",
        link="issuer",
        fault="down",
        is_real=False,
    )
    here = run_cell(cell)
    with machines.used.start(run_cell_elsewhere, [loaded(cell)]) as running:
        (report,) = running.receive()
    there = keep(report.value, tmp_path / "there")
    assert (there.state, there.text) == (here.state, here.text)
    assert (tmp_path / "there" / there.run / "report.html").is_file()
    kept = {path.name for path in (tmp_path / "there" / there.run).iterdir()}
    assert kept == {path.name for path in (tmp_path / "here" / here.run).iterdir()}


def test_what_cannot_be_used_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "CONNECT_WITHIN_S", 0.1)
    for address in ("tcp://127.0.0.1:1", "nowhere://"):
        with pytest.raises(UserError, match=f"--cluster {address}.*give the scheduler"):
            Cluster(address, print)
