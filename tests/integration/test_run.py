"""Whole runs with the real processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import parse

import pytest

from paychain.payments.cards import TEST_CARDS
from paychain.report.evidence.dsse import new_key
from tests.support.chains import experiment, shop
from tests.support.ci_formats import ctrf_mistakes, junit_mistakes
from tests.support.cli import Done, invoked, paychain, running
from tests.support.processes import child_of, needs_proc
from tests.support.runs import (
    broken_rules,
    declare,
    findings,
    payments_are_under_way,
    result_of,
    run_in,
)
from tests.support.tiers import thorough
from tests.support.waiting import let_pass

RUN = ("run", "shop.yaml", "quick.yaml", "--out", "runs", "--quiet")
SHOP = {"processors": ("processor-a", "processor-b", "processor-c")}


def quick(fault: str = "down: {}", *, arrivals: str = "40/s", more: str = "") -> str:
    """Two seconds of a fault of processor-a."""
    return experiment(
        f"{{id: hurt, at: 0s, for: 2s, target: {{link: processor-a}}, {fault}}}",
        arrivals=arrivals,
        tolerances=f'{{technical_success: {{before: ">= 99.9%", during: ">= 95%"}}{more}}}',
    )


def run(folder: Path, *options: str, on_unknown: str = "reverse", **declared: Any) -> Done:
    """A whole run of the shop."""
    declare(folder, shop=shop(**SHOP, on_unknown=on_unknown), quick=quick(**declared))
    return (invoked if "--virtual" in options else paychain)(folder, *RUN, *options)


@pytest.mark.slow
def test_a_failover_carries_the_payments_and_every_output_is_written(tmp_path: Path) -> None:
    new_key(tmp_path / "key", tmp_path / "key.pub")
    done = run(tmp_path, "--sign", str(tmp_path / "key"), "--ctrf", "--prom", "runs.prom")
    assert done.exit_code == 0, done.stderr
    result = result_of(tmp_path)
    assert result["verdict"] == "pass"
    load = result["load"]
    assert load["planned"] == load["offered"] == load["recorded"] == 240
    assert broken_rules(result) == set()
    (fallback,) = result["fallbacks"]
    assert fallback["to"] == "processor-b"
    assert fallback["success"] == 1.0
    folder = run_in(tmp_path)
    assert junit_mistakes((folder / "junit.xml").read_text("utf-8")) == []
    (suite,) = parse(folder / "junit.xml").getroot()
    assert suite.get("failures") == "0"
    assert "<svg" in (folder / "report.html").read_text()
    assert (folder / "summary.md").read_text().startswith("## ✓")
    assert ctrf_mistakes((folder / "ctrf.json").read_text("utf-8")) == []
    shows_no_secret(tmp_path, folder)


def shows_no_secret(place: Path, run: Path) -> None:
    """No file of a run, and no output about it, holds a whole card number or the key."""
    shown = invoked(place, "show", "payment", str(run), "p0000001")
    assert shown.exit_code == 0, shown.stderr
    secret = (place / "key").read_text().splitlines()[1].encode()
    files = [path for path in (place / "runs").rglob("*") if path.is_file()]
    assert len(files) > 10
    outputs = {path: path.read_bytes() for path in [*files, place / "runs.prom"]}
    outputs[Path("show payment")] = shown.stdout.encode()
    for path, data in outputs.items():
        assert secret not in data, path
        for card in TEST_CARDS:
            assert card.number.encode() not in data, path


def test_lost_answers_charge_twice_without_a_reversal(tmp_path: Path) -> None:
    done = run(tmp_path, "--virtual", on_unknown="give_up", fault="lost_answer: {}")
    assert done.exit_code == 1
    assert findings(result_of(tmp_path))["no_double_charge"] > 20


def test_lost_answers_cost_nobody_anything_with_a_reversal(tmp_path: Path) -> None:
    assert run(tmp_path, "--virtual", fault="lost_answer: {}").exit_code == 0
    result = result_of(tmp_path)
    assert broken_rules(result) == set()
    assert result["money"]["books"]["issuer"]["voided"] > 0


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize(
    ("mark", "name"),
    [("paychain.services", "mock services"), thorough(("paychain.toxics", "fault engine"))],
)
def test_what_breaks_while_the_machine_stalls_is_no_fault_of_the_chain(
    tmp_path: Path, mark: str, name: str
) -> None:
    # Several calls at any time wait for the issuer. Without the stall every payment takes 0.2 s,
    # with it more than 1 % of them 0.6 s or longer: the verdict depends on it.
    slow = {"answers_in": {"median": "150ms", "p99": "200ms"}}
    declare(
        tmp_path,
        shop=shop(**SHOP, issuer=slow),
        quick=quick(more=', latency_p99: "<= 500ms"'),
    )
    with running(tmp_path, *RUN) as going:
        payments_are_under_way(tmp_path)
        pid = child_of(going.pid, mark)
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        let_pass(0.8)  # no call waits for longer than 600 ms
        os.kill(pid, signal.SIGCONT)
        assert going.exit_code() == 3
    result = result_of(tmp_path)
    assert result["verdict"] == "inconclusive"
    reason = result["reasons"][0]
    assert reason.startswith(f"host stalled: {name} was stalled for up to ")
    worst = result["stalls"][0]
    assert worst["process"] == name
    assert worst["longest_ms"] >= 700


@pytest.mark.thorough  # test_tls_ends.py has a load in which nobody pays for seconds
def test_a_load_that_ends_in_silence_ends_when_it_declared(tmp_path: Path) -> None:
    """Every payment is answered long before the end of the load: nothing died."""
    run(tmp_path, arrivals="{steps: [{at: 0s, rate: 40/s}, {at: 2s, rate: 0/s}]}")
    result = result_of(tmp_path)
    assert [reason for reason in result["reasons"] if "died" in reason] == []
    load = result["load"]
    assert load["offered"] == load["recorded"] == 80  # 40/s for two of the six seconds


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, thorough(2)])
def test_users_who_wait_for_answers_set_the_pace_of_a_closed_model(
    tmp_path: Path, workers: int
) -> None:
    declare(
        tmp_path,
        shop=shop(**SHOP),
        quick=quick().replace("arrivals: 40/s", "users: 10, think_time: 200ms"),
    )
    words = ["--workers", str(workers)] if workers else []
    assert paychain(tmp_path, *RUN, *words).exit_code == 0
    load = result_of(tmp_path)["load"]
    assert load["arrivals"] == "closed model: 10 users, 0.2 s think time"
    assert load["planned"] is load["lag_p99_ms"] is None
    # 6 s of 10 users who think for 0.2 s each time: 300 payments at most, and not many fewer
    assert 100 < load["offered"] == load["recorded"] <= 300
    assert len(load["workers"]) == workers
    for worker in load["workers"]:
        assert worker["started"] == worker["recorded"]
