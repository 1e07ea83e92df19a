"""A chain that is left running, and plain Locust against it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from harness.load import LOCUSTFILE
from harness.payments.cards import TEST_CARDS
from harness.services.message import PaymentRequest, encode

CHAIN = """\
chain: corner-shop
entry: gateway
links:
  gateway: {role: gateway, calls: {authorise: {to: processor, timeout: 2s}}}
  processor: {role: processor, calls: {authorise: {to: issuer, timeout: 1s}}}
  issuer: {role: issuer}
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[dict[str, str]]:
    path = tmp_path / "corner-shop.yaml"
    path.write_text(CHAIN)
    command = [sys.executable, "-m", "harness.cli", "up", str(path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        try:
            yield json.loads(up.stdout.readline())
        finally:
            up.send_signal(signal.SIGINT)
            assert up.wait(timeout=10) == 0


def test_a_chain_that_is_up_takes_payments_and_toxics(running: dict[str, str]) -> None:
    request = PaymentRequest("p1", 1_000, "EUR", TEST_CARDS[0], key="p1")
    answer = requests.post(f"{running['entry']}/pay", encode(request), timeout=5).json()
    assert answer["outcome"] == "approved"
    hop = f"{running['engine']}/proxies/gateway.authorise.processor"
    assert requests.post(hop, json={"enabled": False}, timeout=5).status_code == 200
    request = PaymentRequest("p2", 1_000, "EUR", TEST_CARDS[0], key="p2")
    answer = requests.post(f"{running['entry']}/pay", encode(request), timeout=5).json()
    assert (answer["outcome"], answer["code"]) == ("declined", "91")


def test_the_locustfile_runs_under_plain_locust(running: dict[str, str], tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--host",
        running["entry"], "-u", "4", "-r", "4", "-t", "5s", "--csv", str(tmp_path / "locust"),
        "--only-summary",
    ]  # fmt: skip
    assert subprocess.run(command, timeout=30, check=False, capture_output=True).returncode == 0
    _, *rows = (tmp_path / "locust_stats.csv").read_text().splitlines()
    total = rows[-1].split(",")
    assert int(total[2]) >= 4  # requests
    assert total[3] == "0"  # failures
