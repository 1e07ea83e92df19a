"""Fault engines as processes: found, proved to be ours, lost in the middle of a run."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from paychain.analysis.store.store import RunStore
from paychain.cli.main import app
from paychain.engine import engine as engines
from paychain.engine.control import EngineControl
from paychain.engine.engine import Engine, start
from paychain.payments.errors import UserError
from paychain.payments.journal import EngineEvent, PaymentRecord
from paychain.processes.children import Children
from paychain.processes.loopback import free_port
from tests.support.chains import corner_shop, experiment
from tests.support.cli import invoked, paychain, running
from tests.support.fake_toxiproxy import proxy, serving
from tests.support.processes import alive, children_of, needs_proc
from tests.support.runs import declare, is_recorded, payments_are_under_way, result_of, run_in
from tests.support.waiting import wait_until
from tests.support.wedging import TOXICS, impatient_clients


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    children = Children(tmp_path)
    yield children
    children.stop()


def echoes(engine: Engine) -> bool:
    """Whether bytes pass a proxy of the engine and come back."""
    with socket.create_server(("127.0.0.1", 0)) as far:
        name = "echo"
        address = engine.control.create(name, f"127.0.0.1:{far.getsockname()[1]}")
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=5) as near:
            near.sendall(b"ping")
            connection, _ = far.accept()
            with connection:
                connection.sendall(connection.recv(4))
                near.settimeout(5)
                came_back = near.recv(4) == b"ping"
        engine.control.destroy(name)
    return came_back


@pytest.mark.real_toxiproxy
def test_a_server_of_ours_starts_empty_on_a_free_port(
    toxiproxy_server: str, children: Children
) -> None:
    engine = start(toxiproxy_server, children, seed=1)
    assert (engine.name, engine.control.names()) == ("toxiproxy", [])
    assert echoes(engine)


@pytest.mark.real_toxiproxy
def test_somebody_elses_server_on_our_port_is_left_alone(
    toxiproxy_server: str, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server whose port is taken stays alive, and the other one answers in its place."""
    before = _servers(toxiproxy_server)
    foreign = start(toxiproxy_server, children, seed=1)
    foreign.control.create("theirs", "127.0.0.1:9")
    taken = int(foreign.control.url.rpartition(":")[2])
    ports = iter([taken, free_port()])
    monkeypatch.setattr(engines, "free_port", lambda: next(ports))
    engine = start(toxiproxy_server, children, seed=1)
    assert engine.control.url != foreign.control.url
    assert engine.control.names() == []
    assert foreign.control.names() == ["theirs"]
    assert len(_servers(toxiproxy_server) - before) == 2


def _servers(program: str) -> set[int]:
    """Pids of this process' children that run a program."""
    return {pid for line, pid in children_of(os.getpid()).items() if program in line}


