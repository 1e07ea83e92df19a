"""Calls that wallets and exchanges make, answered as geth answers them; where it differs, as anvil.

Sources: the tests of the execution APIs (github.com/ethereum/execution-apis, tests/), geth's rpc,
eth/filters, eth/gasprice and internal/ethapi; anvil 1.7.1 as measured.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.support.rpc_links import GWEI, NODES, PAYEE, PAYER, Asker, on_nodes, signed

pytest.importorskip("eth_keys")

ETHER = 10**18
SEND = "eth_sendRawTransaction"
NO_HASH = "0x" + "ab" * 32
ANVIL = "{json-rpc: {client: anvil}}"


def message(method: str, *params: Any, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params, **more}


async def posted(nodes: Asker, said: Any) -> tuple[int, bytes]:
    response = await nodes.post(json.dumps(said).encode())
    return response.status, response.body


# Answers with -32602 where the parameters are wrong, with -32000 where the node cannot.
REFUSED = [
    (
        ("eth_getLogs", {"blockHash": NO_HASH, "fromBlock": "0x1"}),
        -32602,
        "invalid argument 0: cannot specify both BlockHash and FromBlock/ToBlock, choose one or "
        "the other",
    ),
    (("eth_getLogs", {"blockHash": NO_HASH}), -32000, "unknown block"),
    (("eth_getLogs", {"fromBlock": "0x3", "toBlock": "0x1"}), -32602, "invalid block range params"),
    (
        ("eth_getLogs", {"fromBlock": "0x1f", "toBlock": "latest"}),
        -32602,
        "invalid block range params",
    ),
    (
        ("eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x1f"}),
        -32602,
        "block range extends beyond current head block",
    ),
    (("eth_getLogs", {"fromBlock": "pending"}), -32000, "pending logs are not supported"),
    (("eth_getLogs", {"topics": [None] * 5}), -32000, "exceed max topics"),
    (("eth_subscribe", "newHeads"), -32601, "notifications not supported"),
    (("eth_unsubscribe", "0x1"), -32000, "subscription not found"),
    (
        ("eth_feeHistory", "0x2", "0x1f", []),
        -32000,
        "request beyond head block: requested 31, head 5",
    ),
    (
        ("eth_feeHistory", "0x2", "latest", [101]),
        -32000,
        "invalid reward percentile: 101.000000",
    ),
    (
        ("eth_feeHistory", "0x2", "latest", [50, 10]),
        -32000,
        "invalid reward percentile: #0:50.000000 >= #1:10.000000",
    ),
    (
        ("eth_feeHistory", "0x2", "latest", [1] * 101),
        -32000,
        "invalid reward percentile: over the query limit 100",
    ),
    (("eth_getBalance", PAYER, "0x1f"), -32000, "header not found"),
    (("eth_getFilterChanges", "0x1"), -32000, "filter not found"),
    (
        ("eth_sendTransaction", {"from": PAYER, "to": PAYEE}),
        -32601,
        "the method eth_sendTransaction does not exist/is not available",
    ),
]


def test_what_a_node_refuses_it_refuses_in_the_words_of_geth() -> None:
    async def scenario(nodes: Asker) -> None:
        await asyncio.sleep(5.5)
        for (method, *params), code, what in REFUSED:
            assert await nodes.error(method, *params) == (code, what), (method, params)

    on_nodes(scenario)


def test_the_same_mistakes_at_anvil() -> None:
    async def scenario(nodes: Asker) -> None:
        both = {"blockHash": NO_HASH, "fromBlock": "0x1"}
        assert (await nodes.error("eth_getLogs", both))[0] == -32602
        assert await nodes.error("eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x9"}) == (
            -32602,
            "BlockOutOfRangeError: block height is 0 but requested was 1",
        )
        assert await nodes.result("eth_getLogs", {"fromBlock": "pending"}) == []
        topics = {"topics": [None] * 5}
        assert await nodes.error("eth_getLogs", topics) == (-32602, "exceeded maximum topics len")
        assert await nodes.error("eth_subscribe", "logs") == (-32601, "Method not found")

    on_nodes(scenario, dialect=ANVIL)


def test_a_fee_history_has_what_was_asked_for() -> None:
    async def scenario(nodes: Asker) -> None:
        await asyncio.sleep(3.5)
        found = await nodes.result("eth_feeHistory", "0x2", "latest", [10, 50, 90])
        assert found["oldestBlock"] == "0x2"
        assert [len(found[key]) for key in ("baseFeePerGas", "gasUsedRatio", "reward")] == [3, 2, 2]
        assert all(len(rewards) == 3 for rewards in found["reward"])
        assert len(found["baseFeePerBlobGas"]) == 3
        assert "reward" not in await nodes.result("eth_feeHistory", "0x2", "latest", [])
        # More than there are, and as a plain number, as some clients send it.
        assert len((await nodes.result("eth_feeHistory", 9, "latest"))["gasUsedRatio"]) == 4
        assert await nodes.result("eth_feeHistory", "0x0", "latest", []) == {
            "oldestBlock": "0x0",
            "gasUsedRatio": None,
        }

    on_nodes(scenario)


def test_a_notification_is_executed_and_has_no_answer() -> None:
    async def scenario(nodes: Asker) -> None:
        nodes.expect(1, 1 * GWEI)
        assert await posted(nodes, message(SEND, signed(0, ETHER))) == (200, b"")
        assert await posted(nodes, message("eth_nothing")) == (200, b"")
        batch = [
            message("eth_chainId"),
            message("eth_chainId", id=5),
            message("eth_chainId", id=None),
        ]
        _, body = await posted(nodes, batch)
        assert [each["id"] for each in json.loads(body)] == [5, None]
        assert await posted(nodes, batch[:1]) == (200, b"")
        assert await nodes.number("eth_getTransactionCount", PAYER, "pending") == 1

    on_nodes(scenario)


def test_a_batch_that_is_too_large_has_one_error_with_the_id_of_its_first_call() -> None:
    async def scenario(nodes: Asker) -> None:
        calls = [message("eth_chainId", id=number) for number in range(7, 1007)]
        _, body = await posted(nodes, calls)
        assert len(json.loads(body)) == 1000
        _, body = await posted(nodes, [message("eth_chainId"), *calls])
        error = {"code": -32600, "message": "batch too large"}
        assert json.loads(body) == [{"jsonrpc": "2.0", "id": 7, "error": error}]

    on_nodes(scenario)


def test_a_load_balancer_sees_that_a_node_is_there() -> None:
    async def scenario(nodes: Asker) -> None:
        response = await nodes.pools[NODES[0]].request("GET", "/", b"", headers={}, timeout_s=5.0)
        assert (response.status, response.body) == (200, b"")
        response = await nodes.pools[NODES[0]].request("PUT", "/", b"{}", headers={}, timeout_s=5.0)
        assert response.status == 405

    on_nodes(scenario)


@pytest.mark.parametrize(("client", "takes"), [("geth", False), ("parity", True)])
def test_what_is_signed_for_any_network_or_offers_too_much_is_refused_by_geth(
    client: str, takes: bool
) -> None:
    anywhere = signed(0, ETHER, gasPrice=2 * GWEI, chainId=None)
    dear = signed(1, ETHER, maxFeePerGas=50_000 * GWEI)

    async def scenario(nodes: Asker) -> None:
        if takes:
            assert (await nodes.result(SEND, anywhere)).startswith("0x")
            assert (await nodes.result(SEND, dear)).startswith("0x")
            return
        what = "only replay-protected (EIP-155) transactions allowed over RPC"
        assert await nodes.error(SEND, anywhere) == (-32000, what)
        what = "tx fee (1.05 ether) exceeds the configured cap (1.00 ether)"
        assert await nodes.error(SEND, dear) == (-32000, what)

    on_nodes(scenario, dialect=f"{{json-rpc: {{client: {client}}}}}")


def test_a_pool_counts_what_waits_behind_a_gap_apart() -> None:
    async def scenario(nodes: Asker) -> None:
        for nonce in (0, 1, 5):
            await nodes.result(SEND, signed(nonce, ETHER))
        assert await nodes.result("txpool_status") == {"pending": "0x2", "queued": "0x1"}
        # What can be mined is, and "latest" follows; what waits behind a gap is in neither.
        tags = ("latest", "pending")
        assert [await nodes.number("eth_getTransactionCount", PAYER, tag) for tag in tags] == [0, 2]
        await asyncio.sleep(1.5)
        assert [await nodes.number("eth_getTransactionCount", PAYER, tag) for tag in tags] == [2, 2]
        assert await nodes.result("txpool_status") == {"pending": "0x0", "queued": "0x1"}

    on_nodes(scenario)


def test_a_transaction_is_found_by_its_block_and_place() -> None:
    async def scenario(nodes: Asker) -> None:
        sent = [await nodes.result(SEND, signed(nonce, ETHER)) for nonce in (0, 1)]
        pending = await nodes.result("eth_getBlockTransactionCountByNumber", "pending")
        assert pending == "0x2"
        await asyncio.sleep(1.5)
        block = (await nodes.result("eth_getTransactionReceipt", sent[0]))["blockHash"]
        number = (await nodes.result("eth_getBlockByHash", block, False))["number"]
        assert await nodes.result("eth_getBlockTransactionCountByNumber", number) == "0x2"
        assert await nodes.result("eth_getBlockTransactionCountByHash", block) == "0x2"
        for how, key in (("Number", number), ("Hash", block)):
            method = f"eth_getTransactionByBlock{how}AndIndex"
            assert (await nodes.result(method, key, "0x1"))["hash"] == sent[1]
            assert await nodes.result(method, key, "0x2") is None
        assert await nodes.result("eth_getBlockTransactionCountByNumber", "0x99") is None
        assert await nodes.result("eth_getBlockTransactionCountByHash", NO_HASH) is None

    on_nodes(scenario)


def test_what_was_replaced_in_the_pool_is_not_known_any_more() -> None:
    async def scenario(nodes: Asker) -> None:
        first = await nodes.result(SEND, signed(0, ETHER))
        again = signed(0, ETHER, maxFeePerGas=4 * GWEI, maxPriorityFeePerGas=2 * GWEI)
        second = await nodes.result(SEND, again)
        assert await nodes.result("eth_getTransactionByHash", first) is None
        assert (await nodes.result("eth_getTransactionByHash", second))["blockNumber"] is None
        assert await nodes.result("eth_getTransactionReceipt", second) is None

    on_nodes(scenario)


def test_what_wallets_ask_beside_payments() -> None:
    async def scenario(nodes: Asker) -> None:
        assert await nodes.result("eth_getStorageAt", PAYEE, "0x0", "latest") == "0x" + "0" * 64
        assert await nodes.result("eth_blobBaseFee") == "0x1"
        # keccak256 of "hello", as anvil computes it.
        digest = "0x1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8"
        assert await nodes.result("web3_sha3", "0x68656c6c6f") == digest
        for tag in ("safe", "finalized", "earliest"):
            assert (await nodes.result("eth_getBlockByNumber", tag, False))["number"] == "0x0"

    on_nodes(scenario)
