"""What was measured of real clients at a node in trouble happens at our nodes, too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec

import pytest

from tests.support.rpc_clients import CLIENTS, client
from tests.support.rpc_links import PAYEE, PAYER, PAYER_KEY, RunningNodes, rpc_links, signed
from tests.support.vendor_shop import Failed

pytestmark = [
    pytest.mark.slow,
    # Its import alone takes a second, and every worker collects this file.
    pytest.mark.skipif(find_spec("web3") is None, reason="the extra clients is not installed"),
]

ETHER = 10**18
ENOUGH_S = 30.0
# The balance of an account that nobody has paid: what a truthful node says of it.
AT_FIRST = str(10_000 * ETHER)


@pytest.fixture
def nodes() -> Iterator[RunningNodes]:
    with rpc_links() as running:
        yield running


def await_that(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + ENOUGH_S
    while not holds():
        assert time.monotonic() < until, "it never holds"
        time.sleep(0.05)


@pytest.mark.parametrize("name", CLIENTS)
def test_an_error_for_money_that_is_on_its_way(name: str, nodes: RunningNodes) -> None:
    """The node has sent the transfer on, and answers 503: each client reports an error."""
    with client(name, nodes.url()) as asked:
        nodes.inject("http_error", operation="transfer", status=503, after_work=True, first=1)
        with pytest.raises(Failed) as caught:
            asked.ask("send", {"key": PAYER_KEY, "to": PAYEE, "value": str(ETHER)})
        await_that(lambda: len(nodes.transferred()) == 1)
        said = " ".join((caught.value.name, *caught.value.codes))
        sends = [hop for hop in nodes.hops() if hop[0] == "transfer"]
    # web3.py sends the same bytes again by itself, and reports the answer to these.
    is_repeated = name == "web3"
    assert len(sends) == (2 if is_repeated else 1)
    if is_repeated:
        assert "already known" in said or "nonce too low" in said
    else:
        assert "503" in said or "SERVER_ERROR" in said
    nodes.heal("http_error")
    # Whoever believes it and pays again with the next nonce has paid twice.
    with client(name, nodes.url()) as asked:
        asked.ask("send", {"key": PAYER_KEY, "to": PAYEE, "value": str(ETHER)})
        await_that(lambda: len(nodes.transferred()) == 2)


def test_a_node_that_knows_repeats_spares_the_error() -> None:
    with rpc_links(dialect="{json-rpc: {client: idempotent}}") as nodes:
        nodes.inject("http_error", operation="transfer", status=503, after_work=True, first=1)
        with client("web3", nodes.url()) as asked:
            sent = asked.ask("send", {"key": PAYER_KEY, "to": PAYEE, "value": str(ETHER)})
            assert asked.ask("wait", {"hash": sent, "confirmations": 1})["status"] == 1
        assert len(nodes.transferred()) == 1


@pytest.mark.parametrize("name", CLIENTS)
def test_after_a_lost_answer_the_same_bytes_are_known(name: str, nodes: RunningNodes) -> None:
    """The client waits for an answer that never comes; whoever sends the bytes again is told."""
    raw = signed(0, ETHER)
    nodes.inject("lost_answer", operation="transfer", first=1)
    with client(name, nodes.url()) as asked:
        waiting = threading.Thread(target=_send_quietly, args=(asked, raw), daemon=True)
        waiting.start()
        await_that(lambda: len(nodes.transferred()) == 1)
        with client(name, nodes.url("node-b")) as other, pytest.raises(Failed) as caught:
            other.ask("raw", {"raw": raw})
        assert "nonce" in " ".join((caught.value.name, *caught.value.codes)).lower()
    assert [amount for _, amount, _ in nodes.transferred()] == [ETHER // 10**9]


def _send_quietly(asked: object, raw: str) -> None:
    with suppress(Exception):  # its process ends before it has an answer
        asked.ask("raw", {"raw": raw})  # type: ignore[attr-defined]  # a wallet of this test


def quorum(nodes: RunningNodes, names: tuple[str, ...], wanted: int) -> list[str]:
    """What ethers reads twenty times of a balance from these nodes, of which node-b lies."""
    nodes.inject("wrong_answer", link="node-b", says="another_amount")
    # The liar is the fastest, as one who wants to be believed would be.
    for name in names:
        if name != "node-b":
            nodes.inject("slow_answer", link=name, delay="150ms")
    with client("ethers", nodes.url()) as asked:
        urls = [nodes.url(name) for name in names]
        body = {"of": PAYER, "urls": urls, "quorum": wanted, "times": 20}
        read: list[str] = asked.ask("quorum", body)
    return read


def test_ethers_believes_a_liar_under_its_default_quorum(nodes: RunningNodes) -> None:
    read = quorum(nodes, ("node-a", "node-b"), 0)
    assert set(read) <= {AT_FIRST, AT_FIRST + "0"}
    assert AT_FIRST + "0" in read


def test_two_of_two_answer_nothing_when_one_lies(nodes: RunningNodes) -> None:
    assert set(quorum(nodes, ("node-a", "node-b"), 2)) == {""}


def test_two_of_three_are_right_when_one_lies(nodes: RunningNodes) -> None:
    assert set(quorum(nodes, ("node-a", "node-b", "node-c"), 2)) == {AT_FIRST}


def test_ethers_takes_ten_seconds_for_ten_milliseconds(nodes: RunningNodes) -> None:
    with client("ethers", nodes.url()) as asked:
        asked.ask("balance", {"of": PAYER})
        before = nodes.requests()
        nodes.inject("http_error", status=429, retry_after="10s")
        began = time.monotonic()
        with pytest.raises(Failed):
            asked.ask("balance", {"of": PAYER})
        lasted_s, tries = time.monotonic() - began, nodes.requests() - before
    # Had it waited as asked, so many requests would have taken more than a minute.
    assert tries > 6
    assert lasted_s < 10 * (tries - 1)


def test_viem_waits_the_ten_seconds(nodes: RunningNodes) -> None:
    with client("viem", nodes.url()) as asked:
        asked.ask("balance", {"of": PAYER})
        before = nodes.requests()
        nodes.inject("http_error", status=429, retry_after="10s")
        began = time.monotonic()
        read: list[str] = []
        waiting = threading.Thread(target=lambda: read.append(asked.ask("balance", {"of": PAYER})))
        waiting.start()
        await_that(lambda: nodes.requests() > before)
        nodes.heal("http_error")
        waiting.join(ENOUGH_S)
        assert time.monotonic() - began >= 10.0
        assert nodes.requests() == before + 2
    assert read == [AT_FIRST]


def test_alchemy_refuses_a_batch_within_a_200(nodes: RunningNodes) -> None:
    """ethers sends batches: it sees no 429, and does not try again."""
    with rpc_links(dialect="{json-rpc: {provider: alchemy}}") as limited:
        with client("ethers", limited.url()) as asked:
            asked.ask("balance", {"of": PAYER})
            limited.inject("rate_limit", rate="1/min")
            with pytest.raises(Failed) as caught:
                asked.ask("send", {"key": PAYER_KEY, "to": PAYEE, "value": str(ETHER)})
        assert any("compute units" in text for text in caught.value.codes)
        assert limited.transferred() == []