@pytest.mark.real_toxiproxy
def test_a_port_that_is_always_taken_is_a_users_mistake(
    toxiproxy_server: str, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = start(toxiproxy_server, children, seed=1)
    taken = int(foreign.control.url.rpartition(":")[2])
    monkeypatch.setattr(engines, "free_port", lambda: taken)
    with pytest.raises(UserError, match="took every free port"):
        start(toxiproxy_server, children, seed=1)
    assert children.dead() == []


@pytest.mark.parametrize("kind", ["embedded", "toxiproxy"])
def test_a_running_engine_is_attached_to_and_left_as_it_was(
    request: pytest.FixtureRequest, children: Children, kind: str
) -> None:
    spec = None if kind == "embedded" else request.getfixturevalue("toxiproxy_server")
    running = start(spec, children, seed=1)
    running.control.create("theirs", "127.0.0.1:9")
    attached = start(running.control.url, children, seed=1)
    assert (attached.name, attached.child) == (kind, None)
    assert attached.control.names() == ["theirs"]
    assert echoes(attached)


def test_a_server_whose_proxies_are_elsewhere_is_refused(children: Children) -> None:
    """As one in a container without the host's network: it answers, its proxies are not here."""
    with serving() as server:
        server.answers["GET /version"] = (200, b'{"version": "2.12.0"}')
        made = proxy("x") | {"listen": f"127.0.0.1:{free_port()}"}
        server.answers["POST /proxies"] = (201, json.dumps(made).encode())
        with pytest.raises(UserError, match="does not relay to this machine's loopback"):
            start(server.url, children, seed=1)


@pytest.mark.slow
@pytest.mark.real_toxiproxy
def test_switching_under_payments_and_clients_that_go_does_not_wedge(
    toxiproxy_server: str, children: Children
) -> None:
    """The placement of toxics on a real server: see harness/paychain/engine/engine.py.

    On an overloaded machine a server may wedge all the same, now and then: not three in a row.
    """
    for kind in TOXICS:
        failures = []
        for _ in range(3):
            engine = start(toxiproxy_server, children, seed=1)
            with impatient_clients(engine.control.url, size=2_000) as clients:
                switches, failure = clients.switch_until(kind, time.monotonic() + 0.5)
            if failure is None:
                assert switches >= 2
                assert engine.control.names() == ["wedge"]
                break
            failures.append(f"{kind} after {switches} switches: {failure}")
        else:
            pytest.fail("; ".join(failures))


@needs_proc
@pytest.mark.slow
@pytest.mark.real_toxiproxy
def test_a_real_server_does_not_outlive_a_paychain_that_is_killed(
    toxiproxy_server: str, tmp_path: Path
) -> None:
    words = ["up", "card-single-provider", "--json", "--toxiproxy", toxiproxy_server]
    with running(tmp_path, *words, variables={"TMPDIR": str(tmp_path)}) as up:
        up.wait_for("}\n")
        assert json.loads(up.output.splitlines()[0])["engine"]
        family = children_of(up.pid)
        assert any(toxiproxy_server in line for line in family)
        up.process.kill()
    wait_until(lambda: alive(family.values()) == [], "the end of its children")


def test_a_server_that_dies_says_why_and_not_where(tmp_path: Path) -> None:
    children = Children(tmp_path)
    lines = "panic: runtime error: makeslice\n\ngoroutine 1 [running]:\n\tproxy.go:1 +0x1\n"
    child = children.start("fault engine", ["sh", "-c", f"printf '{lines}'; exit 2"])
    child.process.wait(10)
    assert child.exit_report() == (
        "fault engine ended unexpectedly (exit code 2): panic: runtime error: makeslice"
    )


CHAIN = corner_shop(timeout="1500ms", processor_timeout="1s")


def long(*, after: str = "60s", fault: str = "latency: {delay: 20ms}") -> str:
    return experiment(
        f"{{id: late, at: 0s, for: {after}, target: {{link: issuer}}, {fault}}}",
        name="long",
        arrivals="20/s",
        warm_up="200ms",
        before="1s",
        after=after,
        tolerances='{technical_success: ">= 99.9%"}',
    )


class Lost:
    """A run whose engine was lost: what it left and how long it took to end."""

    def __init__(self, folder: Path, engine: str, lose: Callable[[int, str], object]) -> None:
        declare(folder, shop=CHAIN, long=long())
        words = ["run", "shop.yaml", "long.yaml", "--out", "runs", "--quiet"]
        with running(folder, *words, "--toxiproxy", engine) as run:
            wait_until(lambda: is_recorded(folder, "SELECT 1 FROM switch"), "the fault")
            payments_are_under_way(folder)
            if engine == "embedded":
                hit = "SELECT 1 FROM engine_event WHERE kind = 'toxic_hit'"
                wait_until(lambda: is_recorded(folder, hit), "a hit")
            family = children_of(run.pid)
            mark = "paychain.toxics" if engine == "embedded" else engine
            # an engine that somebody else runs is no child of the run
            line, pid = next(((line, pid) for line, pid in family.items() if mark in line), ("", 0))
            port = line.partition("-port ")[2].partition(" ")[0]
            lose(pid, f"http://127.0.0.1:{port}")
            lost_at = time.monotonic()
            self.code = run.exit_code()
            self.took_s = time.monotonic() - lost_at
            self.output = run.output
        self.folder, self.result = run_in(folder), result_of(folder)
        self.left = alive(family.values())

    def is_the_harness_fault(self, reason: str) -> None:
        """Inconclusive, never the chain's fault; what was measured is there; nothing is left."""
        assert self.code == 3, self.output
        assert self.result["verdict"] == "inconclusive"
        assert any(reason in each for each in self.result["reasons"]), self.result["reasons"]
        assert "engine" in self.result["reasons"][0]
        assert self.left == []
        store = RunStore.open(self.folder / "run.db")
        payments = list(store.rows(PaymentRecord))
        assert len(payments) == self.result["load"]["recorded"] > 10
        assert any(not payment.technical for payment in payments)


# Of the minute that the load would go on. A stalled engine is noticed after 3 s, and stopping takes
# 5 s at most; the rest is the report on a busy machine.
ENDS_WITHIN_S = 30


def kill(pid: int, _url: str) -> None:
    os.kill(pid, signal.SIGKILL)


def freeze(pid: int, _url: str) -> None:
    os.kill(pid, signal.SIGSTOP)


def wedge(_pid: int, url: str) -> None:
    """Until the server answers nothing any more, not only on the proxy that wedged it."""
    with impatient_clients(url, size=1_000_000) as clients:
        _, failure = clients.switch_until("latency", time.monotonic() + 20)
        assert failure is not None, "the server did not wedge"


@pytest.mark.slow
@needs_proc
@pytest.mark.real_toxiproxy
def test_a_real_server_that_is_killed_is_no_fault_of_the_chain(
    toxiproxy_server: str, tmp_path: Path
) -> None:
    lost = Lost(tmp_path, toxiproxy_server, kill)
    lost.is_the_harness_fault("fault engine ended unexpectedly (killed by signal 9)")
    assert lost.took_s < ENDS_WITHIN_S


# To a run it is an engine that stalls, as below; until it wedges takes long.
@needs_proc
@pytest.mark.thorough
@pytest.mark.real_toxiproxy
def test_a_real_server_that_wedges_is_no_fault_of_the_chain(
    toxiproxy_server: str, tmp_path: Path
) -> None:
    lost = Lost(tmp_path, toxiproxy_server, wedge)
    lost.is_the_harness_fault("the fault engine no longer answers: GET /proxies: no answer")


@needs_proc
@pytest.mark.thorough  # CI sees it of an engine that is not the run's own, below
@pytest.mark.parametrize("kind", ["embedded", "toxiproxy"])
def test_an_engine_that_stalls_ends_the_run_soon(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    engine = kind if kind == "embedded" else request.getfixturevalue("toxiproxy_server")
    lost = Lost(tmp_path, engine, freeze)
    lost.is_the_harness_fault("the fault engine no longer answers: GET /proxies: no answer")
    assert lost.took_s < ENDS_WITHIN_S
    if kind == "embedded":  # what it did until then is on record
        store = RunStore.open(lost.folder / "run.db")
        kinds = {event.kind for event in store.rows(EngineEvent)}
        assert {"proxy_created", "connected", "toxic_added", "toxic_hit"} <= kinds


@needs_proc
@pytest.mark.thorough  # CI sees Ctrl-C amid a load, and an engine that stalls
def test_ctrl_c_is_heard_while_the_engine_stalls(tmp_path: Path) -> None:
    def freeze_and_interrupt(pid: int, _url: str) -> None:
        os.kill(pid, signal.SIGSTOP)
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, signal.SIGINT)

    lost = Lost(tmp_path, "embedded", freeze_and_interrupt)
    assert lost.code == 130
    assert lost.took_s < ENDS_WITHIN_S
    assert lost.result["verdict"] == "inconclusive"
    assert "interrupted" in lost.result["reasons"][0]
    assert lost.left == []


@needs_proc
@pytest.mark.slow
def test_an_engine_of_somebody_else_that_stalls_ends_the_run_and_is_left_alone(
    tmp_path: Path, children: Children
) -> None:
    engine = start(None, children, seed=1)
    assert engine.child is not None
    process = engine.child.process
    lost = Lost(tmp_path, engine.control.url, lambda *_: process.send_signal(signal.SIGSTOP))
    lost.is_the_harness_fault("the fault engine no longer answers: GET /proxies: no answer")
    left = f"proxies of this run may be left on {engine.control.url}"
    heal = f"paychain heal --toxiproxy {engine.control.url} removes them"
    assert f"{left}: {heal}" in lost.result["reasons"]
    assert process.poll() is None
    process.send_signal(signal.SIGCONT)
    assert len(engine.control.names()) == 5  # pay, two authorise, two void
    assert all(name.startswith("paychain-") for name in engine.control.names())


@needs_proc
@pytest.mark.thorough  # test_heal.py shows it of a run that ends early
def test_an_engine_that_somebody_else_runs_is_left_clean(
    tmp_path: Path, children: Children
) -> None:
    engine = start(None, children, seed=1)
    engine.control.create("theirs", "127.0.0.1:9")
    declare(tmp_path, shop=CHAIN, short=long(after="500ms"))
    words = ["run", "shop.yaml", "short.yaml", "--out", "runs", "--quiet"]
    assert paychain(tmp_path, *words, "--toxiproxy", engine.control.url).exit_code == 0
    assert engine.control.names() == ["theirs"]


def test_a_fault_the_engine_cannot_do_stops_the_run_before_it_starts(tmp_path: Path) -> None:
    with serving() as server:
        server.answers["GET /version"] = (200, b'{"version": "2.12.0"}')
        declare(tmp_path, shop=CHAIN, refused=long(fault="refuse: {}"))
        words = ["run", "shop.yaml", "refused.yaml", "--out", "runs"]
        done = invoked(tmp_path, *words, "--toxiproxy", server.url)
        assert done.exit_code == 2
        assert "refused.yaml:4:58: Toxiproxy does not support 'refuse'" in done.stderr
        assert not (tmp_path / "runs").exists()
        assert [request for request, _ in server.asked if not request.startswith("GET")] == []


def test_the_command_says_which_engine_and_why() -> None:
    done = CliRunner().invoke(app, ["engine"], env={"TOXIPROXY_URL": ""})
    assert done.exit_code == 0
    assert "engine    embedded" in done.stdout
    assert "neither --toxiproxy nor TOXIPROXY_URL is given" in done.stdout
    assert "works; started in" in done.stdout


@pytest.mark.real_toxiproxy
def test_the_command_starts_a_real_server_and_says_what_it_lacks(toxiproxy_server: str) -> None:
    done = CliRunner().invoke(app, ["engine", "--toxiproxy", toxiproxy_server])
    assert done.exit_code == 0
    assert f"because   --toxiproxy {toxiproxy_server}" in done.stdout
    assert "lacks     refuse" in done.stdout


def test_the_command_looks_at_an_engine_that_runs(children: Children) -> None:
    url = start(None, children, seed=1).control.url
    EngineControl(url).create("theirs", "127.0.0.1:9")
    done = CliRunner().invoke(app, ["engine"], env={"TOXIPROXY_URL": url})
    assert done.exit_code == 0
    assert f"because   TOXIPROXY_URL={url}" in done.stdout
    assert "works; proxies of other users: 1" in done.stdout
