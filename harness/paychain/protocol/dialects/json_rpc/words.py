"""How node software refuses a transaction: each client has its own codes and texts.

geth: core/txpool/errors.go. parity: its own sources, continued by OpenEthereum. nethermind: the
names it used until 2026; since then its texts are geth's. anvil: as measured with 1.7.1.
idempotent: geth behind a proxy that accepts repeats (eRPC's idempotentTransactionBroadcast).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from paychain.payments.transaction import Refusal
from paychain.protocol.dialects.json_rpc.values import (
    INVALID_PARAMS,
    NO_METHOD,
    SERVER_ERROR,
    RpcError,
)

_PARITY, _REJECTED = -32010, -32003
MAX_FEE_WEI = 10**18  # of one transaction: geth's default


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientWords:
    """A client's texts, with the placeholders `{nonce}`, `{next}`, `{have}`, `{want}`, `{fee}`."""

    version: str  # what web3_clientVersion answers
    code: int
    refusals: Mapping[Refusal, str]
    takes_repeats: bool = False  # a repeat is answered with its hash
    is_careful: bool = False  # takes only what names its network, for at most MAX_FEE_WEI
    mistakes: Mapping[str, tuple[int, str]] = field(default_factory=dict)  # if not geth's


_GETH = {
    Refusal.ALREADY_KNOWN: "already known",
    Refusal.NONCE_TOO_LOW: "nonce too low: next nonce {next}, tx nonce {nonce}",
    Refusal.REPLACEMENT_UNDERPRICED: "replacement transaction underpriced",
    Refusal.UNDERPRICED: "transaction underpriced: gas tip cap {fee}, minimum needed 1",
    Refusal.POOL_FULL: "txpool is full",
    Refusal.INSUFFICIENT_FUNDS: (
        "insufficient funds for gas * price + value: "
        "balance {have}, tx cost {want}, overshot {short}"
    ),
}
# Mistakes of the caller: code and text by kind.
_MISTAKES = {
    "method": (NO_METHOD, "the method {method} does not exist/is not available"),
    "chain": (SERVER_ERROR, "invalid chain id for signer: have {have} want {want}"),
    "gas": (SERVER_ERROR, "intrinsic gas too low: gas {have}, minimum needed {want}"),
    "undecodable": (SERVER_ERROR, "{why}"),
    "block": (SERVER_ERROR, "header not found"),
    "subscribe": (NO_METHOD, "notifications not supported"),
    "unsubscribe": (SERVER_ERROR, "subscription not found"),
    "any network": (
        SERVER_ERROR,
        "only replay-protected (EIP-155) transactions allowed over RPC",
    ),
    "fee": (
        SERVER_ERROR,
        "tx fee ({have:.2f} ether) exceeds the configured cap ({want:.2f} ether)",
    ),
    "both": (
        INVALID_PARAMS,
        "invalid argument 0: cannot specify both BlockHash and FromBlock/ToBlock, choose one or "
        "the other",
    ),
    "range": (INVALID_PARAMS, "invalid block range params"),
    "future": (INVALID_PARAMS, "block range extends beyond current head block"),
    "topics": (SERVER_ERROR, "exceed max topics"),
}
WORDS: dict[str, ClientWords] = {
    "geth": ClientWords(
        version="Geth/v1.16.7-stable/linux-amd64/go1.25.1",
        code=SERVER_ERROR,
        refusals=_GETH,
        is_careful=True,
    ),
    "idempotent": ClientWords(
        version="Geth/v1.16.7-stable/linux-amd64/go1.25.1",
        code=SERVER_ERROR,
        refusals=_GETH,
        takes_repeats=True,
        is_careful=True,
    ),
    "parity": ClientWords(
        version="OpenEthereum//v3.3.5-stable/x86_64-linux-musl/rustc1.59.0",
        code=_PARITY,
        refusals={
            Refusal.ALREADY_KNOWN: "Transaction with the same hash was already imported.",
            Refusal.NONCE_TOO_LOW: "Transaction nonce is too low. Try incrementing the nonce.",
            Refusal.REPLACEMENT_UNDERPRICED: (
                "Transaction gas price is too low. There is another transaction with same nonce "
                "in the queue. Try increasing the gas price or incrementing the nonce."
            ),
            Refusal.UNDERPRICED: (
                "Transaction gas price is too low. It does not satisfy your node's minimal gas "
                "price (minimal: 1 got: {fee}). Try increasing the gas price."
            ),
            Refusal.POOL_FULL: (
                "There are too many transactions in the queue. Your transaction was dropped due to "
                "limit. Try increasing the fee."
            ),
            Refusal.INSUFFICIENT_FUNDS: (
                "Insufficient funds. The account you tried to send transaction from does not have "
                "enough funds. Required {want} and got: {have}."
            ),
        },
    ),
    "nethermind": ClientWords(
        version="Nethermind/v1.25.4+20b10b35/linux-x64/dotnet8.0.1",
        code=_PARITY,
        refusals={
            Refusal.ALREADY_KNOWN: "AlreadyKnown",
            Refusal.NONCE_TOO_LOW: (
                "OldNonce, Current nonce: {next}, nonce of rejected tx: {nonce}"
            ),
            Refusal.REPLACEMENT_UNDERPRICED: "ReplacementNotAllowed",
            Refusal.UNDERPRICED: "FeeTooLow",
            Refusal.POOL_FULL: "FeeTooLowToCompete",
            Refusal.INSUFFICIENT_FUNDS: (
                "InsufficientFunds, Account balance: {have}, cumulative cost: {want}"
            ),
        },
    ),
    "anvil": ClientWords(
        version="anvil/v1.7.1",
        code=_REJECTED,
        refusals={
            Refusal.ALREADY_KNOWN: "transaction already imported",
            Refusal.NONCE_TOO_LOW: "nonce too low",
            Refusal.REPLACEMENT_UNDERPRICED: "replacement transaction underpriced",
            Refusal.UNDERPRICED: "max fee per gas less than block base fee",
            Refusal.POOL_FULL: "transaction pool is full",
            Refusal.INSUFFICIENT_FUNDS: "Insufficient funds for gas * price + value",
        },
        mistakes={
            "method": (NO_METHOD, "Method not found"),
            "subscribe": (NO_METHOD, "Method not found"),
            "unsubscribe": (NO_METHOD, "Method not found"),
            "both": (
                INVALID_PARAMS,
                "cannot specify both blockHash and fromBlock/toBlock, choose one or the other",
            ),
            "future": (
                INVALID_PARAMS,
                "BlockOutOfRangeError: block height is {have} but requested was {want}",
            ),
            "topics": (INVALID_PARAMS, "exceeded maximum topics len"),
            "chain": (_REJECTED, "invalid chain id for signer"),
            "gas": (SERVER_ERROR, "intrinsic gas too low"),
            "undecodable": (INVALID_PARAMS, "Failed to decode transaction"),
            "block": (
                INVALID_PARAMS,
                "BlockOutOfRangeError: block height is {have} but requested was {want}",
            ),
        },
    ),
}


def refused(words: ClientWords, refusal: Refusal, **values: int) -> RpcError:
    """The client's error for a refusal. `values`: nonce, next, fee, have, want and short."""
    return RpcError(words.code, words.refusals[refusal].format(**values))


def mistaken(words: ClientWords, what: str, **values: float | str) -> RpcError:
    """The client's error for a mistake of the caller, by its kind: `method`, `chain`, `gas`, …"""
    code, text = words.mistakes.get(what, _MISTAKES[what])
    return RpcError(code, text.format(**values))
