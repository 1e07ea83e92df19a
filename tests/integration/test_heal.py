"""What a run leaves on an engine that somebody else runs: nothing, or what `heal` can remove."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import Result
from fake_toxiproxy import proxy, serving
from processes import children_of, wait_until
from typer.testing import CliRunner

from harness.children import Children
from harness.cli.main import app
from harness.faults.control import EngineControl
from harness.faults.engine import Engine, start
from harness.faults.owner import State, owned, run_mark

CHAIN = """\
chain: shop
entry: gateway
deadline: 2s
links:
  gateway: {role: gateway, calls: {authorise: {to: processor, timeout: 1s}}}
  processor: {role: processor, calls: {authorise: {to: issuer, timeout: 500ms}}}
  issuer: {role: issuer}
"""
EXPERIMENT = """\
experiment: long
load: {arrivals: 20/s, warm_up: 200ms, before: 1s, after: 1s}
faults:
  - {at: 0s, for: 60s, target: {hop: gateway -> processor}, latency: {delay: 20ms}}
  - {at: 0s, for: 60s, target: {hop: processor -> issuer}, down: {}}
"""
HOPS = 5  # pay, two authorise, two void
# Somebody's own proxy has the name that a hop of the chain has.
FOREIGN = "gateway.authorise.processor"
needs_proc = pytest.mark.skipif(
    not Path("/proc").is_dir(), reason="finds child processes through /proc"
)


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    children = Children(tmp_path)
    yield children
    children.stop()


@pytest.fixture(
    params=["embedded", pytest.param("toxiproxy", marks=pytest.mark.real_toxiproxy)],
)
def engine(request: pytest.FixtureRequest, children: Children) -> Engine:
    """An engine that is not the run's own, with a proxy of somebody else."""
    is_real = request.param == "toxiproxy"
    running = start(
        request.getfixturevalue("toxiproxy_server") if is_real else None, children, seed=1
    )
    running.control.create(FOREIGN, "127.0.0.1:9")
    return running


