"""A run whose links and proxies are shared out over several processes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.support.chains import experiment, shop
from tests.support.cli import paychain
from tests.support.processes import needs_proc
from tests.support.runs import broken_rules, declare, result_of, run_in


@needs_proc
@pytest.mark.slow
def test_links_in_six_processes_are_judged_as_those_in_one(tmp_path: Path) -> None:
    # A fault in links of several processes, and one on hops.
    hurt = experiment(
        "{id: errors, at: 0s, for: 2s, target: {link: processor-a}, http_error: {status: 503}}",
        "{id: cut, at: 0s, for: 2s, target: {hop: gateway -> processor-b}, down: {}}",
        tolerances='{technical_success: {before: ">= 20%", during: ">= 20%"}}',
    )
    processors = ("processor-a", "processor-b", "processor-c")
    results, switched = [], []
    for processes in ("2", "6"):
        folder = tmp_path / processes
        folder.mkdir()
        declare(folder, shop=shop(processors=processors), quick=hurt)
        words = ("--processes", processes, "--out", "runs", "--quiet")
        done = paychain(folder, "run", "shop.yaml", "quick.yaml", *words)
        # A machine that stalls makes a run inconclusive, however many processes it has.
        assert done.exit_code in (0, 3), done.stdout + done.stderr
        results.append(result_of(folder))
        with sqlite3.connect(run_in(folder) / "run.db") as store:
            rows = store.execute("SELECT DISTINCT process FROM link_switch ORDER BY 1")
            switched.append([name for (name,) in rows])
    assert switched[0] == ["mock services"]
    assert len(switched[1]) > 3
    assert [result["load"]["recorded"] for result in results] == [results[0]["load"]["planned"]] * 2
    assert all(broken_rules(result) == set() for result in results)
    assert all(fault["hits"] for result in results for fault in result["faults"])
