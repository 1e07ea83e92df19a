"""A board that runs: `paychain load` of a small chain in a folder of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from harness.board.guard import HEADER

CHAIN = """\
chain: corner-shop
title: A corner shop
deadline: 3s
providers:
  acme: {kind: cloud}
entry: gateway
links:
  gateway: {role: gateway, calls: {authorise: {to: processor, timeout: 2s}}}
  processor:
    role: processor
    provider: acme
    calls: {authorise: {to: issuer, timeout: 1s}}
  issuer: {role: issuer}
"""
STARTED_WITHIN_S = 60


@dataclass
class Board:
    """Where it is, and the folder it was started in."""

    url: str
    folder: Path
    process: subprocess.Popen[str]

    def key(self) -> str:
        """What our own pages send back."""
        page = requests.get(f"{self.url}/paychain/", timeout=20).text
        return page.partition('name="paychain" content="')[2].partition('"')[0]

    def do(self, **action: Any) -> requests.Response:
        """Ask for something as the page does."""
        return requests.post(
            f"{self.url}/paychain/do", json=action, headers={HEADER: self.key()}, timeout=60
        )

    def state(self) -> dict[str, Any]:
        """What the page shows."""
        found: dict[str, Any] = requests.get(f"{self.url}/paychain/state", timeout=20).json()
        return found


def command(folder: Path, *words: str) -> list[str]:
    """The words that start it, in a folder with its chain."""
    (folder / "corner-shop.yaml").write_text(CHAIN)
    return [sys.executable, "-m", "harness.cli", "load", "corner-shop.yaml", *words]


def environment() -> dict[str, str]:
    """As if paychain were installed."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


@contextmanager
def running(folder: Path, *words: str) -> Iterator[Board]:
    """Start it, and end it as Ctrl-C does."""
    log = folder / "said.txt"
    with log.open("w") as out, subprocess.Popen(
        command(folder, "--port", "0", *words), cwd=folder, env=environment(), stdout=out,
        stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            until = time.monotonic() + STARTED_WITHIN_S
            while "Ctrl-C" not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.05)
            found = re.search(r"Locust  (http://\S+)/", log.read_text())
            assert found is not None
            yield Board(found[1], folder, process)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0, log.read_text()