@contextmanager
def a_run(folder: Path, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run in the middle of its faults; it is killed at the end if it still goes on."""
    chain, experiment, out = folder / "shop.yaml", folder / "long.yaml", folder / "runs"
    chain.write_text(CHAIN)
    experiment.write_text(EXPERIMENT)
    said = folder / "said.txt"
    command = [
        sys.executable, "-m", "harness.cli", "run", str(chain), str(experiment), "--out", str(out),
        "--toxiproxy", url,
    ]  # fmt: skip
    with said.open("wb") as output, subprocess.Popen(
        command, stderr=output, stdout=output,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # whoever started us
    ) as run:  # fmt: skip
        try:
            wait_until(lambda: list(out.glob("*/spool/load.go")) or run.poll() is not None)
            control = EngineControl(url)
            wait_until(lambda: toxics(control) or run.poll() is not None)
            assert run.poll() is None, said.read_text()
            yield run
        finally:
            run.kill()


def toxics(control: EngineControl) -> list[str]:
    """Names of all toxics on the engine."""
    found = control._session.get("/proxies").json()
    return [toxic["name"] for one in found.values() for toxic in one["toxics"]]


def heal(url: str, *options: str) -> Result:
    return CliRunner().invoke(app, ["heal", "--toxiproxy", url, *options])


@needs_proc
def test_what_a_killed_run_left_is_removed_and_nothing_else(
    tmp_path: Path, engine: Engine
) -> None:  # fmt: skip
    url = engine.control.url
    with a_run(tmp_path, url) as run:
        assert len(engine.control.names()) == HOPS + 1
        alive = heal(url)  # its process lives: it is no crashed run
        assert alive.exit_code == 0
        assert f"goes on (process {run.pid})" in alive.stdout
        assert len(engine.control.names()) == HOPS + 1
        os.kill(run.pid, signal.SIGKILL)
        run.wait(timeout=10)
    left = engine.control.names()
    assert len(left) == HOPS + 1
    dry = heal(url, "--dry-run")
    assert (dry.exit_code, dry.stdout.count("to do")) == (0, HOPS)
    assert engine.control.names() == left
    done = heal(url)
    assert done.exit_code == 0
    assert done.stdout.count("  removed ") == HOPS
    assert f"removed: {HOPS}; of runs that may go on: 0; of others: 1" in done.stdout
    assert engine.control.names() == [FOREIGN]
    again = heal(url)
    assert (again.exit_code, again.stdout.count("  removed ")) == (0, 0)


@needs_proc
@pytest.mark.parametrize("end", ["SIGINT", "SIGTERM", "SIGHUP", "mock services", "load process"])
def test_a_run_that_ends_early_heals_everything_itself(
    tmp_path: Path, children: Children, end: str
) -> None:
    running = start(None, children, seed=1)
    running.control.create(FOREIGN, "127.0.0.1:9")
    with a_run(tmp_path, running.control.url) as run:
        if end.startswith("SIG"):
            run.send_signal(signal.Signals[end])
        else:
            word = {"mock services": "harness.services", "load process": "locust"}[end]
            (victim,) = [pid for line, pid in children_of(run.pid).items() if word in line]
            os.kill(victim, signal.SIGKILL)
        assert run.wait(timeout=30) == (130 if end.startswith("SIG") else 3)
    assert running.control.names() == [FOREIGN]


def test_a_run_of_elsewhere_is_left_unless_it_is_named(children: Children) -> None:
    running = start(None, children, seed=1)
    elsewhere = "paychain-00000000-1-1"
    running.control.create(f"{elsewhere}.gateway.authorise.issuer", "127.0.0.1:9")
    url = running.control.url
    left = heal(url)
    assert left.exit_code == 0
    assert f"{elsewhere} ran elsewhere; if it is over: --run {elsewhere}" in left.stdout
    assert len(running.control.names()) == 1
    wrong = heal(url, "--run", "paychain-00000000-1-2")
    assert wrong.exit_code != 0
    assert "no proxy of a run 'paychain-00000000-1-2'" in str(wrong.exception)
    assert heal(url, "--run", elsewhere).exit_code == 0
    assert running.control.names() == []


def test_an_engine_that_ends_with_its_run_needs_no_healing() -> None:
    done = CliRunner().invoke(app, ["heal"], env={"TOXIPROXY_URL": ""})
    assert "an engine that a run starts ends with it" in str(done.exception)


# -- a server that answers oddly -------------------------------------------------------------------
def gone(number: int = 4_194_304) -> str:
    """The mark of a process that cannot be: Linux numbers them below that."""
    place = run_mark().split("-")[1]
    return f"paychain-{place}-{number}-1"


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (204, 0, "  removed  gateway.authorise.issuer"),
        (404, 0, "  removed  gateway.authorise.issuer"),  # somebody else was quicker
        (500, 3, "  not done gateway.authorise.issuer: DELETE"),
    ],
)
def test_a_removal_is_told_as_it_went(status: int, code: int, said: str) -> None:
    name = f"{gone()}.gateway.authorise.issuer"
    with serving() as server:
        server.answers["GET /version"] = (200, b'{"version": "2.12.0"}')
        server.answers["GET /proxies"] = (200, json.dumps({name: proxy(name)}).encode())
        server.answers[f"DELETE /proxies/{name}"] = (status, b"")
        done = heal(server.url)
    assert done.exit_code == code, done.stdout
    assert said in done.stdout


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"[1, 2]", b'{"a": 1}'])
def test_a_server_that_answers_something_else_is_not_touched(body: bytes) -> None:
    with serving() as server:
        server.answers["GET /version"] = (200, b'{"version": "2.12.0"}')
        server.answers["GET /proxies"] = (200, body)
        done = heal(server.url)
        assert done.exit_code != 0
        assert "no Toxiproxy server answers" in str(done.exception)
        assert [order for order, _ in server.asked if not order.startswith("GET")] == []


@pytest.mark.parametrize(
    "name",
    [
        "gateway.authorise.issuer", "paychain", "paychain-gateway.authorise", "paychain-1-2.3",
        "xpaychain-00000000-1-1.pay", "paychain-0000000g-1-1.pay", "paychain-00000000-1-1",
        "paychain-00000000-1-1-pay", "paychain-00000000-99999999999-1.pay",
    ],
)  # fmt: skip
def test_a_name_that_only_looks_like_ours_is_somebody_elses(name: str) -> None:
    assert owned(name) is None


@needs_proc
def test_a_process_of_the_same_number_that_was_born_later_is_another() -> None:
    place, process, born = run_mark().rstrip(".").split("-")[1:]
    assert process == str(os.getpid())
    mine = owned(f"paychain-{place}-{process}-{born}.pay")
    assert mine is not None
    assert (mine.state, mine.hop) == (State.ALIVE, "pay")
    later = owned(f"paychain-{place}-{process}-{int(born) - 1}.pay")
    assert later is not None
    assert later.state is State.OVER
