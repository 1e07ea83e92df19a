"""The read methods of a node. A new method is a function and a line in METHODS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from paychain.payments.money import exponent
from paychain.protocol.dialects.json_rpc import shapes
from paychain.protocol.dialects.json_rpc.logs import Log, LogFilter
from paychain.protocol.dialects.json_rpc.moment import TOKEN, TRANSFER, Moment
from paychain.protocol.dialects.json_rpc.values import (
    INVALID_PARAMS,
    REVERTED,
    SERVER_ERROR,
    RpcError,
    invalid,
    quantity,
    read_address,
    read_data,
    read_hash,
    read_quantity,
    word,
)
from paychain.protocol.dialects.json_rpc.words import mistaken

Method = Callable[[Moment, Sequence[Any]], Any]
MAX_HISTORY, MAX_PERCENTILES = 1024, 100  # blocks of one fee history, and percentiles of each
_SELECTORS = {
    bytes.fromhex("70a08231"): "balanceOf",
    bytes.fromhex("313ce567"): "decimals",
    bytes.fromhex("95d89b41"): "symbol",
    bytes.fromhex("06fdde03"): "name",
    TRANSFER: "transfer",
}
_ERROR_SELECTOR = "08c379a0"  # Error(string)


def _at(params: Sequence[Any], number: int) -> Any:
    return params[number] if number < len(params) else None


def _needed(params: Sequence[Any], number: int) -> Any:
    if number >= len(params):
        raise RpcError(INVALID_PARAMS, f"missing value for required argument {number}")
    return params[number]


def _balance(moment: Moment, params: Sequence[Any]) -> str:
    account = read_address(_needed(params, 0), 0)
    return quantity(moment.balance_wei(account, moment.known_height(_at(params, 1), 1)))


def _nonce(moment: Moment, params: Sequence[Any]) -> str:
    account, tag = read_address(_needed(params, 0), 0), _at(params, 1)
    if tag == "pending":
        return quantity(moment.copy.pending_nonce(account))
    return quantity(moment.copy.nonce(account, moment.known_height(tag, 1)))


def _block_by_number(moment: Moment, params: Sequence[Any]) -> Any:
    tag, full = _needed(params, 0), bool(_at(params, 1))
    if tag == "pending":
        return shapes.pending_block(moment, full=full)
    height = moment.height(tag, 0)
    moment.require(height)
    return shapes.block(moment, height, full=full) if height <= moment.copy.head else None


def _block_by_hash(moment: Moment, params: Sequence[Any]) -> Any:
    height = moment.copy.height_of(read_hash(_needed(params, 0), 0))
    if height is not None:
        moment.require(height)
    return None if height is None else shapes.block(moment, height, full=bool(_at(params, 1)))


def _block_receipts(moment: Moment, params: Sequence[Any]) -> Any:
    height = moment.height(_needed(params, 0), 0)
    if height > moment.copy.head:
        return None
    moment.require(height)
    return [shapes.receipt(moment, name) for name in moment.copy.shown(height)]


def _transaction(moment: Moment, params: Sequence[Any]) -> Any:
    sent = moment.copy.sent.get(read_hash(_needed(params, 0), 0))
    return None if sent is None else shapes.transaction(moment, sent)


def _receipt(moment: Moment, params: Sequence[Any]) -> Any:
    return shapes.receipt(moment, read_hash(_needed(params, 0), 0))


def _priority_fee(moment: Moment) -> int:
    """The priority fee that a node suggests, in wei: the lowest that is mined now."""
    return shapes.PRIORITY_FEE * moment.copy.lowest_fee


def _gas_price(moment: Moment, _params: Sequence[Any]) -> str:
    return quantity(shapes.BASE_FEE + _priority_fee(moment))


def _fee_history(moment: Moment, params: Sequence[Any]) -> dict[str, Any]:
    given, head = _needed(params, 0), moment.copy.head
    # Clients send a number as well as hex digits.
    asked = given if type(given) is int and given >= 0 else read_quantity(given, 0)
    newest = moment.height(_needed(params, 1), 1)
    percentiles = _percentiles(_at(params, 2))
    if newest > head:
        what = f"request beyond head block: requested {newest}, head {head}"
        raise RpcError(SERVER_ERROR, what)
    count = min(asked, MAX_HISTORY, newest + 1)
    if not count:
        return {"oldestBlock": "0x0", "gasUsedRatio": None}
    found: dict[str, Any] = {
        "oldestBlock": quantity(newest + 1 - count),
        "baseFeePerGas": [quantity(shapes.BASE_FEE)] * (count + 1),
        "gasUsedRatio": [0.0] * count,
        "baseFeePerBlobGas": ["0x1"] * (count + 1),
        "blobGasUsedRatio": [0.0] * count,
    }
    if percentiles:
        rewards = [quantity(_priority_fee(moment))] * len(percentiles)
        found["reward"] = [rewards] * count
    return found


def _percentiles(given: Any) -> list[float]:
    """The percentiles of a fee history. Raises RpcError unless they ascend from 0 to 100."""
    percentiles = [] if given is None else given
    is_list = isinstance(percentiles, list)
    if not is_list or not all(type(each) in (int, float) for each in percentiles):
        raise invalid(2, "percentiles must be a list of numbers")
    if len(percentiles) > MAX_PERCENTILES:
        what = f"over the query limit {MAX_PERCENTILES}"
        raise RpcError(SERVER_ERROR, f"invalid reward percentile: {what}")
    for number, percentile in enumerate(percentiles):
        if not 0 <= percentile <= 100:
            raise RpcError(SERVER_ERROR, f"invalid reward percentile: {percentile:f}")
        if number and percentile <= percentiles[number - 1]:
            order = f"#{number - 1}:{percentiles[number - 1]:f} >= #{number}:{percentile:f}"
            raise RpcError(SERVER_ERROR, f"invalid reward percentile: {order}")
    return percentiles


def _block_count(names: Sequence[str] | None) -> str | None:
    return None if names is None else quantity(len(names))


def _names_by_number(moment: Moment, params: Sequence[Any]) -> Sequence[str] | None:
    """The transactions of a block; None where there is no such block."""
    tag = _needed(params, 0)
    if tag == "pending":
        return [sent.id for sent in moment.copy.waiting()]
    height = moment.height(tag, 0)
    if height > moment.copy.head:
        return None
    moment.require(height)
    return moment.copy.shown(height)


def _names_by_hash(moment: Moment, params: Sequence[Any]) -> Sequence[str] | None:
    height = moment.copy.height_of(read_hash(_needed(params, 0), 0))
    if height is None:
        return None
    moment.require(height)
    return moment.copy.shown(height)


def _in_block(moment: Moment, names: Sequence[str] | None, params: Sequence[Any]) -> Any:
    place = read_quantity(_needed(params, 1), 1)
    if names is None or place >= len(names):
        return None
    return shapes.transaction(moment, moment.copy.sent[names[place]])


def _storage(moment: Moment, params: Sequence[Any]) -> str:
    read_address(_needed(params, 0), 0)
    moment.known_height(_at(params, 2), 2)
    return "0x" + word(0)


def _pool(moment: Moment, _params: Sequence[Any]) -> dict[str, str]:
    """How many transactions can be mined, and how many wait behind a nonce that is missing."""
    waiting = moment.copy.waiting()
    ready = sum(sent.nonce < moment.copy.pending_nonce(sent.sender.lower()) for sent in waiting)
    return {"pending": quantity(ready), "queued": quantity(len(waiting) - ready)}


def _keccak(_moment: Moment, params: Sequence[Any]) -> str:
    from eth_utils.crypto import keccak

    return "0x" + keccak(read_data(_needed(params, 0), 0)).hex()


def _estimate(moment: Moment, params: Sequence[Any]) -> str:
    """The gas of a call; a call that its sender cannot pay reverts, as it would in a block."""
    call = _call_of(params)
    _run(moment, call, moment.copy.head)
    sender, value = _sender(call), _value(call)
    if sender is not None and value:
        have = moment.balance_wei(sender, moment.copy.head)
        if value > have:
            what = "insufficient funds for gas * price + value"
            raise RpcError(SERVER_ERROR, f"{what}: address {sender} have {have} want {value}")
    return quantity(shapes.TOKEN_GAS if _data(call) else shapes.TRANSFER_GAS)


def _call(moment: Moment, params: Sequence[Any]) -> str:
    return _run(moment, _call_of(params), moment.known_height(_at(params, 1), 1))


def _call_of(params: Sequence[Any]) -> dict[str, Any]:
    call = _needed(params, 0)
    if not isinstance(call, dict):
        raise invalid(0, "a call must be an object")
    return call


def _run(moment: Moment, call: dict[str, Any], height: int) -> str:
    """What a call returns: only the token contract has functions. Raises RpcError if it reverts."""
    to = read_address(call["to"], 0) if call.get("to") is not None else None
    data = _data(call)
    if to != TOKEN or not moment.network.is_token:
        return "0x"
    function = _SELECTORS.get(data[:4])
    match function:
        case "balanceOf" if len(data) >= 36:
            account = "0x" + data[16:36].hex()
            return "0x" + word(moment.balance(account, height))
        case "decimals":
            return "0x" + word(exponent(moment.network.asset))
        case "symbol" | "name":
            return "0x" + word(32) + _text(moment.network.asset)
        case "transfer" if len(data) >= 68:
            sender = _sender(call)
            have = moment.balance(sender, height) if sender is not None else 0
            if int.from_bytes(data[36:68], "big") > have:
                why = "ERC20: transfer amount exceeds balance"
                shown = "0x" + _ERROR_SELECTOR + word(32) + _text(why)
                raise RpcError(REVERTED, f"execution reverted: {why}", shown)
            return "0x" + word(1)
        case _:
            raise RpcError(REVERTED, "execution reverted", "0x")


def _text(text: str) -> str:
    """A string as contracts return it: its length, then its bytes padded to whole words."""
    data = text.encode()
    return word(len(data)) + data.hex().ljust(-(-len(data) // 32) * 64, "0")


def _data(call: dict[str, Any]) -> bytes:
    given = call.get("input", call.get("data"))
    return b"" if given is None else read_data(given, 0)


def _sender(call: dict[str, Any]) -> str | None:
    return None if call.get("from") is None else read_address(call["from"], 0)


def _value(call: dict[str, Any]) -> int:
    return 0 if call.get("value") is None else read_quantity(call["value"], 0)


def _code(moment: Moment, params: Sequence[Any]) -> str:
    is_contract = moment.network.is_token and read_address(_needed(params, 0), 0) == TOKEN
    return "0x60006000fd" if is_contract else "0x"  # code that always reverts


def _logs(moment: Moment, params: Sequence[Any]) -> list[Log]:
    """The token transfers that match a filter."""
    wanted = LogFilter.read(_needed(params, 0))
    lowest, highest = wanted.heights(moment)
    if highest > (head := moment.copy.head):
        raise mistaken(moment.network.words, "future", have=head, want=max(lowest, head + 1))
    moment.require(lowest)
    return wanted.between(moment, lowest, highest)


METHODS: dict[str, Method] = {
    "web3_clientVersion": lambda moment, _: moment.network.words.version,
    "net_version": lambda moment, _: str(moment.network.chain_id),
    "net_listening": lambda _moment, _params: True,
    "eth_chainId": lambda moment, _: quantity(moment.network.chain_id),
    "eth_syncing": lambda _moment, _params: False,  # a lagging node does not know that it lags
    "eth_accounts": lambda _moment, _params: [],
    "eth_blockNumber": lambda moment, _: quantity(moment.copy.head),
    "eth_getBlockByNumber": _block_by_number,
    "eth_getBlockByHash": _block_by_hash,
    "eth_getBlockReceipts": _block_receipts,
    "eth_getBalance": _balance,
    "eth_getTransactionCount": _nonce,
    "eth_getTransactionByHash": _transaction,
    "eth_getTransactionReceipt": _receipt,
    "eth_getLogs": _logs,
    "eth_getCode": _code,
    "eth_call": _call,
    "eth_estimateGas": _estimate,
    "eth_gasPrice": _gas_price,
    "eth_maxPriorityFeePerGas": lambda moment, _params: quantity(_priority_fee(moment)),
    "eth_feeHistory": _fee_history,
    "eth_blobBaseFee": lambda _moment, _params: "0x1",
    "eth_getBlockTransactionCountByNumber": lambda moment, params: _block_count(
        _names_by_number(moment, params)
    ),
    "eth_getBlockTransactionCountByHash": lambda moment, params: _block_count(
        _names_by_hash(moment, params)
    ),
    "eth_getTransactionByBlockNumberAndIndex": lambda moment, params: _in_block(
        moment, _names_by_number(moment, params), params
    ),
    "eth_getTransactionByBlockHashAndIndex": lambda moment, params: _in_block(
        moment, _names_by_hash(moment, params), params
    ),
    "eth_getStorageAt": _storage,
    "txpool_status": _pool,
    "web3_sha3": _keccak,
}
# What needs a connection that lasts: the kind of the client's refusal.
SUBSCRIPTIONS = {"eth_subscribe": "subscribe", "eth_unsubscribe": "unsubscribe"}
# Methods whose first parameter is the hash of a transaction.
OF_TRANSACTIONS = frozenset({"eth_getTransactionByHash", "eth_getTransactionReceipt"})
