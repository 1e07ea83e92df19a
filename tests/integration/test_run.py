"""Whole runs with the real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import parse

import pytest
from ci_formats import ctrf_mistakes, junit_mistakes
from processes import children_of, wait_until

from harness.payments.cards import TEST_CARDS
from harness.report.dsse import new_key

CHAIN = """\
chain: shop
entry: gateway
deadline: 3s
links:
  gateway:
    role: gateway
    calls:
      authorise:
        to: processor-a
        timeout: 600ms
        on_unknown: ON_UNKNOWN
        fallback: [{to: processor-b}, {to: processor-c}]
  processor-a: {role: processor, calls: {authorise: {to: issuer, timeout: 300ms}}}
  processor-b: {role: processor, calls: {authorise: {to: issuer, timeout: 300ms}}}
  processor-c: {role: processor, calls: {authorise: {to: issuer, timeout: 300ms}}}
  issuer: {role: issuer}
"""
EXPERIMENT = """\
experiment: quick
load: {arrivals: 40/s, warm_up: 500ms, before: 1500ms, after: 2s}
faults:
  - {id: hurt, at: 0s, for: 2s, target: {link: processor-a}, FAULT}
tolerances:
  technical_success: {before: ">= 99.9%", during: ">= 95%"}
"""


def command(folder: Path, *, on_unknown: str = "reverse", fault: str = "down: {}") -> list[str]:
    chain, experiment = folder / "shop.yaml", folder / "quick.yaml"
    chain.write_text(CHAIN.replace("ON_UNKNOWN", on_unknown))
    experiment.write_text(EXPERIMENT.replace("FAULT", fault))
    return [
        sys.executable, "-m", "harness.cli", "run", str(chain), str(experiment),
        "--out", str(folder / "runs"), "--quiet",
    ]  # fmt: skip


def finished(folder: Path) -> dict[str, object]:
    (run,) = (folder / "runs").iterdir()
    return dict(json.loads((run / "result.json").read_text()))


def found(result: dict[str, object]) -> dict[str, int]:
    return {rule["rule"]: rule["findings"] for rule in result["money"]["rules"]}  # type: ignore[index]


def test_a_failover_carries_the_payments_and_every_output_is_written(tmp_path: Path) -> None:
    done = subprocess.run(command(tmp_path), timeout=60, check=False)
    assert done.returncode == 0
    result = finished(tmp_path)
    assert result["verdict"] == "pass"
    load = result["load"]
    assert load["planned"] == load["offered"] == load["recorded"] == 240  # type: ignore[index]
    assert not any(found(result).values())
    (fallback,) = result["fallbacks"]  # type: ignore[misc]
    assert fallback["to"] == "processor-b"
    assert fallback["success"] == 1.0
    (run,) = (tmp_path / "runs").iterdir()
    assert junit_mistakes((run / "junit.xml").read_text("utf-8")) == []
    (suite,) = parse(run / "junit.xml").getroot()
    assert suite.get("failures") == "0"
    assert "<svg" in (run / "report.html").read_text()
    assert (run / "summary.md").read_text().startswith("## ✓")


def test_no_file_of_a_run_holds_a_whole_card_number(tmp_path: Path) -> None:
    key = tmp_path / "key"
    new_key(key, tmp_path / "key.pub")
    order = [
        *command(tmp_path),
        "--sign",
        str(key),
        "--ctrf",
        "--prom",
        str(tmp_path / "runs.prom"),
    ]
    assert subprocess.run(order, timeout=60, check=False).returncode == 0
    (run,) = (tmp_path / "runs").iterdir()
    subprocess.run(
        [sys.executable, "-m", "harness.cli", "show", "payment", str(run), "p0000001"],
        timeout=30, check=True, stdout=(tmp_path / "runs" / "shown.txt").open("wb"),
    )  # fmt: skip
    assert ctrf_mistakes((run / "ctrf.json").read_text("utf-8")) == []
    secret = key.read_text().splitlines()[1].encode()
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in [*files, tmp_path / "runs.prom"]:
        data = path.read_bytes()
        assert secret not in data, path
        for card in TEST_CARDS:
            assert card.number.encode() not in data, path


def test_lost_answers_charge_twice_without_a_reversal(tmp_path: Path) -> None:
    order = command(tmp_path, on_unknown="give_up", fault="lost_answer: {}")
    assert subprocess.run(order, timeout=60, check=False).returncode == 1
    assert found(finished(tmp_path))["no_double_charge"] > 20


def test_lost_answers_cost_nobody_anything_with_a_reversal(tmp_path: Path) -> None:
    order = command(tmp_path, fault="lost_answer: {}")
    assert subprocess.run(order, timeout=60, check=False).returncode == 0
    result = finished(tmp_path)
    assert not any(found(result).values())
    assert result["money"]["books"]["issuer"]["voided"] > 0  # type: ignore[index]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes through /proc")
@pytest.mark.parametrize(
    ("mark", "name"), [("harness.services", "mock services"), ("harness.toxics", "fault engine")]
)
def test_what_breaks_while_the_machine_stands_still_is_no_fault_of_the_chain(
    tmp_path: Path, mark: str, name: str
) -> None:
    order = command(tmp_path)
    chain = tmp_path / "shop.yaml"  # several calls at any time wait for the issuer
    slow = "issuer: {role: issuer, answers_in: {median: 150ms, p99: 200ms}}"
    chain.write_text(chain.read_text().replace("issuer: {role: issuer}", slow))
    experiment = tmp_path / "quick.yaml"  # it fails in any case: only then does it matter why
    experiment.write_text(experiment.read_text() + '  latency_p50: "<= 1ms"\n')
    with subprocess.Popen(order) as run:
        wait_until(lambda: list((tmp_path / "runs").glob("*/spool/load.go")))
        (pid,) = [pid for line, pid in children_of(run.pid).items() if mark in line]
        time.sleep(1)  # payments are under way
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.8)  # no call waits for longer than 600 ms
        os.kill(pid, signal.SIGCONT)
        assert run.wait(60) == 3
    result = finished(tmp_path)
    assert result["verdict"] == "inconclusive"
    reason = result["reasons"][0]  # type: ignore[index]
    assert reason.startswith("too busy a machine: ")
    assert f"failed while {name} stood still" in reason
    worst = result["stood_still"][0]  # type: ignore[index]
    assert worst["process"] == name
    assert worst["longest_ms"] >= 700


def test_a_load_that_ends_in_silence_is_over_when_it_said(tmp_path: Path) -> None:
    """Every payment is answered long before the end of the load: nothing died."""
    order = command(tmp_path)
    text = (tmp_path / "quick.yaml").read_text()
    silent = "arrivals: {steps: [{at: 0s, rate: 40/s}, {at: 2s, rate: 0/s}]}"
    (tmp_path / "quick.yaml").write_text(text.replace("arrivals: 40/s", silent))
    subprocess.run(order, timeout=90, check=False)
    said: Any = finished(tmp_path)["reasons"]
    assert not [one for one in said if "died" in one]
    load: Any = finished(tmp_path)["load"]
    assert load["offered"] == load["recorded"] == 80  # 40/s for two of the six seconds


def test_users_who_wait_for_answers_set_the_pace_of_a_closed_model(tmp_path: Path) -> None:
    order = command(tmp_path)
    text = (tmp_path / "quick.yaml").read_text()
    users = "users: 10, think_time: 200ms"
    (tmp_path / "quick.yaml").write_text(text.replace("arrivals: 40/s", users))
    done = subprocess.run([*order, "--workers", "2"], timeout=90, check=False)
    assert done.returncode == 0
    load: Any = finished(tmp_path)["load"]
    assert load["arrivals"] == "closed model: 10 users, 0.2 s think time"
    assert load["planned"] is load["lag_p99_ms"] is None
    # 6 s of 10 users who think for 0.2 s each time: 300 payments at most, and not many fewer
    assert 100 < load["offered"] == load["recorded"] <= 300
    assert [one["started"] for one in load["workers"]] == [
        one["recorded"] for one in load["workers"]
    ]
