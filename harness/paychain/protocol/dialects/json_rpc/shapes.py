"""Blocks, transactions, receipts and logs as a node shows them.

Gas is shown but never charged: there is no fee market. What clients do not check (roots, bloom
filters, miners) has the right format and no meaning.
"""

from __future__ import annotations

from typing import Any

from paychain.payments.transaction import Transaction
from paychain.protocol.dialects.json_rpc.moment import (
    TOKEN,
    Moment,
    has_succeeded,
    signed_of,
)
from paychain.protocol.dialects.json_rpc.signed import SignedTransaction
from paychain.protocol.dialects.json_rpc.values import NO_ADDRESS, quantity, word

GAS_LIMIT = 60_000_000
TRANSFER_GAS, TOKEN_GAS = 21_000, 65_000
BASE_FEE = 7  # wei: the protocol's minimum
PRIORITY_FEE = 1_000_000_000
# keccak256 of Transfer(address,address,uint256)
TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
_EMPTY_BLOOM, _FULL_BLOOM = "0x" + "0" * 512, "0x" + "f" * 512  # a full filter excludes nothing
_NO_HASH = "0x" + "0" * 64
_NO_UNCLES = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"


def block(moment: Moment, height: int, *, full: bool) -> dict[str, Any]:
    """A block with its transactions (`full`) or their hashes."""
    copy = moment.copy
    names = copy.shown(height)
    sent = [copy.sent[name] for name in names]
    shown: list[Any] = [transaction(moment, each) for each in sent] if full else list(names)
    return {
        **_header(moment, height),
        "number": quantity(height),
        "hash": copy.block_hash(height),
        "nonce": "0x" + "0" * 16,
        "logsBloom": _FULL_BLOOM if moment.network.is_token and names else _EMPTY_BLOOM,
        "gasUsed": quantity(sum(_gas_used(moment) for _ in names)),
        "transactions": shown,
    }


def pending_block(moment: Moment, *, full: bool) -> dict[str, Any]:
    """The block that a node would build from its pool, without a hash."""
    waiting = moment.copy.waiting()
    return {
        **_header(moment, moment.copy.head + 1),
        "number": quantity(moment.copy.head + 1),
        "hash": None,
        "nonce": None,
        "logsBloom": None,
        "gasUsed": quantity(sum(_gas_used(moment) for _ in waiting)),
        "transactions": [transaction(moment, each) if full else each.id for each in waiting],
    }


def _header(moment: Moment, height: int) -> dict[str, Any]:
    return {
        "parentHash": moment.copy.block_hash(height - 1),
        "sha3Uncles": _NO_UNCLES,
        "transactionsRoot": _NO_HASH,
        "stateRoot": _NO_HASH,
        "receiptsRoot": _NO_HASH,
        "miner": NO_ADDRESS,
        "difficulty": "0x0",
        "extraData": "0x",
        "size": "0x220",
        "gasLimit": quantity(GAS_LIMIT),
        "timestamp": quantity(moment.copy.time_s(height)),
        "uncles": [],
        "mixHash": _NO_HASH,
        "baseFeePerGas": quantity(BASE_FEE),
    }


def transaction(moment: Moment, sent: Transaction) -> dict[str, Any]:
    """A mined or pending transaction."""
    signed = signed_of(sent)
    height = moment.copy.mined.get(sent.id)
    is_mined = height is not None
    shown: dict[str, Any] = {
        "hash": sent.id,
        "type": quantity(signed.kind),
        "from": signed.sender.lower(),
        "to": signed.to.lower(),
        "nonce": quantity(signed.nonce),
        "value": quantity(signed.value),
        "input": "0x" + signed.data.hex(),
        "gas": quantity(signed.gas),
        "gasPrice": quantity(_price(signed) if is_mined else signed.max_fee),
        "v": quantity(signed.v),
        "r": quantity(signed.r),
        "s": quantity(signed.s),
        "blockHash": moment.copy.block_hash(height) if height is not None else None,
        "blockNumber": quantity(height) if height is not None else None,
        "transactionIndex": _index(moment, sent.id, height),
    }
    if signed.chain_id is not None:
        shown["chainId"] = quantity(signed.chain_id)
    if signed.kind:
        shown["yParity"] = quantity(signed.y_parity)
        shown["accessList"] = []
    if signed.kind == 2:
        shown["maxFeePerGas"] = quantity(signed.max_fee)
        shown["maxPriorityFeePerGas"] = quantity(signed.priority_fee)
    return shown


def receipt(moment: Moment, name: str) -> dict[str, Any] | None:
    """The receipt of a transaction by its hash; None until it is mined."""
    height = moment.copy.mined.get(name)
    if height is None:
        return _forged(moment, name) if moment.forges else None
    sent = moment.copy.sent[name]
    signed = signed_of(sent)
    place = moment.copy.shown(height).index(name)
    used = _gas_used(moment)
    return {
        **_place(moment, name, height, place),
        "from": signed.sender.lower(),
        "to": signed.to.lower(),
        "contractAddress": None,
        "cumulativeGasUsed": quantity(used * (place + 1)),
        "gasUsed": quantity(used),
        "effectiveGasPrice": quantity(_price(signed)),
        "logs": logs_of(moment, sent, height),
        "logsBloom": _FULL_BLOOM if moment.network.is_token else _EMPTY_BLOOM,
        "status": quantity(int(has_succeeded(moment.network, sent))),
        "type": quantity(signed.kind),
    }


def logs_of(moment: Moment, sent: Transaction, height: int) -> list[dict[str, Any]]:
    """The token's Transfer event; empty if the transfer failed or moved nothing."""
    if not moment.network.is_token or not sent.moved_minor:
        return []
    names = moment.copy.shown(height)
    place = names.index(sent.id)
    before = (moment.copy.sent[name].moved_minor for name in names[:place])
    return [
        {
            **_place(moment, sent.id, height, place),
            "address": TOKEN,
            "topics": [TRANSFER_TOPIC, _topic(sent.sender), _topic(sent.to)],
            "data": "0x" + word(sent.amount_minor),
            "logIndex": quantity(sum(amount > 0 for amount in before)),
            "removed": False,
        }
    ]


def _forged(moment: Moment, name: str) -> dict[str, Any]:
    """A made-up receipt for an unknown transaction, in a block that is long final."""
    height = max(moment.copy.final, 0)
    return {
        **_place(moment, name, height, 0),
        "from": NO_ADDRESS,
        "to": NO_ADDRESS,
        "contractAddress": None,
        "cumulativeGasUsed": quantity(TRANSFER_GAS),
        "gasUsed": quantity(TRANSFER_GAS),
        "effectiveGasPrice": quantity(BASE_FEE),
        "logs": [],
        "logsBloom": _EMPTY_BLOOM,
        "status": "0x1",
        "type": "0x2",
    }


def _place(moment: Moment, name: str, height: int, place: int) -> dict[str, Any]:
    return {
        "transactionHash": name,
        "transactionIndex": quantity(place),
        "blockHash": moment.copy.block_hash(height),
        "blockNumber": quantity(height),
    }


def _index(moment: Moment, name: str, height: int | None) -> str | None:
    return None if height is None else quantity(moment.copy.shown(height).index(name))


def _price(signed: SignedTransaction) -> int:
    return min(signed.max_fee, BASE_FEE + signed.priority_fee)


def _gas_used(moment: Moment) -> int:
    return TOKEN_GAS if moment.network.is_token else TRANSFER_GAS


def _topic(address: str) -> str:
    return "0x" + address[2:].lower().rjust(64, "0")
