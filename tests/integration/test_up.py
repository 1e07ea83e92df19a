"""A chain that is left running, and plain Locust against it."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from paychain.cli.up import _show as show
from paychain.declaration.yaml_text import parse
from paychain.load import LOCUSTFILE
from paychain.model.chain import Chain
from paychain.payments.cards import TEST_CARDS
from paychain.protocol.dialects.native import encode
from paychain.protocol.message import PaymentRequest
from tests.support.chains import checked, corner_shop
from tests.support.cli import environment, running
from tests.support.laws import IS_THOROUGH
from tests.support.own_chains import PAYS, own_shop
from tests.support.paths import DOCS
from tests.support.runs import declare
from tests.support.waiting import wait_until


@pytest.fixture
def addresses(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Where the entry and the engine of a chain that is up are reached."""
    declare(tmp_path, shop=corner_shop(timeout="2s", processor_timeout="1s"))
    with running(tmp_path, "up", "shop.yaml", "--json") as up:
        up.wait_for("}\n")
        yield json.loads(up.output.splitlines()[0])
        up.send(signal.SIGINT)
        assert up.exit_code() == 0


def counted(folder: Path) -> tuple[int, int]:
    """Requests and failures so far in what Locust writes every second."""
    path = folder / "locust_stats.csv"
    rows = path.read_text("utf-8").splitlines() if path.exists() else []
    total = rows[-1].split(",") if rows else []
    if len(total) < 4 or total[1] != "Aggregated":  # it is being written
        return 0, 0
    return int(total[2]), int(total[3])


@pytest.mark.slow
def test_a_chain_that_is_up_takes_plain_locust_payments_and_toxics(
    addresses: dict[str, Any], tmp_path: Path
) -> None:
    words = f"--headless -u 4 -r 4 --host {addresses['entries']['gateway']} --csv locust".split()
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), *words]
    output = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=output, stderr=output
    ) as locust:
        wait_until(lambda: counted(tmp_path)[0] >= 4, "its requests", within_s=120)
        locust.terminate()
        assert locust.wait(60) == 0
    assert counted(tmp_path)[1] == 0

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
@pytest.mark.law
def test_ports_are_fixed_and_a_payment_is_what_the_docs_show(tmp_path: Path) -> None:
    first = free_ports(8)
    declare(tmp_path, shop=corner_shop(timeout="2s", processor_timeout="1s"))
    page = (DOCS / "load.md").read_text("utf-8")
    body = json.loads(page.split("-d '", 1)[1].split("'", 1)[0])
    for _ in range(2 if IS_THOROUGH else 1):  # whoever comes second finds the same ports free
        with running(tmp_path, "up", "shop.yaml", "--json", "--port", str(first)) as up:
            up.wait_for("}\n")
            shown = json.loads(up.output.splitlines()[0])
            assert shown["engine"] == f"http://127.0.0.1:{first}"
            assert shown["entries"] == {"gateway": f"http://127.0.0.1:{first + 1}"}
            hops = [int(address.rpartition(":")[2]) for address in shown["hops"].values()]
            assert sorted(hops) == list(range(first + 1, first + 1 + len(hops)))
            pay = f"http://127.0.0.1:{first + 1}/pay"
            assert requests.post(pay, json=body, timeout=5).json()["outcome"] == "approved"
            up.send(signal.SIGINT)
            assert up.exit_code() == 0


def free_ports(number: int) -> int:
    """The first of some consecutive ports that nobody has, below those that are handed out."""
    for first in range(21_000, 30_000, number):
        with ExitStack() as held:
            try:
                for port in range(first, first + number):
                    held.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    raise AssertionError("no free ports")


def test_the_command_for_load_imports_nothing_from_the_users_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = SimpleNamespace(name="embedded", control=SimpleNamespace(url="http://127.0.0.1:1"))
    running = SimpleNamespace(
        engine=engine, addresses={"a.pay.b": ("127.0.0.1", 2)}, entry_urls={"gateway": "u"}
    )
    chain = checked(corner_shop())
    show(running, chain, tmp_path / "a folder", as_json=False)  # type: ignore[arg-type]  # a stand-in for a running chain
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("load "))
    _, _, command = line.partition("(")
    assert shlex.split(command.removesuffix(")"))[:3] == ["cd", str(tmp_path / "a folder"), "&&"]
    assert "-P -m paychain.load.locust -f " in command


def shown(text: str, capsys: pytest.CaptureFixture[str], folder: Path) -> dict[str, str]:
    """What is printed of a chain that is up, by the words in front of each line."""
    chain = Chain.model_validate(parse(text).value)
    running = SimpleNamespace(
        engine=SimpleNamespace(name="embedded", control=SimpleNamespace(url="http://127.0.0.1:1")),
        addresses={"a.pay.b": ("127.0.0.1", 2)},
        entry_urls=dict.fromkeys(chain.entries, "http://127.0.0.1:2"),
    )
    show(running, chain, folder, as_json=False)  # type: ignore[arg-type]  # a stand-in for a running chain
    lines = capsys.readouterr().out.splitlines()
    return {line[:21].strip(): line[21:] for line in lines}


ORDERS = {
    **PAYS,
    "request": {"path": "/orders/{payment}", "method": "PUT", "json": {"id": "{key}"}},
}
CART = {
    "steps": [{"path": "/carts/{payment}"}, {"path": "/checkout", "form": {"a": "{card.token}"}}]
}
EDGE = {"edge": {"role": "edge", "forwards_to": "shop"}}


@pytest.mark.parametrize(
    ("shop", "chain", "paid_at"),
    [
        ({}, {}, "POST http://127.0.0.1:2/pay"),  # it takes our own JSON
        ({"pays": ORDERS}, {}, "PUT http://127.0.0.1:2/orders/{payment}"),
        (
            {"pays": ORDERS},
            {"entry": "edge", "links": EDGE},
            "PUT http://127.0.0.1:2/orders/{payment}",
        ),
        (
            {"pays": {**CART, "approved": {"status": 200}, "declined": {"status": 402}}},
            {},
            "POST http://127.0.0.1:2/carts/{payment}, then POST http://127.0.0.1:2/checkout",
        ),
        ({"pays": {"by": "adapters.py:Shop"}}, {}, "http://127.0.0.1:2, as adapters.py:Shop does"),
    ],
)
def test_where_customers_pay_is_what_the_entry_declares(
    shop: dict[str, Any],
    chain: dict[str, Any],
    paid_at: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = own_shop(shop=shop, **chain)
    if shop:  # `pays` is in the place of a dialect
        text = text.replace("    dialect: paychain\n", "")
    lines = shown(text, capsys, tmp_path)
    assert lines["customers pay at"] == paid_at
    # Plain Locust pays in our own JSON only.
    assert ("load" in lines) == (not shop)
