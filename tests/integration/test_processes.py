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
def test_links_in_several_processes_make_one_run(tmp_path: Path) -> None:
    # A fault in a link, which every process is told of, and one on hops.
    hurt = experiment(
        "{id: errors, at: 0s, for: 1s, target: {link: processor-a}, http_error: {status: 503}}",
        "{id: cut, at: 0s, for: 1s, target: {hop: gateway -> processor-b}, down: {}}",
        tolerances='{technical_success: {before: ">= 20%", during: ">= 20%"}}',
    )
    processors = ("processor-a", "processor-b", "processor-c")
    declare(tmp_path, shop=shop(processors=processors), quick=hurt)
    words = ("--processes", "4", "--out", "runs", "--quiet")
    done = paychain(tmp_path, "run", "shop.yaml", "quick.yaml", *words)
    # A machine that stalls makes a run inconclusive, however many processes it has.
    assert done.exit_code in (0, 3), done.stdout + done.stderr
    with sqlite3.connect(run_in(tmp_path) / "run.db") as store:
        rows = store.execute("SELECT DISTINCT process FROM link_switch ORDER BY 1").fetchall()
    assert rows == [(f"mock services {number}",) for number in (1, 2, 3)]
    result = result_of(tmp_path)
    assert result["load"]["recorded"] == result["load"]["planned"]
    assert broken_rules(result) == set()
    assert all(fault["hits"] for fault in result["faults"])
