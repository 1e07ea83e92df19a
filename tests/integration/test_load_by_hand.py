"""`paychain load` as a process: what it refuses, by keys on a real terminal, and how it ends."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from paychain.board.guard import HEADER
from tests.support.boards import CHAIN, LOAD, Board, board
from tests.support.cli import PAYCHAIN, invoked
from tests.support.processes import alive, children_of
from tests.support.runs import declare, result_in
from tests.support.screen import Screen
from tests.support.waiting import wait_until


def post(board: Board, path: str, headers: dict[str, str]) -> int:
    form = {"user_count": "5", "spawn_rate": "5"}
    return board.client.post(board.url + path, data=form, headers=headers, timeout=20).status_code


def metrics_of(board: Board) -> list[tuple[str, str, float]]:
    """Name, fault and value of each of its live metrics, once a fault is among them."""
    found = re.search(r"metrics at (http://\S+)", board.process.output)
    assert found is not None
    text = wait_until_read(found[1], "paychain_live_fault_active")
    return [
        (sample.name, sample.labels.get("fault", ""), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels["experiment"] == "by-hand"
    ]


def wait_until_read(url: str, words: str) -> str:
    """What an address answers with as soon as it has these words."""
    texts: list[str] = []

    def look() -> bool:
        texts.append(requests.get(url, timeout=20).text)
        return words in texts[-1]

    wait_until(look)
    return texts[-1]


@pytest.mark.slow
def test_locusts_own_calls_are_guarded_and_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    with board(tmp_path, "--rate", "10/s", "--metrics", "0") as running:
        ours, key = {"Origin": running.url}, running.key()
        refused = [
            ours,
            {HEADER: key, "Origin": "http://evil.example"},
            {HEADER: key, "Host": "evil.example"},
            {HEADER: "a guess", **ours},
            {},
        ]
        for headers in refused:
            for path in ("/swarm", "/stop", "/stats/reset", "/user", "/paychain/do"):
                assert post(running, path, headers) == 403, (path, headers)
        for path in ("/", "/paychain/", "/paychain/state", "/stats/requests"):  # another account
            assert requests.get(running.url + path, timeout=20).status_code == 403
        assert running.state()["phase"] == "ready"
        foreign = running.client.get(f"{running.url}/stats/requests", timeout=20)
        assert "access-control-allow-origin" not in foreign.headers

        assert post(running, "/swarm", {HEADER: key, **ours}) == 200
        wait_until(lambda: running.state()["rate"] == 5)
        wait_until(lambda: running.state()["all_payments"] > 10)
        stats = running.client.get(f"{running.url}/stats/requests", timeout=20).json()
        assert stats["stats"][0]["name"] == "pay"
        assert running.do(do="switch", target="link", name="issuer", kind="down").ok
        twice = running.do(do="switch", target="link", name="issuer", kind="down")
        assert (twice.status_code, "already active" in twice.text) == (409, True)
        metrics = metrics_of(running)
        assert ("paychain_live_fault_active", "down link issuer", 1.0) in metrics
        paid = [n for name, _, n in metrics if name == "paychain_live_payments_total"]
        assert sum(paid) > 0
        wait_until(lambda: running.state()["all_payments"] >= sum(paid))  # it is published later
        processes = children_of(running.process.pid)
        assert len(processes) == 3  # engine, links, Locust
    assert alive(processes.values()) == []
    (folder,) = (tmp_path / "reports").iterdir()
    result = result_in(folder)
    assert result["load"]["planned"] == result["load"]["recorded"] > 10
    assert result["faults"][0]["healed_s"] is not None
    assert (folder / "report.html").exists()
    sums = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, check=False
    )
    assert sums.returncode == 0, sums.stdout
    assert not (tmp_path / "chaos").exists()  # nobody saved


@pytest.mark.thorough  # test_board_guard.py for the token, and the board above for what it guards
def test_beyond_loopback_a_token_opens_the_board_and_nothing_is_left_when_nothing_was_done(
    tmp_path: Path,
) -> None:
    token = "a-token-of-some-length"
    with board(tmp_path, "--host", "0.0.0.0", "--token", token) as running:
        url = running.url
        assert token in running.process.output
        assert requests.get(f"{url}/", timeout=20).status_code == 403
        assert requests.get(f"{url}/stats/requests", timeout=20).status_code == 403
        session = requests.Session()
        assert session.get(f"{url}/paychain/", params={"token": token}, timeout=20).ok
        assert "A corner shop" in session.get(f"{url}/paychain/", timeout=20).text
        assert running.state()["phase"] == "ready"
    assert list((tmp_path / "reports").iterdir()) == []


@pytest.mark.slow
def test_the_same_switches_by_key_on_a_real_terminal(tmp_path: Path) -> None:
    declare(tmp_path, **{"corner-shop": CHAIN})
    screen = Screen([*PAYCHAIN, *LOAD, "--no-web", "--rate", "20/s"], tmp_path)
    screen.wait_for("number: link or provider")
    screen.press(" ")
    screen.wait_for(r"load 20/s")
    screen.press("+")
    screen.wait_for(r"load 25/s")
    screen.wait_for(r"success 100\.0 % of \d\d+ payments")
    screen.press("1")  # provider acme
    screen.wait_for("provider acme   number: switch a fault")
    screen.press("1\n")  # down: there are 21 numbers
    screen.wait_for("active faults: down on acme")
    screen.wait_for(r"payments broke at: gateway → processor [1-9]")
    screen.press("h")
    screen.wait_for("healed down on provider acme")
    screen.press("\x1b")
    screen.press("s")
    screen.wait_for("run 2")
    screen.press("q")
    assert screen.exit_code() == 0
    (file,) = (tmp_path / "chaos/recorded").glob("*-by-hand.yaml")
    text = file.read_text("utf-8")
    assert "target: {provider: acme}, down: {share: 100%}" in text
    assert "rate: 25/s" in text


def test_keys_need_a_terminal(tmp_path: Path) -> None:
    declare(tmp_path, **{"corner-shop": CHAIN})
    done = invoked(tmp_path, *LOAD, "--no-web")
    assert done.exit_code == 2
    assert "needs a terminal" in done.stderr


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (["--rate", "0/s"], "not an integer between"),
        (["--rate", "2.5/s"], "not an integer between"),
        (["--rate", "20"], "no unit|not a rate"),
        (["--token", "short"], "fewer than 16"),
    ],
)
def test_a_mistake_is_reported_before_anything_starts(
    tmp_path: Path, words: list[str], mistake: str
) -> None:
    declare(tmp_path, **{"corner-shop": CHAIN})
    done = invoked(tmp_path, *LOAD, *words)
    assert done.exit_code == 2
    assert re.search(mistake, done.stderr), done.stderr
    assert not (tmp_path / "reports").exists()
