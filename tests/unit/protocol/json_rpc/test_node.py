"""A node that speaks JSON-RPC, in virtual time: what it knows, and what it refuses."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest

from paychain.protocol.dialects.json_rpc.moment import TOKEN
from paychain.protocol.dialects.json_rpc.shapes import TRANSFER_TOPIC
from tests.support.rpc_links import GWEI, PAYEE, PAYER, Asker, on_nodes, signed

pytest.importorskip("rlp", reason="the extra rpc is not installed")
ETHER = 10**18
RECEIPT, SEND = "eth_getTransactionReceipt", "eth_sendRawTransaction"
CHANGES = "eth_getFilterChanges"
NOBODY = "0x00000000000000000000000000000000000000aa"


def test_a_payment_from_its_bytes_to_its_receipt() -> None:
    async def scenario(nodes: Asker) -> None:
        payment = nodes.expect(1, 5 * 10**9)
        sent = await nodes.result(SEND, signed(0, 5 * ETHER))
        assert await nodes.result(RECEIPT, sent) is None
        waiting = await nodes.result("eth_getTransactionByHash", sent, node="node-b")
        assert (waiting["from"], waiting["blockNumber"]) == (PAYER.lower(), None)
        assert await nodes.number("eth_getTransactionCount", PAYER, "latest") == 0
        assert await nodes.number("eth_getTransactionCount", PAYER, "pending") == 1
        pending = await nodes.result("eth_getBlockByNumber", "pending", False)
        assert pending["transactions"] == [sent]
        await asyncio.sleep(1)
        receipt = await nodes.result(RECEIPT, sent, node="node-b")
        assert (receipt["status"], receipt["blockNumber"]) == ("0x1", "0x1")
        block = await nodes.result("eth_getBlockByHash", receipt["blockHash"], True)
        assert [each["hash"] for each in block["transactions"]] == [sent]
        assert await nodes.result("eth_getBlockReceipts", "0x1") == [receipt]
        assert await nodes.number("eth_getBalance", PAYEE, "latest") == 10_005 * ETHER
        assert await nodes.number("eth_getBalance", PAYEE, "0x0") == 10_000 * ETHER
        assert await nodes.number("eth_getBalance", NOBODY, "latest") == 0
        assert nodes.transferred() == [(payment, 5 * 10**9, sent)]

    nodes = on_nodes(scenario)
    of_payment = [hop[0] for hop in nodes.hops() if hop[1]]
    assert of_payment == ["transfer", "read"]  # the receipt that was asked for here


def test_blocks_follow_each_other_and_are_final_after_four() -> None:
    async def scenario(nodes: Asker) -> None:
        await asyncio.sleep(9.5)
        head = await nodes.number("eth_blockNumber")
        blocks = [await nodes.result("eth_getBlockByNumber", hex(at), False) for at in range(head)]
        for before, block in pairwise(blocks):
            assert block["parentHash"] == before["hash"]
            assert int(block["timestamp"], 16) == int(before["timestamp"], 16) + 1
        final = await nodes.result("eth_getBlockByNumber", "finalized", False)
        assert int(final["number"], 16) == head - 4
        assert await nodes.result("eth_getBlockByNumber", hex(head + 9), False) is None
        assert await nodes.error("eth_getBalance", PAYER, hex(head + 9)) == (
            -32000,
            "header not found",
        )

    on_nodes(scenario)


REFUSED = {
    "geth": (-32000, "already known", "nonce too low: next nonce 1, tx nonce 0"),
    "idempotent": (0, "", ""),
    "parity": (
        -32010,
        "Transaction with the same hash was already imported.",
        "Transaction nonce is too low. Try incrementing the nonce.",
    ),
    "nethermind": (
        -32010,
        "AlreadyKnown",
        "OldNonce, Current nonce: 1, nonce of rejected tx: 0",
    ),
    "anvil": (-32003, "transaction already imported", "nonce too low"),
}


@pytest.mark.parametrize("client", REFUSED)
def test_each_client_refuses_a_repeat_in_its_own_words(client: str) -> None:
    code, known, used = REFUSED[client]

    async def scenario(nodes: Asker) -> None:
        raw = signed(0, ETHER)
        sent = await nodes.result(SEND, raw)
        if client == "idempotent":
            assert await nodes.result(SEND, raw) == sent
            assert await nodes.result(SEND, raw, node="node-b") == sent
        else:
            assert await nodes.error(SEND, raw) == (code, known)
            assert await nodes.error(SEND, raw, node="node-b") == (code, known)
        await asyncio.sleep(2)
        if client == "idempotent":
            assert await nodes.result(SEND, raw) == sent
        else:
            assert await nodes.error(SEND, raw) == (code, used)
        assert await nodes.number("eth_getTransactionCount", PAYER, "latest") == 1

    assert len(on_nodes(scenario, dialect=f"{{json-rpc: {{client: {client}}}}}").transferred()) == 1


def test_what_no_node_takes() -> None:
    async def scenario(nodes: Asker) -> None:
        assert "have 1 want 31337" in (await nodes.error(SEND, signed(0, 1, chainId=1)))[1]
        assert "intrinsic gas too low" in (await nodes.error(SEND, signed(0, 1, gas=1)))[1]
        assert "9 decimals" in (await nodes.error(SEND, signed(0, 1)))[1]
        assert "not deploy contracts" in (await nodes.error(SEND, signed(0, 0, to=None)))[1]
        assert "insufficient funds" in (await nodes.error(SEND, signed(0, 10_001 * ETHER)))[1]
        assert (await nodes.error(SEND, "0x1234"))[0] == -32000
        assert (await nodes.error(SEND, "what"))[0] == -32602
        assert (await nodes.error(SEND))[0] == -32602
        fees = {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0}
        assert "underpriced" in (await nodes.error(SEND, signed(0, 0, **fees)))[1]

    assert on_nodes(scenario).transferred() == []


def test_a_node_that_is_cut_off_goes_on_with_what_it_saw() -> None:
    async def scenario(nodes: Asker) -> None:
        await nodes.result("eth_blockNumber")
        nodes.inject("http_error", link="base", caller="node-a")
        sent = await nodes.result(SEND, signed(0, ETHER), node="node-b")
        await asyncio.sleep(5)
        assert await nodes.number("eth_blockNumber") == 0
        assert await nodes.result("eth_syncing") is False
        assert await nodes.number("eth_blockNumber", node="node-b") == 5
        assert await nodes.result(RECEIPT, sent) is None
        assert await nodes.number("eth_getBalance", PAYEE, "latest") == 10_000 * ETHER
        code, said = await nodes.error(SEND, signed(1, ETHER))
        assert (code, said.partition(",")[0]) == (-32000, "failed to forward tx to sequencer")
        nodes.heal("http_error", link="base")
        assert await nodes.result(RECEIPT, sent) is not None
        assert await nodes.number("eth_getBalance", PAYEE, "latest") == 10_001 * ETHER

    on_nodes(scenario)


def test_blocks_that_were_replaced_have_other_hashes_and_no_receipts() -> None:
    async def scenario(nodes: Asker) -> None:
        sent = await nodes.result(SEND, signed(0, ETHER))
        await asyncio.sleep(2.5)
        before = await nodes.result("eth_getBlockByNumber", "latest", False)
        genesis = await nodes.result("eth_getBlockByNumber", "0x0", False)
        assert await nodes.result(RECEIPT, sent) is not None
        nodes.inject("reorg", link="base", depth=3, returns="0%")
        assert await nodes.result(RECEIPT, sent) is None
        assert await nodes.result("eth_getTransactionByHash", sent) is None
        assert await nodes.number("eth_getTransactionCount", PAYER, "latest") == 0
        assert await nodes.number("eth_getBalance", PAYEE, "latest") == 10_000 * ETHER
        assert await nodes.result("eth_getBlockByHash", before["hash"], False) is None
        after = await nodes.result("eth_getBlockByNumber", before["number"], False)
        assert (after["hash"] == before["hash"], after["transactions"]) == (False, [])
        assert await nodes.result("eth_getBlockByNumber", "0x0", False) == genesis
        nodes.heal("reorg", link="base")
        assert await nodes.result(SEND, signed(0, ETHER)) == sent
        await asyncio.sleep(1)
        assert await nodes.result(RECEIPT, sent) is not None

    on_nodes(scenario)


def test_a_ledger_that_stands_still_looks_healthy() -> None:
    async def scenario(nodes: Asker) -> None:
        await asyncio.sleep(3)
        before = await nodes.result("eth_getBlockByNumber", "latest", False)
        nodes.inject("halt", link="base")
        sent = await nodes.result(SEND, signed(0, ETHER))
        await asyncio.sleep(60)
        assert await nodes.result("eth_getBlockByNumber", "latest", False) == before
        assert await nodes.result(RECEIPT, sent) is None
        nodes.heal("halt", link="base")
        await asyncio.sleep(1)
        assert await nodes.result(RECEIPT, sent) is not None
        seen = await nodes.result("eth_getBlockByNumber", before["number"], False)
        after = await nodes.result("eth_getBlockByNumber", "latest", False)
        assert seen == before
        assert int(after["timestamp"], 16) >= int(before["timestamp"], 16) + 60

    on_nodes(scenario)


def test_a_node_may_lie_about_what_it_reads() -> None:
    async def scenario(nodes: Asker) -> None:
        sent = await nodes.result(SEND, signed(0, ETHER))
        await asyncio.sleep(2)
        nodes.inject("wrong_answer", says="declined")  # nobody owns anything
        assert await nodes.number("eth_getBalance", PAYER, "latest") == 0
        assert await nodes.result(RECEIPT, sent) is None
        nodes.inject("wrong_answer", says="another_amount")
        assert await nodes.number("eth_getBalance", PAYEE, "latest") == 100_010 * ETHER
        nodes.inject("wrong_answer", says="another_payment")  # a receipt of what never was
        forged = await nodes.result(RECEIPT, "0x" + "ab" * 32)
        assert forged["status"] == "0x1"
        nodes.heal("wrong_answer")
        assert await nodes.result(RECEIPT, "0x" + "ab" * 32) is None
        assert await nodes.number("eth_getBalance", PAYEE, "latest") == 10_001 * ETHER

    on_nodes(scenario)


def test_a_node_that_forgot_everything_reads_it_again() -> None:
    async def scenario(nodes: Asker) -> None:
        sent = await nodes.result(SEND, signed(0, ETHER))
        await asyncio.sleep(2)
        nodes.inject("crash", forgets=True)
        nodes.heal("crash")
        await asyncio.sleep(1)
        assert await nodes.result(RECEIPT, sent) is not None
        assert await nodes.number("eth_getTransactionCount", PAYER, "latest") == 1

    on_nodes(scenario)


def call_data(name: str, *words: str | int) -> str:
    return name + "".join(
        f"{word:064x}" if isinstance(word, int) else word[2:].lower().rjust(64, "0")
        for word in words
    )


def test_a_token_moves_by_calls_and_says_so_in_logs() -> None:
    async def scenario(nodes: Asker) -> None:
        payment = nodes.expect(1, 7_000_000)
        data = call_data("0xa9059cbb", PAYEE, 7_000_000)
        raw = signed(0, 0, to=TOKEN, data=data, gas=90_000)
        call = {"from": PAYER, "to": TOKEN, "data": data}
        assert await nodes.number("eth_estimateGas", call) == 65_000
        assert await nodes.number("eth_call", call, "latest") == 1
        sent = await nodes.result(SEND, raw)
        await asyncio.sleep(1)
        asked = {"to": TOKEN, "data": call_data("0x70a08231", PAYEE)}
        assert await nodes.number("eth_call", asked, "latest") == 10_007_000_000
        assert await nodes.number("eth_call", asked, "0x0") == 10_000_000_000
        wanted: dict[str, Any] = {"fromBlock": "0x0", "address": TOKEN, "topics": [TRANSFER_TOPIC]}
        (log,) = await nodes.result("eth_getLogs", wanted)
        assert (log["transactionHash"], int(log["data"], 16)) == (sent, 7_000_000)
        receipt = await nodes.result(RECEIPT, sent)
        assert receipt["logs"] == [log]
        to_payer = [None, None, "0x" + PAYER[2:].lower().rjust(64, "0")]
        for other in (
            {**wanted, "address": NOBODY},
            {**wanted, "topics": to_payer},
            {**wanted, "fromBlock": "0x0", "toBlock": "0x0"},
        ):
            assert await nodes.result("eth_getLogs", other) == []
        assert await nodes.result("eth_getCode", TOKEN, "latest") != "0x"
        assert nodes.transferred() == [(payment, 7_000_000, sent)]

    on_nodes(scenario, currency="USDC")


def test_a_token_that_the_sender_has_not_got_fails_in_its_block() -> None:
    async def scenario(nodes: Asker) -> None:
        data = call_data("0xa9059cbb", PAYEE, 10**15)
        call = {"from": PAYER, "to": TOKEN, "data": data}
        code, said = await nodes.error("eth_estimateGas", call)
        assert (code, "exceeds balance" in said) == (3, True)
        sent = await nodes.result(SEND, signed(0, 0, to=TOKEN, data=data, gas=90_000))
        await asyncio.sleep(1)
        receipt = await nodes.result(RECEIPT, sent)
        assert (receipt["status"], receipt["logs"]) == ("0x0", [])
        assert await nodes.number("eth_getTransactionCount", PAYER, "latest") == 1

    assert on_nodes(scenario, currency="USDC").transferred() == []


@pytest.mark.parametrize("currency", ["ETH", "USDC"])
def test_a_transfer_that_the_ledger_reverts_has_used_its_nonce_and_moved_nothing(
    currency: str,
) -> None:
    async def scenario(nodes: Asker) -> None:
        nodes.expect(1, 10**9 if currency == "ETH" else 7_000_000)
        data = call_data("0xa9059cbb", PAYEE, 7_000_000)
        raw = (
            signed(0, ETHER) if currency == "ETH" else signed(0, 0, to=TOKEN, data=data, gas=90_000)
        )
        before = await nodes.number("eth_getBalance", PAYER, "latest")
        nodes.inject("reverts", link="base")
        sent = await nodes.result(SEND, raw)
        await asyncio.sleep(1)
        receipt = await nodes.result(RECEIPT, sent)
        assert (receipt["status"], receipt["logs"]) == ("0x0", [])
        assert await nodes.number("eth_getTransactionCount", PAYER, "latest") == 1
        assert await nodes.number("eth_getBalance", PAYER, "latest") == before
        nodes.heal("reverts", link="base")

    assert on_nodes(scenario, currency=currency).transferred() == []


def test_what_a_replaced_block_had_as_failed_waits_with_its_hash_and_may_be_made() -> None:
    async def scenario(nodes: Asker) -> None:
        nodes.inject("reverts", link="base")
        sent = await nodes.result(SEND, signed(0, ETHER))
        await asyncio.sleep(1)
        assert (await nodes.result(RECEIPT, sent))["status"] == "0x0"
        nodes.inject("reorg", link="base", depth=3, returns="100%")
        assert await nodes.result(RECEIPT, sent) is None
        waiting = await nodes.result("eth_getTransactionByHash", sent)
        assert (waiting["hash"], waiting["blockNumber"]) == (sent, None)
        for tag, count in (("latest", 0), ("pending", 1)):
            assert await nodes.number("eth_getTransactionCount", PAYER, tag) == count
        nodes.heal("reverts", link="base")
        await asyncio.sleep(1)
        assert (await nodes.result(RECEIPT, sent))["status"] == "0x1"
        assert (await nodes.error(SEND, signed(0, ETHER)))[0] == -32000

    assert len(on_nodes(scenario).transferred()) == 1


def test_a_payment_is_found_by_a_text_in_its_data() -> None:
    async def scenario(nodes: Asker) -> None:
        await nodes.result(SEND, signed(0, ETHER, data=b"pk3fa0000042", gas=30_000))
        await asyncio.sleep(1)

    (moved,) = on_nodes(scenario).transferred()
    assert moved[0] == "pk3fa0000042"


def test_two_payments_in_one_batch_are_two() -> None:
    async def scenario(nodes: Asker) -> None:
        first, second = nodes.expect(1, 10**9), nodes.expect(2, 2 * 10**9)
        batch = [
            {"jsonrpc": "2.0", "id": "a", "method": "eth_blockNumber"},
            {"jsonrpc": "2.0", "id": 0, "method": SEND, "params": [signed(0, ETHER)]},
            {"jsonrpc": "2.0", "id": 7, "method": SEND, "params": [signed(1, 2 * ETHER)]},
            {"jsonrpc": "2.0", "id": 8, "method": "eth_nothing", "params": None},
        ]
        response = await nodes.post(json.dumps(batch).encode())
        answers = json.loads(response.body)
        assert [each["id"] for each in answers] == ["a", 0, 7, 8]
        assert answers[3]["error"]["code"] == -32601
        await asyncio.sleep(1)
        assert [each[0] for each in nodes.transferred()] == [first, second]
        sent = [hop[1] for hop in nodes.hops() if hop[0] == "transfer"]
        assert sorted(sent) == [first, second]
        assert nodes.requests() == 1

    on_nodes(scenario)


UNREADABLE = [
    (b"{", -32700),
    (b"[]", -32600),
    (b"7", -32600),
    (b'{"id": 1}', -32600),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": {"a": 1}}', -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": 5}', -32600),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_getBalance"}', -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_getBalance", "params": [5]}', -32602),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_getBalance", "params": ["0x12", {}]}', -32602),
    (
        b'{"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": [[1], true]}',
        -32602,
    ),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [1, "latest"]}', -32602),
    (
        b'{"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [{"topics": [[1]]}]}',
        -32602,
    ),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [{"topics": 5}]}', -32602),
    (
        b'{"jsonrpc": "2.0", "id": 1, "method": "eth_feeHistory", "params": ["0x1", "latest", 5]}',
        -32602,
    ),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [null]}', -32602),
]


def test_what_cannot_be_read_is_an_error_object() -> None:
    async def scenario(nodes: Asker) -> None:
        for body, code in UNREADABLE:
            response = await nodes.post(body)
            assert response.status == 200
            assert json.loads(response.body)["error"]["code"] == code, body

    on_nodes(scenario)


BATCH = json.dumps([{"jsonrpc": "2.0", "id": each, "method": "eth_chainId"} for each in (1, 2)])
LIMITS = {"none": -32005, "infura": -32005, "quicknode": -32007, "alchemy": 429}


@pytest.mark.parametrize("provider", LIMITS)
def test_each_provider_limits_in_its_own_shape(provider: str) -> None:
    async def scenario(nodes: Asker) -> None:
        nodes.inject("rate_limit", rate="1/min", retry_after="10s")
        assert await nodes.number("eth_chainId") == 31337
        limited = await nodes.post(BATCH[1:].partition("}")[0].encode() + b"}")
        assert (limited.status, limited.headers["retry-after"]) == (429, "10")
        body = json.loads(limited.body)
        assert (body["id"], body["error"]["code"]) == (1, LIMITS[provider])
        batch = await nodes.post(BATCH.encode())
        if provider == "alchemy":
            assert batch.status == 200
            codes = [each["error"]["code"] for each in json.loads(batch.body)]
            assert codes == [429, 429]
        else:
            assert batch.status == 429

    on_nodes(scenario, dialect=f"{{json-rpc: {{provider: {provider}}}}}")


@pytest.mark.parametrize("status", [402, 500, 503])
def test_other_failures_are_those_of_a_provider(status: int) -> None:
    async def scenario(nodes: Asker) -> None:
        nodes.inject("http_error", status=status)
        response = await nodes.post(b'{"jsonrpc": "2.0", "id": 5, "method": "eth_chainId"}')
        assert response.status == status
        if status == 503:
            assert b"<h1>503 Service Unavailable</h1>" in response.body
        else:
            assert json.loads(response.body)["id"] == 5
        nodes.heal("http_error")
        nodes.inject("malformed")
        garbage = await nodes.post(b'{"jsonrpc": "2.0", "id": 5, "method": "eth_chainId"}')
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            json.loads(garbage.body)

    on_nodes(scenario, dialect="{json-rpc: {provider: infura}}")


def test_fees_are_those_of_a_quiet_network() -> None:
    async def scenario(nodes: Asker) -> None:
        await asyncio.sleep(3)
        assert await nodes.number("eth_gasPrice") == GWEI + 7
        assert await nodes.number("eth_maxPriorityFeePerGas") == GWEI
        history = await nodes.result("eth_feeHistory", "0x2", "latest", [25, 75])
        assert (len(history["baseFeePerGas"]), len(history["reward"][0])) == (3, 2)
        assert int(history["oldestBlock"], 16) == await nodes.number("eth_blockNumber") - 1

    on_nodes(scenario)


def test_in_a_fee_spike_nodes_suggest_what_is_mined_and_the_rest_waits() -> None:
    async def scenario(nodes: Asker) -> None:
        usual = {"maxFeePerGas": 2 * GWEI, "maxPriorityFeePerGas": GWEI}
        nodes.inject("fee_spike", link="base", times=10)
        stuck = await nodes.result(SEND, signed(0, ETHER, **usual))
        await asyncio.sleep(3)
        assert await nodes.result(RECEIPT, stuck) is None
        price = await nodes.number("eth_gasPrice")
        assert price == 10 * GWEI + 7
        enough = {"maxFeePerGas": price, "maxPriorityFeePerGas": price}
        replaced = await nodes.result(SEND, signed(0, ETHER, **enough))
        await asyncio.sleep(2)
        assert (await nodes.result(RECEIPT, replaced))["status"] == "0x1"
        assert await nodes.result(RECEIPT, stuck) is None
        nodes.heal("fee_spike", link="base")
        assert await nodes.number("eth_gasPrice") == GWEI + 7

    assert len(on_nodes(scenario).transferred()) == 1


def test_filters_tell_what_is_new_and_what_a_reorganisation_took_back() -> None:
    async def scenario(nodes: Asker) -> None:
        data = call_data("0xa9059cbb", PAYEE, 7_000_000)
        wanted = {"address": TOKEN, "topics": [TRANSFER_TOPIC]}
        blocks, logs, pending = [
            await nodes.result(method, *params)
            for method, params in (
                ("eth_newBlockFilter", ()),
                ("eth_newFilter", (wanted,)),
                ("eth_newPendingTransactionFilter", ()),
            )
        ]
        elsewhere = await nodes.result("eth_newFilter", {**wanted, "address": NOBODY})
        sent = await nodes.result(SEND, signed(0, 0, to=TOKEN, data=data, gas=90_000))
        assert await nodes.result(CHANGES, pending) == [sent]
        await asyncio.sleep(2)
        head = await nodes.number("eth_blockNumber")
        new = await nodes.result(CHANGES, blocks)
        shown = [await nodes.result("eth_getBlockByHash", each, False) for each in new]
        assert [int(each["number"], 16) for each in shown] == list(range(1, head + 1))
        (log,) = await nodes.result(CHANGES, logs)
        assert (log["transactionHash"], log["removed"]) == (sent, False)
        for name in (blocks, logs, pending, elsewhere):
            assert await nodes.result(CHANGES, name) == []
        nodes.inject("reorg", link="base", depth=3, returns="100%")
        assert await nodes.result(CHANGES, logs) == [{**log, "removed": True}]
        nodes.heal("reorg", link="base")
        again = await nodes.result(CHANGES, blocks)
        assert again
        assert not set(again) & set(new)
        await asyncio.sleep(1)
        (later,) = await nodes.result(CHANGES, logs)
        assert (later["transactionHash"], later["removed"]) == (sent, False)
        whole = await nodes.result("eth_newFilter", {**wanted, "fromBlock": "0x0"})
        assert await nodes.result("eth_getFilterLogs", whole) == [later]
        assert (await nodes.error("eth_getFilterLogs", blocks))[1] == "filter not found"
        assert await nodes.result("eth_uninstallFilter", logs) is True
        assert await nodes.result("eth_uninstallFilter", logs) is False
        assert await nodes.error(CHANGES, logs) == (-32000, "filter not found")
        # One that nobody asks for is dropped, and a node does not know the filters of another one.
        assert (await nodes.error(CHANGES, blocks, node="node-b"))[1] == "filter not found"
        await asyncio.sleep(301)
        assert (await nodes.error(CHANGES, blocks))[1] == "filter not found"

    on_nodes(scenario, currency="USDC")


def test_a_node_forgets_what_is_older_than_its_history() -> None:
    async def scenario(nodes: Asker) -> None:
        sent = await nodes.result(SEND, signed(0, ETHER))
        await asyncio.sleep(1)
        assert await nodes.result(RECEIPT, sent) is not None
        await asyncio.sleep(8)
        assert await nodes.result(RECEIPT, sent) is None
        assert await nodes.result("eth_getTransactionByHash", sent) is None
        gone = (4444, "pruned history unavailable")
        assert await nodes.error("eth_getBlockByNumber", "0x1", False) == gone
        assert await nodes.error("eth_getLogs", {"fromBlock": "0x1"}) == gone
        assert (await nodes.error("eth_getBalance", PAYEE, "0x1"))[0] == -32000
        # Accounts are as they were, and the first block is always known.
        assert await nodes.number("eth_getBalance", PAYEE, "latest") == 10_001 * ETHER
        assert await nodes.number("eth_getTransactionCount", PAYER, "latest") == 1
        assert await nodes.result("eth_getBlockByNumber", "earliest", False) is not None

    on_nodes(scenario, dialect="{json-rpc: {history: 6}}")
