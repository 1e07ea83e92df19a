"""`paychain load` as a process: what it refuses, by keys on a real terminal, and how it ends."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest
import requests
from boards import Board, command, environment, running
from processes import children_of, wait_until

from harness.board.guard import HEADER


def post(board: Board, path: str, headers: dict[str, str]) -> int:
    form = {"user_count": "5", "spawn_rate": "5"}
    return requests.post(board.url + path, data=form, headers=headers, timeout=20).status_code


@pytest.mark.slow
def test_locusts_own_calls_are_guarded_and_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    with running(tmp_path, "--rate", "10/s") as board:
        ours, key = {"Origin": board.url}, board.key()
        refused = [
            ours, {HEADER: key, "Origin": "http://evil.example"},
            {HEADER: key, "Host": "evil.example"}, {HEADER: "a guess", **ours}, {},
        ]  # fmt: skip
        for headers in refused:
            for path in ("/swarm", "/stop", "/stats/reset", "/user", "/paychain/do"):
                assert post(board, path, headers) == 403, (path, headers)
        assert board.state()["phase"] == "ready"
        foreign = requests.get(f"{board.url}/stats/requests", timeout=20)
        assert "access-control-allow-origin" not in foreign.headers

        assert post(board, "/swarm", {HEADER: key, **ours}) == 200
        wait_until(lambda: board.state()["rate"] == 5)
        wait_until(lambda: board.state()["all_payments"] > 10)
        stats = requests.get(f"{board.url}/stats/requests", timeout=20).json()
        assert stats["stats"][0]["name"] == "pay"
        assert board.do(do="switch", target="link", name="issuer", kind="down").ok
        twice = board.do(do="switch", target="link", name="issuer", kind="down")
        assert (twice.status_code, "on already" in twice.text) == (409, True)
        processes = children_of(board.process.pid)
        assert len(processes) == 3  # engine, links, Locust
    for pid in processes.values():
        assert not Path(f"/proc/{pid}").exists()
    (folder,) = (tmp_path / "reports").iterdir()
    result = json.loads((folder / "result.json").read_text())
    assert result["load"]["planned"] == result["load"]["recorded"] > 10
    assert result["faults"][0]["healed_s"] is not None
    assert (folder / "report.html").exists()
    sums = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True,
                          check=False)  # fmt: skip
    assert sums.returncode == 0, sums.stdout
    assert not (tmp_path / "chaos").exists()  # nobody saved


def test_nothing_is_left_when_nothing_was_done(tmp_path: Path) -> None:
    with running(tmp_path) as board:
        assert board.state()["phase"] == "ready"
    assert list((tmp_path / "reports").iterdir()) == []


@pytest.mark.slow
def test_beyond_loopback_a_token_opens_the_board(tmp_path: Path) -> None:
    token = "a-token-of-some-length"
    with running(tmp_path, "--host", "0.0.0.0", "--token", token) as board:
        url = re.sub(r"//[^:]+:", "//127.0.0.1:", board.url)
        assert token in (tmp_path / "said.txt").read_text()
        assert requests.get(f"{url}/", timeout=20).status_code == 403
        assert requests.get(f"{url}/stats/requests", timeout=20).status_code == 403
        session = requests.Session()
        assert session.get(f"{url}/paychain/", params={"token": token}, timeout=20).ok
        assert "A corner shop" in session.get(f"{url}/paychain/", timeout=20).text


class Screen:
    """A real terminal, and all that was written to it."""

    def __init__(self, words: list[str], folder: Path) -> None:
        self.pid, self._end = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve(words[0], words, environment() | {"TERM": "xterm"})
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 110, 0, 0))
        self.text = ""

    def press(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def read(self) -> bool:
        """Take in what is written; False at its end."""
        while select.select([self._end], [], [], 0.02)[0]:
            try:
                data = os.read(self._end, 65_536)
            except OSError:  # the other side is gone
                return False
            if not data:
                return False
            self.text += data.decode("utf-8", "replace")
        return True

    def wait_for(self, pattern: str, within_s: float = 60) -> None:
        """What is written from here on has to show it."""
        start, until = len(self.text), time.monotonic() + within_s
        while not re.search(pattern, self.text[start:]):
            assert self.read(), self.text[-2_000:]
            assert time.monotonic() < until, (pattern, self.text[-3_000:])

    def exit_code(self, within_s: float = 60) -> int:
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGINT)
        raise AssertionError(self.text[-3_000:])


@pytest.mark.slow
def test_the_same_switches_by_key_on_a_real_terminal(tmp_path: Path) -> None:
    screen = Screen(command(tmp_path, "--no-web", "--rate", "20/s"), tmp_path)
    screen.wait_for("number of a place")
    screen.press(" ")
    screen.wait_for(r"load 20/s")
    screen.press("+")
    screen.wait_for(r"load 25/s")
    screen.wait_for(r"success 100\.0 % of \d\d+ payments")
    screen.press("1")  # provider acme
    screen.wait_for("provider acme: number switches a fault")
    screen.press("1\n")  # down: there are 21 numbers
    screen.wait_for("on: down on acme")
    screen.wait_for(r"broke: gateway → processor [1-9]")
    screen.press("h")
    screen.wait_for("healed down on provider acme")
    screen.press("\x1b")
    screen.press("s")
    screen.wait_for("take 2")
    screen.press("q")
    assert screen.exit_code() == 0
    (file,) = (tmp_path / "chaos/recorded").glob("*-by-hand.yaml")
    text = file.read_text("utf-8")
    assert "target: {provider: acme}, down: {share: 100%}" in text
    assert "rate: 25/s" in text


def test_keys_need_a_terminal(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path, "--no-web"), cwd=tmp_path, env=environment(), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no terminal" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--rate", "0/s"], "whole payments"), (["--rate", "2.5/s"], "whole payments"),
     (["--rate", "20"], "no unit|not a rate"), (["--token", "short"], "fewer than 16")],
)  # fmt: skip
def test_a_mistake_is_told_before_anything_starts(
    tmp_path: Path, words: list[str], said: str
) -> None:
    done = subprocess.run(
        command(tmp_path, *words), cwd=tmp_path, env=environment(), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert re.search(said, done.stderr), done.stderr
    assert not (tmp_path / "reports").exists()
