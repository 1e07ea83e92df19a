"""Runs of chains with an own service: it is paid, faults act on it, and its end fails the run."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from paychain.payments.cards import TEST_CARDS
from paychain.processes.loopback import free_port
from paychain.protocol.dialects.native import encode
from paychain.protocol.message import PaymentRequest
from paychain.testing import start_chain
from tests.support.chains import experiment
from tests.support.cli import invoked, paychain, running
from tests.support.own_chains import COMMAND, own_shop
from tests.support.processes import alive
from tests.support.runs import declare, findings, result_of, run_in
from tests.support.waiting import wait_until


@pytest.mark.slow
def test_customers_pay_an_own_service_through_its_proxy_and_it_pays_through_its_own(
    tmp_path: Path,
) -> None:
    declare(tmp_path, shop=own_shop(env={"SHOP_TIMEOUT_S": "1"}))
    with start_chain(str(tmp_path / "shop.yaml"), real=True) as chain:

        def outcomes() -> list[str]:
            return [str(paid.outcome) for paid in chain.pay(2)]

        assert outcomes() == ["approved", "approved"]
        with chain.fault("shop -> processor-a", "down"):
            assert outcomes() == ["approved", "approved"]  # over the other one
            with chain.fault("shop -> processor-b", "down"):
                assert outcomes() == ["declined", "declined"]
        # In a mock, a call of the own service is known by who declares it.
        with chain.fault("shop.authorise", "lost_answer"):
            assert outcomes() == ["approved", "approved"]
        assert len(chain.decisions("fault_hit")) == 2


def test_virtual_time_has_no_room_for_a_process(tmp_path: Path) -> None:
    declare(tmp_path, shop=own_shop(), calm=experiment())
    for words in (
        ("run", "shop.yaml", "calm.yaml", "--virtual"),
        ("explore", "shop.yaml"),
        ("matrix", "shop.yaml"),
    ):
        done = invoked(tmp_path, *words)
        assert done.exit_code == 2
        assert "shop is an own service, a process that virtual time cannot reach" in done.stderr


def test_check_and_show_know_an_own_service(tmp_path: Path) -> None:
    call = {"to": "processor-a", "fallback": [{"to": "processor-b"}]}
    declare(tmp_path, shop=own_shop(call={**call, "claims": {"timeout": "1s"}}), calm=experiment())
    assert invoked(tmp_path, "check", "shop.yaml", "calm.yaml").exit_code == 0
    shown = invoked(tmp_path, "show", "shop.yaml").stdout
    assert "pay → shop (gateway, own service)" in shown
    assert "authorise → processor-a (processor): claims 1 s" in shown


def test_a_service_that_cannot_be_started_is_a_usage_error(tmp_path: Path) -> None:
    declare(tmp_path, shop=own_shop(service={"command": ["no-such-program"]}), calm=experiment())
    done = invoked(tmp_path, "run", "shop.yaml", "calm.yaml", "--out", "runs")
    assert (done.exit_code, "no program 'no-such-program'" in done.stderr) == (2, True)


@pytest.mark.slow
def test_a_service_can_be_started_by_hand_with_the_variables_of_up(tmp_path: Path) -> None:
    declare(tmp_path, shop=own_shop())
    with running(tmp_path, "up", "shop.yaml", "--env") as up:
        up.wait_for("# Ctrl-C")
        lines = up.output
        entry = next(line.split()[-1] for line in lines.splitlines() if "customers pay" in line)
        script = f"{lines}\nexec {shlex.join(COMMAND)}"
        with subprocess.Popen(["sh", "-c", script], stdout=subprocess.DEVNULL) as shop:
            try:
                wait_until(lambda: _is_paid(entry), "a payment through the shop")
            finally:
                shop.terminate()
        up.send(signal.SIGINT)
        assert up.exit_code() == 0


@pytest.mark.thorough  # by hand, above, with ports that are not its own
def test_a_service_that_runs_already_may_be_started_after_up_and_finds_its_ports(
    tmp_path: Path,
) -> None:
    shop, first, second = free_port(), free_port(), free_port()
    ports = {"processor-a": first, "processor-b": second}
    declare(tmp_path, shop=own_shop(service={"url": f"http://127.0.0.1:{shop}", "ports": ports}))
    with running(tmp_path, "up", "shop.yaml", "--json") as up:
        up.wait_for("}\n")
        addresses = json.loads(up.output.splitlines()[0])
        assert addresses["hops"]["shop.authorise.processor-a"] == f"127.0.0.1:{first}"
        near = " ".join(f"http://127.0.0.1:{port}" for port in (first, second))
        env = {**os.environ, "PORT": str(shop), "HOST": "127.0.0.1", "PROVIDERS": near}
        with subprocess.Popen(COMMAND, env=env, stdout=subprocess.DEVNULL) as process:
            try:
                wait_until(lambda: _is_paid(addresses["entries"]["shop"]), "a payment")
            finally:
                process.terminate()
        up.send(signal.SIGINT)
        assert up.exit_code() == 0


@pytest.mark.slow
def test_a_run_of_a_service_that_runs_already_is_judged(tmp_path: Path) -> None:
    shop, first, second = free_port(), free_port(), free_port()
    service = {
        "url": f"http://127.0.0.1:{shop}",
        "ports": {"processor-a": first, "processor-b": second},
    }
    declare(tmp_path, shop=own_shop(service=service), calm=experiment())
    near = " ".join(f"http://127.0.0.1:{port}" for port in (first, second))
    env = {**os.environ, "PORT": str(shop), "HOST": "127.0.0.1", "PROVIDERS": near}
    with subprocess.Popen(COMMAND, env=env, stdout=subprocess.DEVNULL) as process:
        try:
            done = paychain(tmp_path, "run", "shop.yaml", "calm.yaml", "--out", "runs")
        finally:
            process.terminate()
    assert done.exit_code == 0, done.stderr
    assert result_of(tmp_path)["verdict"] == "pass"


def _is_paid(entry: str) -> bool:
    request = PaymentRequest("p1", 1_000, "EUR", TEST_CARDS[0], key="p1")
    try:
        answer = requests.post(f"{entry}/pay", encode(request), timeout=5)
    except requests.RequestException:
        return False
    return answer.status_code == 200 and answer.json()["outcome"] == "approved"


def test_a_fixed_port_that_is_taken_is_a_usage_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service = {"command": COMMAND, "ports": {"processor-a": port}}
        declare(tmp_path, shop=own_shop(service=service), calm=experiment())
        done = invoked(tmp_path, "run", "shop.yaml", "calm.yaml", "--out", "runs")
    assert done.exit_code == 2
    assert f"port {port}, at which shop reaches processor-a, cannot be opened" in done.stderr


@pytest.mark.thorough  # test_ends_of_runs.py interrupts the start of another chain
def test_ctrl_c_while_a_service_starts_leaves_nothing(tmp_path: Path) -> None:
    starts = "import os, time; print('shop', os.getpid(), 'starts', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", starts]
    declare(tmp_path, shop=own_shop(service={"command": command}), calm=experiment())

    def shop_pid() -> int | None:
        lines = [path.read_text() for path in (tmp_path / "runs").glob("*/spool/logs/shop.log")]
        return int(lines[0].split()[1]) if lines and lines[0] else None

    with running(tmp_path, "run", "shop.yaml", "calm.yaml", "--out", "runs") as run:
        wait_until(shop_pid, "the shop")
        pid = shop_pid()
        assert pid is not None
        run.send(signal.SIGINT)
        assert run.exit_code() == 130
    assert alive([pid]) == []


@pytest.mark.slow
def test_a_service_that_ends_by_itself_fails_the_run_at_once(tmp_path: Path) -> None:
    env = {"SHOP_DIES_AFTER": "30", "SHOP_LOGS_CARDS": "1", "SHOP_CHILD": "1"}
    calm = experiment(
        "{at: 1s, for: 1s, target: {link: issuer}, slow_answer: {delay: 1ms}}",
        arrivals="20/s",
        before="30s",
        after="30s",
    )
    declare(tmp_path, shop=own_shop(env=env), calm=calm)
    done = paychain(tmp_path, "run", "shop.yaml", "calm.yaml", "--out", "runs")
    assert done.exit_code == 1, done.stderr
    result = result_of(tmp_path)
    assert result["verdict"] == "fail"
    assert result["reasons"][0].startswith("shop ended with exit code 0 at ")  # of the wrapper
    (service,) = result["services"]
    (failure,) = service["failures"]
    assert failure["at_s"] < 20  # it did not go on for the rest of its minute
    assert failure["lines"][-1] == "the pool is empty after 30 payments"
    assert "the pool is empty after 30 payments" in done.stdout

    log = run_in(tmp_path) / service["log"]
    assert log.name == "shop.log"
    (pid,) = [int(line.split()[1]) for line in log.read_text().splitlines() if "listens" in line]
    assert alive([pid]) == []
    assert findings(result)["no_card_number_in_a_file"] > 0
    everything = json.dumps(result) + done.stdout
    assert not any(card.number in everything for card in TEST_CARDS)


@pytest.mark.slow
@pytest.mark.long(60)
def test_a_crash_and_a_freeze_act_on_a_service_and_do_not_fail_it(tmp_path: Path) -> None:
    stopped = experiment(
        "{id: killed, at: 0s, for: 1s, target: {link: shop}, crash: {}}",
        "{id: frozen, at: 7s, for: 1s, target: {link: shop}, freeze: {}}",
        arrivals="20/s",
        before="1s",
        after="3s",
    )
    declare(tmp_path, shop=own_shop(), stopped=stopped)
    done = paychain(tmp_path, "run", "shop.yaml", "stopped.yaml", "--out", "runs")
    assert done.exit_code in (0, 1), done.stderr  # a payment may be lost with its process
    result = result_of(tmp_path)
    assert result["services"][0]["failures"] == []
    faults = {fault["id"]: fault for fault in result["faults"]}
    assert faults["killed"]["hits"] >= 10
    assert faults["frozen"]["hits"] >= 10
    # The one is refused or cut off, the other waits and is answered.
    failed = {group["failure"] for group in result["breaks"] if "frozen" in group["faults"]}
    assert "reset" not in failed
