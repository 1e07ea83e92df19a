"""Ctrl-C and dead processes, in every stage of a run: it stops soon, leaves nothing, says why."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.chains import corner_shop, experiment
from tests.support.cli import running
from tests.support.processes import alive, child_of, children_of, needs_proc
from tests.support.runs import declare, payments_are_under_way, run_in
from tests.support.tiers import thorough
from tests.support.waiting import let_pass, wait_until

# Customers give up after 0.8 s while the issuer still works for 3 s: the drain lasts that long.
CHAIN = corner_shop(
    deadline="800ms",
    timeout="5s",
    processor_timeout="4500ms",
    issuer={"answers_in": {"median": "3s", "p99": "3100ms"}},
)
EXPERIMENT = experiment(
    "{id: late, at: 0s, for: 1s, target: {hop: gateway -> processor}, latency: {delay: 5ms}}",
    arrivals="20/s",
    warm_up="200ms",
    before="1s",
    after="1s",
)
PROCESSES = {
    "fault engine": "paychain.toxics",
    "mock services": "paychain.services",
    "load process": "locust",
}
pytestmark = needs_proc


def listeners(address: str, folder: Path) -> list[int]:
    """The processes of a run in a folder that listen on a port.

    A port that the run gave back may be another test's by now: they run beside each other.
    """
    port = f"{int(address.rpartition(':')[2]):04X}"
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {
        f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port}") and row[3] == "0A"
    }
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            words = (process / "cmdline").read_bytes().decode(errors="replace")
            place = f"{words} {(process / 'cwd').readlink()}"
            held = {str(descriptor.readlink()) for descriptor in (process / "fd").iterdir()}
            if str(folder) in place and held & sockets:
                found.append(int(process.name))
    return found


@pytest.mark.parametrize(
    ("stage", "victim"),
    [
        pytest.param("load", "", marks=pytest.mark.slow),
        pytest.param("drain", "mock services", marks=pytest.mark.slow),
        *map(
            thorough,
            (
                ("start-up", ""),
                ("start-up", "fault engine"),
                ("start-up", "mock services"),
                ("start-up", "load process"),
                ("load", "mock services"),
                ("load", "load process"),
                ("load", "fault engine"),
                ("drain", ""),
                ("drain", "fault engine"),
            ),
        ),
    ],
)
def test_a_run_that_is_cut_short_is_inconclusive_and_leaves_nothing(
    tmp_path: Path, stage: str, victim: str
) -> None:
    declare(tmp_path, shop=CHAIN, brief=EXPERIMENT)
    with running(tmp_path, "run", "shop.yaml", "brief.yaml", "--out", "runs") as run:
        match stage:
            case "start-up":
                mark = PROCESSES[victim or "mock services"]
                wait_until(lambda: child_of(run.pid, mark), f"the process {mark}")
            case "load":
                payments_are_under_way(tmp_path, at_least=3)
            case "drain":
                run.wait_for("draining")
        family = children_of(run.pid)
        if victim:
            pid = child_of(run.pid, PROCESSES[victim])
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        else:
            run.send(signal.SIGINT)
        cut_at = time.monotonic()
        code = run.exit_code()
        took_s = time.monotonic() - cut_at
    assert code == (3 if victim else 130), run.output
    # 5 s for stopping; what is on top is the rendering of the report on a busy machine.
    assert took_s < 30
    folder = run_in(tmp_path)
    result = json.loads((folder / "result.json").read_text())
    assert result["verdict"] == "inconclusive"
    assert (victim or "interrupted") in result["reasons"][0]
    assert (folder / "report.html").exists()
    rules = {rule["rule"]: rule for rule in result["money"]["rules"]}
    if stage != "start-up":  # the journal of who is killed has no end: no money is judged by it
        is_whole = victim in ("", "fault engine")
        assert rules["repeats_without_effect"]["is_judged"] == is_whole
        assert any("journal" in reason for reason in result["reasons"]) != is_whole
    if not victim:  # what was under way might have been
        assert not rules["unknowns_resolved"]["is_judged"]
        assert rules["unknowns_resolved"]["findings"] == 0
    if stage != "start-up":
        assert result["load"]["recorded"] > 0
    assert alive(family.values()) == []
    for ready in (folder / "spool").glob("*.ready"):
        text = ready.read_text()
        if text.startswith("http"):
            assert listeners(text, tmp_path) == []
        elif text:
            ports = json.loads(text)["ports"].values()
            assert not any(listeners(f":{port}", tmp_path) for port in ports)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, thorough(signal.SIGINT)])
@pytest.mark.parametrize("mode", ["--virtual", thorough("--workers=2")])
def test_the_planning_of_a_huge_load_can_be_ended(
    how: signal.Signals, mode: str, tmp_path: Path
) -> None:
    huge = EXPERIMENT.replace("20/s", "5000/s").replace("after: 1s", "after: 3000s")
    assert huge.count("000") == 2
    declare(tmp_path, shop=CHAIN, huge=huge)
    with running(tmp_path, "run", "shop.yaml", "huge.yaml", "--out", "runs", mode) as run:
        run.wait_for("s of load")
        let_pass(1.0)  # into the planning, which takes many times as long
        run.send(how)
        cut_at = time.monotonic()
        assert run.exit_code() == 130, run.output
    assert time.monotonic() - cut_at < 15  # the report is rendered, too
    result = json.loads((run_in(tmp_path) / "result.json").read_text())
    assert result["verdict"] == "inconclusive"
    assert "interrupted" in result["reasons"][0]
