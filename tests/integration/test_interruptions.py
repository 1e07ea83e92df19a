"""Ctrl-C and dead processes, in every stage of a run: it stops soon, leaves nothing, says why."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import children_of, wait_until

# Customers give up after 0.8 s while the issuer still works for 2 s: the drain lasts that long.
CHAIN = """\
chain: slow-shop
entry: gateway
deadline: 800ms
links:
  gateway: {role: gateway, calls: {authorise: {to: processor, timeout: 4s}}}
  processor: {role: processor, calls: {authorise: {to: issuer, timeout: 3500ms}}}
  issuer: {role: issuer, answers_in: {median: 2s, p99: 2100ms}}
"""
EXPERIMENT = """\
experiment: brief
load: {arrivals: 20/s, warm_up: 200ms, before: 1s, after: 1s}
faults: [{id: late, at: 0s, for: 1s, target: {hop: gateway -> processor}, latency: {delay: 5ms}}]
"""
PROCESSES = {
    "fault engine": "harness.toxics",
    "mock services": "harness.services",
    "load process": "locust",
}
pytestmark = pytest.mark.skipif(
    not Path("/proc").is_dir(), reason="finds child processes through /proc"
)


def child(run: subprocess.Popen[bytes], name: str) -> int | None:
    return next((p for line, p in children_of(run.pid).items() if PROCESSES[name] in line), None)


def ports_open(address: str) -> bool:
    """Whether somebody listens on a port that the run used."""
    port = f"{int(address.rpartition(':')[2]):04X}"
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(row.split()[1].endswith(f":{port}") and row.split()[3] == "0A" for row in rows)


@pytest.mark.parametrize(
    ("stage", "victim"),
    [
        ("start-up", ""),
        ("start-up", "fault engine"),
        ("start-up", "mock services"),
        ("start-up", "load process"),
        ("load", ""),
        ("load", "fault engine"),
        ("load", "mock services"),
        ("load", "load process"),
        ("drain", ""),
        ("drain", "fault engine"),
        ("drain", "mock services"),
    ],
)
def test_a_run_that_is_cut_short_is_inconclusive_and_leaves_nothing(
    tmp_path: Path, stage: str, victim: str
) -> None:
    chain, experiment, out = tmp_path / "shop.yaml", tmp_path / "brief.yaml", tmp_path / "runs"
    chain.write_text(CHAIN)
    experiment.write_text(EXPERIMENT)
    said = tmp_path / "said.txt"
    command = [
        sys.executable, "-m", "harness.cli", "run", str(chain), str(experiment), "--out", str(out),
    ]  # fmt: skip
    with said.open("wb") as output, subprocess.Popen(command, stderr=output, stdout=output) as run:
        match stage:
            case "start-up":
                wait_until(lambda: child(run, victim or "mock services"))
            case "load":
                wait_until(lambda: list(out.glob("*/spool/load.go")))
                time.sleep(1.2)  # some payments are under way
            case "drain":
                wait_until(lambda: "draining" in said.read_text())
        family = children_of(run.pid)
        if victim:
            pid = child(run, victim)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        else:
            run.send_signal(signal.SIGINT)
        cut_at = time.monotonic()
        code = run.wait(timeout=30)
        took_s = time.monotonic() - cut_at
    assert code == (3 if victim else 130), said.read_text()
    # 5 s for stopping; what is on top is the rendering of the report on a busy machine.
    assert took_s < 10
    (folder,) = out.iterdir()
    result = json.loads((folder / "result.json").read_text())
    assert result["verdict"] == "inconclusive"
    assert (victim or "interrupted") in result["reasons"][0]
    assert (folder / "report.html").exists()
    rules = {rule["rule"]: rule for rule in result["money"]["rules"]}
    assert rules["repeats_without_effect"]["is_judged"]
    if not victim:  # what was under way might have been
        assert not rules["unknowns_resolved"]["is_judged"]
        assert rules["unknowns_resolved"]["findings"] == 0
    if stage != "start-up":
        assert result["load"]["recorded"] > 0
    assert [pid for pid in family.values() if Path(f"/proc/{pid}").exists()] == []
    for ready in (folder / "spool").glob("*.ready"):
        text = ready.read_text()
        if text.startswith("http"):
            assert not ports_open(text)
        elif text:
            assert not any(ports_open(f":{port}") for port in json.loads(text)["ports"].values())
