"""web3.py, ethers and viem, unmodified, at our nodes and at anvil: the same scenarios."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec

import pytest

from paychain.protocol.dialects.json_rpc.moment import TOKEN
from tests.support.rpc_clients import CLIENTS, RpcClient, anvil, client
from tests.support.rpc_links import GWEI, PAYEE, PAYER, PAYER_KEY, RunningNodes, rpc_links, signed
from tests.support.tiers import thorough
from tests.support.vendor_shop import Failed

pytestmark = [
    pytest.mark.slow,
    # Its import alone takes a second, and every worker collects this file.
    pytest.mark.skipif(find_spec("web3") is None, reason="the extra clients is not installed"),
]

ETHER = 10**18
# What each node answers to bytes that wait already.
REPEATED = {
    "geth": "already known",
    "parity": "Transaction with the same hash was already imported.",
    "anvil": "transaction already imported",
    "a real anvil": "transaction already imported",
}


@pytest.fixture(scope="module", params=["geth", thorough("parity"), "anvil", "a real anvil"])
def node(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The name of a node and its address."""
    with ExitStack() as stack:
        if request.param == "a real anvil":
            yield request.param, stack.enter_context(anvil())
        else:
            dialect = f"{{json-rpc: {{client: {request.param}}}}}"
            nodes = stack.enter_context(rpc_links(dialect=dialect, every="1s"))
            yield request.param, nodes.url()


# The process of a client lives as long as its node: to start one takes longer than any test.
@pytest.fixture(scope="module", params=CLIENTS)
def asked(request: pytest.FixtureRequest, node: tuple[str, str]) -> Iterator[RpcClient]:
    with client(request.param, node[1]) as connected:
        yield connected


def balance(asked: RpcClient, of: str = PAYEE) -> int:
    return int(asked.ask("balance", {"of": of}))


def nonce(asked: RpcClient, tag: str = "pending") -> int:
    return int(asked.ask("nonce", {"of": PAYER, "tag": tag}))


def test_a_signed_payment_is_sent_and_waited_for(asked: RpcClient) -> None:
    before, first = balance(asked), nonce(asked)
    sent = asked.ask("send", {"key": PAYER_KEY, "to": PAYEE, "value": str(ETHER)})
    assert nonce(asked) == first + 1
    shown = asked.ask("shown", {"hash": sent})
    assert (shown["from"].lower(), shown["to"].lower()) == (PAYER.lower(), PAYEE.lower())
    assert (shown["value"], shown["nonce"]) == (str(ETHER), first)
    receipt = asked.ask("wait", {"hash": sent, "confirmations": 2})
    assert receipt["status"] == 1
    assert balance(asked) == before + ETHER
    assert nonce(asked, "latest") == first + 1


def test_the_same_bytes_again_are_an_error_that_moves_nothing(
    asked: RpcClient, node: tuple[str, str]
) -> None:
    before = balance(asked)
    # Behind a gap, it waits until the nonce before it came: a block cannot come in between.
    first = nonce(asked)
    raw = signed(first + 1, 2 * ETHER)
    sent = asked.ask("raw", {"raw": raw})
    with pytest.raises(Failed) as caught:
        asked.ask("raw", {"raw": raw})
    assert any(REPEATED[node[0]] in text for text in caught.value.codes)
    asked.ask("raw", {"raw": signed(first, ETHER)})
    assert asked.ask("wait", {"hash": sent, "confirmations": 1})["status"] == 1
    assert balance(asked) == before + 3 * ETHER
    with pytest.raises(Failed) as late:
        asked.ask("raw", {"raw": raw})
    assert any("nonce" in text.lower() for text in late.value.codes)


def test_another_payment_with_the_same_nonce_needs_a_higher_fee(asked: RpcClient) -> None:
    first = nonce(asked)
    asked.ask("raw", {"raw": signed(first + 1, ETHER)})
    with pytest.raises(Failed) as caught:
        asked.ask("raw", {"raw": signed(first + 1, 2 * ETHER)})
    assert any(
        "replacement transaction underpriced" in text or "same nonce" in text
        for text in caught.value.codes
    )
    fees = {"maxFeePerGas": 4 * GWEI, "maxPriorityFeePerGas": 2 * GWEI}
    before = balance(asked)
    sent = asked.ask("raw", {"raw": signed(first + 1, 3 * ETHER, **fees)})
    asked.ask("raw", {"raw": signed(first, ETHER)})
    assert asked.ask("wait", {"hash": sent, "confirmations": 1})["status"] == 1
    assert balance(asked) == before + 4 * ETHER


def test_who_has_not_enough_is_told_so(asked: RpcClient) -> None:
    with pytest.raises(Failed) as caught:
        asked.ask("raw", {"raw": signed(nonce(asked), 20_000 * ETHER)})
    assert any("insufficient funds" in text.lower() for text in caught.value.codes)


@pytest.fixture(scope="module")
def token_nodes() -> Iterator[RunningNodes]:
    with rpc_links(currency="USDC", every="200ms") as nodes:
        yield nodes


@pytest.mark.parametrize("name", CLIENTS)
def test_a_token_is_read_and_sent(name: str, token_nodes: RunningNodes) -> None:
    from eth_utils.address import to_checksum_address

    token = to_checksum_address(TOKEN)
    with client(name, token_nodes.url()) as asked:
        before = asked.ask("token", {"of": PAYEE, "token": token})
        assert (before["symbol"], before["decimals"]) == ("USDC", 6)
        wanted = {"key": PAYER_KEY, "to": PAYEE, "value": "12345678", "token": token}
        sent = asked.ask("send token", wanted)
        assert asked.ask("wait", {"hash": sent, "confirmations": 1})["status"] == 1
        after = asked.ask("token", {"of": PAYEE, "token": token})
        assert int(after["balance"]) - int(before["balance"]) == 12_345_678
        assert "12345678" in asked.ask("received", {"to": PAYEE, "token": token})
        with pytest.raises(Failed) as caught:
            asked.ask("send token", {**wanted, "value": str(10**18)})
        assert any("exceeds balance" in text for text in caught.value.codes)
    assert [amount for _, amount, _ in token_nodes.transferred()].count(12_345_678) > 0
