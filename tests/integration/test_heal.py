"""What a run leaves on an engine that somebody else runs: nothing, or what `heal` can remove."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from paychain.cli.main import app
from paychain.engine.control import EngineControl
from paychain.engine.engine import Engine, start
from paychain.engine.owner import RunState, owned, run_mark
from paychain.processes.children import Children
from tests.support.chains import corner_shop, experiment
from tests.support.cli import Running, running
from tests.support.fake_toxiproxy import proxy, serving
from tests.support.processes import child_of, needs_proc
from tests.support.runs import declare, load_began
from tests.support.tiers import only
from tests.support.waiting import wait_until

EXPERIMENT = experiment(
    "{at: 0s, for: 60s, target: {hop: gateway -> processor}, latency: {delay: 20ms}}",
    "{at: 0s, for: 60s, target: {hop: processor -> issuer}, down: {}}",
    arrivals="20/s",
    warm_up="200ms",
    before="1s",
    after="1s",
)
HOPS = 5  # pay, two authorise, two void
# Somebody's own proxy has the name that a hop of the chain has.
FOREIGN = "gateway.authorise.processor"


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    children = Children(tmp_path)
    yield children
    children.stop()


@pytest.fixture(
    params=[
        pytest.param("embedded", marks=pytest.mark.slow),
        pytest.param("toxiproxy", marks=[pytest.mark.real_toxiproxy, pytest.mark.thorough]),
    ],
)
def engine(request: pytest.FixtureRequest, children: Children) -> Engine:
    """An engine that is not the run's own, with a proxy of somebody else."""
    is_real = request.param == "toxiproxy"
    started = start(
        request.getfixturevalue("toxiproxy_server") if is_real else None, children, seed=1
    )
    started.control.create(FOREIGN, "127.0.0.1:9")
    return started


@contextmanager
def amid_its_faults(folder: Path, url: str) -> Iterator[Running]:
    """A run that has put its faults on the engine at `url`."""
    declare(folder, shop=corner_shop(), long=EXPERIMENT)
    words = ["run", "shop.yaml", "long.yaml", "--out", "runs", "--toxiproxy", url]
    with running(folder, *words) as run:
        over = run.process.poll
        wait_until(lambda: load_began(folder) or over() is not None, "the load")
        control = EngineControl(url)
        wait_until(lambda: toxics(control) or over() is not None, "a toxic")
        assert over() is None, run.output
        yield run


def toxics(control: EngineControl) -> list[str]:
    """Names of all toxics on the engine."""
    found = control._session.get("/proxies").json()
    return [toxic["name"] for each in found.values() for toxic in each["toxics"]]


def heal(url: str, *options: str) -> Result:
    return CliRunner().invoke(app, ["heal", "--toxiproxy", url, *options])


@needs_proc
def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path: Path, engine: Engine) -> None:
    url = engine.control.url
    with amid_its_faults(tmp_path, url) as run:
        assert len(engine.control.names()) == HOPS + 1
        alive = heal(url)  # its process lives: it is no crashed run
        assert alive.exit_code == 0
        assert f"is running (process {run.pid})" in alive.stdout
        assert len(engine.control.names()) == HOPS + 1
        os.kill(run.pid, signal.SIGKILL)
        run.exit_code()
    left = engine.control.names()
    assert len(left) == HOPS + 1
    dry = heal(url, "--dry-run")
    assert (dry.exit_code, dry.stdout.count("to do")) == (0, HOPS)
    assert engine.control.names() == left
    done = heal(url)
    assert done.exit_code == 0
    assert done.stdout.count("  removed ") == HOPS
    assert f"removed: {HOPS}; of runs that may still be running: 0; of others: 1" in done.stdout
    assert engine.control.names() == [FOREIGN]
    again = heal(url)
    assert (again.exit_code, again.stdout.count("  removed ")) == (0, 0)


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize(
    "end",
    only(
        {"SIGTERM"},
        ("SIGTERM", "SIGINT", "SIGHUP", "mock services", "load process"),
    ),
)
def test_a_run_that_ends_early_heals_everything_itself(
    tmp_path: Path, children: Children, end: str
) -> None:
    engine = start(None, children, seed=1)
    engine.control.create(FOREIGN, "127.0.0.1:9")
    with amid_its_faults(tmp_path, engine.control.url) as run:
        if end.startswith("SIG"):
            run.send(signal.Signals[end])
        else:
            word = {"mock services": "paychain.services", "load process": "locust"}[end]
            victim = child_of(run.pid, word)
            assert victim is not None
            os.kill(victim, signal.SIGKILL)
        assert run.exit_code() == (130 if end.startswith("SIG") else 3)
    assert engine.control.names() == [FOREIGN]


