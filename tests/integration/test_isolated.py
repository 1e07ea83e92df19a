"""A crash of an isolated link: its process is really killed, and another one takes its place."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from processes import children_of, wait_until

from harness.testing import start_chain

# The issuer takes 150 ms: at 40 payments a second some six are with it when the processor dies.
CHAIN = """\
chain: lone-processor
entry: gateway
deadline: 3s
links:
  gateway: {role: gateway, calls: {authorise: {to: processor, timeout: 1s, on_unknown: reverse}}}
  processor:
    role: processor
    isolate: true
    calls: {authorise: {to: issuer, timeout: 800ms, on_unknown: reverse}}
  issuer: {role: issuer, answers_in: {median: 150ms, p99: 200ms}}
"""
EXPERIMENT = """\
experiment: processor-killed
load: {arrivals: 40/s, warm_up: 200ms, before: 1s, after: 2s}
faults:
  - {id: late, at: 0s, for: LASTS, target: {link: processor}, slow_answer: {delay: 5ms}}
  - {id: killed, at: 1s, for: LASTS, target: {link: processor}, crash: {forgets: true}}
"""
needs_proc = pytest.mark.skipif(
    not Path("/proc").is_dir(), reason="finds child processes through /proc"
)


@contextmanager
def running(folder: Path, lasts: str) -> Iterator[subprocess.Popen[bytes]]:
    chain, experiment = folder / "shop.yaml", folder / "killed.yaml"
    chain.write_text(CHAIN)
    experiment.write_text(EXPERIMENT.replace("LASTS", lasts))
    command = [
        sys.executable, "-m", "harness.cli", "run", str(chain), str(experiment),
        "--out", str(folder / "runs"),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        yield run


def processor(run: subprocess.Popen[bytes], life: str = "link-processor.plan") -> int | None:
    return next((pid for line, pid in children_of(run.pid).items() if life in line), None)


def result_of(folder: Path) -> tuple[Path, Any]:
    (run,) = (folder / "runs").iterdir()
    return run, json.loads((run / "result.json").read_text())


def are_gone(*pids: int) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


@needs_proc
def test_a_crash_kills_the_process_and_another_one_takes_its_port_with_empty_books(
    tmp_path: Path,
) -> None:
    with running(tmp_path, "1s") as run:
        wait_until(lambda: processor(run))
        first = processor(run)
        wait_until(lambda: processor(run, "link-processor-life-2.plan"))
        second = processor(run, "link-processor-life-2.plan")
        assert processor(run) is None
        family = children_of(run.pid).values()
        run.wait(timeout=60)
    assert first is not None
    assert second is not None
    assert first != second
    assert are_gone(first, *family)
    folder, result = result_of(tmp_path)
    assert result["verdict"] == "fail", result["reasons"]

    faults = {one["id"]: one for one in result["faults"]}
    assert faults["killed"]["hits"] == 1
    assert not faults["killed"]["errors"]
    broke = [one for one in result["breaks"] if "killed" in one["faults"]]
    assert {(one["caller"], one["callee"]) for one in broke} == {("gateway", "processor")}

    # What was with the issuer when its caller died it approved, and nobody knows of it.
    money = result["money"]
    found = {one["rule"]: one["findings"] for one in money["rules"]}
    lost = {"no_orphaned_authorisation", "books_agree"}
    assert {name for name, many in found.items() if many} <= lost
    assert found["no_orphaned_authorisation"] > 0
    books = money["books"]
    assert books["issuer"]["authorised"] > books["processor"]["authorised"]

    store = sqlite3.connect(folder / "run.db")
    killed_ns, back_ns = (
        int(faults["killed"][when] * 1e9) for when in ("applied_s", "healed_s")
    )  # fmt: skip
    booked = [at for (at,) in store.execute("SELECT at_ns FROM movement WHERE link = 'processor'")]
    assert any(at < killed_ns for at in booked)
    assert any(at > back_ns for at in booked)
    assert not any(killed_ns + 100_000_000 < at < back_ns - 100_000_000 for at in booked)
    spans = Counter(span for (span,) in store.execute("SELECT span FROM hop"))
    assert max(spans.values()) == 1
    # Of the other fault each life counts its own; the last records of the first life are lost.
    (journalled,) = store.execute(
        "SELECT count(*) FROM decision WHERE kind = 'fault_hit' AND detail = 'late'"
    ).fetchone()
    store.close()
    # 40 payments a second, one second long, before it died
    assert 20 < journalled <= faults["late"]["hits"]
    assert list((folder / "spool").glob("*.spool")) == []  # all lives are in run.db


@needs_proc
def test_a_run_that_is_cut_short_while_a_link_is_dead_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path, "60s") as run:
        wait_until(lambda: processor(run))
        wait_until(lambda: processor(run) is None)
        family = children_of(run.pid).values()
        run.send_signal(signal.SIGINT)
        assert run.wait(timeout=30) == 130
    assert are_gone(*family)
    _, result = result_of(tmp_path)
    assert result["reasons"][0] == "the run was interrupted"


def test_what_is_switched_while_a_link_is_dead_holds_for_its_next_life(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(CHAIN)
    with start_chain(str(path), real=True) as chain, ExitStack() as still_on:
        assert len(chain.pay(2).approved) == 2
        with chain.fault("processor", "crash", forgets="true"):
            with (
                chain.fault("processor", "http_error", status=503),
                chain.fault("processor", "crash", forgets="true"),
            ):
                assert len(chain.pay(2).approved) == 0
            assert len(chain.pay(2).approved) == 0  # of two crashes one is still on
            still_on.enter_context(chain.fault("processor", "decline", code="05"))
        assert [one.code for one in chain.pay(2)] == ["05", "05"]
        still_on.close()
        assert len(chain.pay(2).approved) == 2
        chain.drain()
