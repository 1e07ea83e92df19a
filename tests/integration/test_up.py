"""A chain that is left running, and plain Locust against it."""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from paychain.cli.up import _show as show
from paychain.load import LOCUSTFILE
from paychain.payments.cards import TEST_CARDS
from paychain.protocol.dialects.native import encode
from paychain.protocol.message import PaymentRequest
from tests.support.chains import corner_shop
from tests.support.cli import python, running
from tests.support.runs import declare


@pytest.fixture
def addresses(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Where the entry and the engine of a chain that is up are reached."""
    declare(tmp_path, shop=corner_shop(timeout="2s", processor_timeout="1s"))
    with running(tmp_path, "up", "shop.yaml", "--json") as up:
        up.wait_for("}\n")
        yield json.loads(up.output.splitlines()[0])
        up.send(signal.SIGINT)
        assert up.exit_code() == 0


def test_a_chain_that_is_up_takes_payments_and_toxics(addresses: dict[str, Any]) -> None:
    request = PaymentRequest("p1", 1_000, "EUR", TEST_CARDS[0], key="p1")
    answer = requests.post(
        f"{addresses['entries']['gateway']}/pay", encode(request), timeout=5
    ).json()
    assert answer["outcome"] == "approved"
    hop = f"{addresses['engine']}/proxies/gateway.authorise.processor"
    assert requests.post(hop, json={"enabled": False}, timeout=5).status_code == 200
    request = PaymentRequest("p2", 1_000, "EUR", TEST_CARDS[0], key="p2")
    answer = requests.post(
        f"{addresses['entries']['gateway']}/pay", encode(request), timeout=5
    ).json()
    assert (answer["outcome"], answer["code"]) == ("declined", "91")


@pytest.mark.slow
def test_the_locustfile_runs_under_plain_locust(addresses: dict[str, Any], tmp_path: Path) -> None:
    options = f"--headless -u 4 -r 4 -t 8s --only-summary --host {addresses['entries']['gateway']}"
    done = python(
        tmp_path, "-m", "locust", "-f", str(LOCUSTFILE), "--csv", "locust", *options.split()
    )
    assert done.exit_code == 0, done.stderr
    _, *rows = (tmp_path / "locust_stats.csv").read_text().splitlines()
    total = rows[-1].split(",")
    assert int(total[2]) >= 4  # requests
    assert total[3] == "0"  # failures


def test_the_command_for_load_imports_nothing_from_the_users_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = SimpleNamespace(name="embedded", control=SimpleNamespace(url="http://127.0.0.1:1"))
    chain = SimpleNamespace(
        engine=engine, addresses={"a.pay.b": ("127.0.0.1", 2)}, entry_urls={"b": "u"}
    )
    show(chain, tmp_path / "a folder", as_json=False)  # type: ignore[arg-type]
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("load "))
    _, _, command = line.partition("(")
    assert shlex.split(command.removesuffix(")"))[:3] == ["cd", str(tmp_path / "a folder"), "&&"]
    assert "-P -m locust -f " in command