def test_a_run_of_elsewhere_is_left_unless_it_is_named(children: Children) -> None:
    engine = start(None, children, seed=1)
    elsewhere = "paychain-00000000-1-1"
    engine.control.create(f"{elsewhere}.gateway.authorise.issuer", "127.0.0.1:9")
    url = engine.control.url
    left = heal(url)
    assert left.exit_code == 0
    assert f"{elsewhere} ran elsewhere; if it ended: --run {elsewhere}" in left.stdout
    assert len(engine.control.names()) == 1
    wrong = heal(url, "--run", "paychain-00000000-1-2")
    assert wrong.exit_code != 0
    assert "no proxy of a run 'paychain-00000000-1-2'" in str(wrong.exception)
    assert heal(url, "--run", elsewhere).exit_code == 0
    assert engine.control.names() == []


def test_an_engine_that_ends_with_its_run_needs_no_healing() -> None:
    done = CliRunner().invoke(app, ["heal"], env={"TOXIPROXY_URL": ""})
    assert "an engine started by a run ends with that run" in str(done.exception)


def gone(number: int = 4_194_304) -> str:
    """The mark of a process that cannot be: Linux numbers them below that."""
    place = run_mark().split("-")[1]
    return f"paychain-{place}-{number}-1"


@pytest.mark.parametrize(
    ("status", "code", "line"),
    [
        (204, 0, "  removed  gateway.authorise.issuer"),
        (404, 0, "  removed  gateway.authorise.issuer"),  # somebody else was quicker
        (500, 3, "  failed   gateway.authorise.issuer: DELETE"),
    ],
)
def test_the_outcome_of_each_removal_is_printed(status: int, code: int, line: str) -> None:
    name = f"{gone()}.gateway.authorise.issuer"
    with serving() as server:
        server.answers["GET /version"] = (200, b'{"version": "2.12.0"}')
        server.answers["GET /proxies"] = (200, json.dumps({name: proxy(name)}).encode())
        server.answers[f"DELETE /proxies/{name}"] = (status, b"")
        done = heal(server.url)
    assert done.exit_code == code, done.stdout
    assert line in done.stdout


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"[1, 2]", b'{"a": 1}'])
def test_a_server_that_answers_something_else_is_not_touched(body: bytes) -> None:
    with serving() as server:
        server.answers["GET /version"] = (200, b'{"version": "2.12.0"}')
        server.answers["GET /proxies"] = (200, body)
        done = heal(server.url)
        assert done.exit_code != 0
        assert "no Toxiproxy server answers" in str(done.exception)
        assert [request for request, _ in server.asked if not request.startswith("GET")] == []


@pytest.mark.parametrize(
    "name",
    [
        "gateway.authorise.issuer",
        "paychain",
        "paychain-gateway.authorise",
        "paychain-1-2.3",
        "xpaychain-00000000-1-1.pay",
        "paychain-0000000g-1-1.pay",
        "paychain-00000000-1-1",
        "paychain-00000000-1-1-pay",
        "paychain-00000000-99999999999-1.pay",
    ],
)
def test_a_name_that_only_looks_like_ours_is_somebody_elses(name: str) -> None:
    assert owned(name) is None


@needs_proc
def test_a_process_of_the_same_number_that_was_born_later_is_another() -> None:
    place, process, born = run_mark().rstrip(".").split("-")[1:]
    assert process == str(os.getpid())
    mine = owned(f"paychain-{place}-{process}-{born}.pay")
    assert mine is not None
    assert (mine.state, mine.hop) == (RunState.ALIVE, "pay")
    later = owned(f"paychain-{place}-{process}-{int(born) - 1}.pay")
    assert later is not None
    assert later.state is RunState.OVER
